/**
 * The live page in a real browser: calls in flight and in queues, limits, breakers, budgets and stores as they are now,
 * within a second and as the gateway's status says.
 */
import { describe, expect, it } from "vitest"
import { noBrowser } from "../support/browser.ts"
import { dashboardSuite, eventually, expectFit, figure, loaded } from "../support/dashboard.ts"
import { answer, sendJson } from "../support/upstream.ts"

interface Status {
  readonly process: { readonly residentBytes: number }
  readonly queue: { readonly waiting: number }
  readonly providers: ReadonlyArray<{
    readonly name: string
    readonly active: number
    readonly queued: number
    readonly breaker: string
  }>
  readonly budgets: { readonly items: ReadonlyArray<{ readonly usedShare: number; readonly state: string }> }
}

const suiteName = noBrowser === undefined ? "dashboard: live" : `dashboard: live (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(suiteName, () => {
  const suite = dashboardSuite(
    (url) => `
providers:
  - name: mill
    kind: openai-compatible
    baseUrl: ${url}/v1
    model: m
    pricing: { input: 1000, output: 1000 }
    rateLimits: { concurrent: 1, requestsPerMinute: 6000 }
cache: { enabled: false }
retry: { maxAttempts: 1 }
breaker: { consecutiveFailures: 3, openFor: 10m }
tenants: { acme: { rateLimits: { requestsPerMinute: 120 } } }
budgets:
  - { name: daily, scope: tenant, usd: 0.05, period: day, reserve: expected }
storage: { database: memory }`
  )

  const ask = (content: string, headers: { readonly [name: string]: string } = {}) =>
    suite.send({ messages: [{ role: "user", content }], max_tokens: 5 }, headers)

  it("shows who is served and who waits within a second, and when they are through", async () => {
    const page = await suite.open("/live")
    await loaded(page)
    await eventually(() => figure(page, "in-flight")).toBe("0")
    await page.getByText("Nobody waits").waitFor()

    let release = () => {}
    const held = new Promise<void>((resolve) => (release = resolve))
    suite.upstream.respond = async (response, request) => {
      await held
      return answer("Done.")(response, request)
    }
    const calls = [
      ask("first", { "x-millrace-tenant": "acme" }),
      ...["second", "third"].map((content) => ask(content, { "x-millrace-tenant": "globex" })),
      ask("fourth", { "x-millrace-tenant": "initech", "x-millrace-priority": "batch" })
    ]
    await eventually(async () => (await suite.admin<Status>("status")).queue.waiting).toBe(3)
    const waitingSinceMs = Date.now()
    await eventually(() => figure(page, "waiting")).toBe("3")
    expect(Date.now() - waitingSinceMs, "shown within about a second").toBeLessThan(2500)
    await eventually(() => figure(page, "in-flight")).toBe("1")
    await eventually(() => page.locator('[data-provider="mill"]').textContent()).toContain("0 of 1 free")

    const groups = page.getByRole("region", { name: "Groups that wait" })
    const waiters = page.getByRole("region", { name: "Calls that wait" })
    await eventually(() => waiters.locator("tr[data-row]").count()).toBe(3)
    const shown = await groups.locator("tr[data-row]").allTextContents()
    expect(shown).toEqual(
      expect.arrayContaining([
        expect.stringMatching(/^millglobex3, interactive2\d[\d.]* ?m?s$/),
        expect.stringMatching(/^millinitech7, batch1\d[\d.]* ?m?s$/)
      ])
    )
    expect(await page.locator('[data-tenant="acme"]').textContent()).toMatch(/119 of 120 free/)

    release()
    for (const response of await Promise.all(calls)) expect(response.status).toBe(200)
    await eventually(() => figure(page, "waiting")).toBe("0")
    await eventually(() => figure(page, "in-flight")).toBe("0")
    await eventually(() => page.locator('[data-metric="waiting"] [role="img"]').getAttribute("aria-label")).toBe(
      "Waiting over the last 2 minutes, at most 3"
    )
    expect(suite.witness.complaints).toEqual([])
  })

  it("shows budgets near their limit, open breakers with the time until they are probed, and stores", async () => {
    for (let call = 0; call < 8; call++) await ask(`spend ${call}`, { "x-millrace-tenant": "spender" })
    const { budgets } = await suite.admin<Status>("status")
    const near = budgets.items.filter(({ state, usedShare }) => state !== "ok" || usedShare >= 0.8)
    expect(near.length).toBeGreaterThan(0)
    const page = await suite.open("/live")
    await loaded(page)
    await eventually(() => page.locator("[data-budget]").count()).toBe(near.length)
    expect((await page.locator("[data-budget]").allTextContents()).join()).toContain("spender")
    expect(await page.locator('[data-store="Usage database"]').textContent()).toBe("Usage databasememoryHealthy")

    suite.upstream.respond = sendJson(500, { error: { message: "internal" } })
    for (let call = 0; call < 3; call++) await ask(`broken ${call}`, { "x-millrace-tenant": "other" })
    const mill = page.locator('[data-provider="mill"]')
    await eventually(() => mill.textContent()).toMatch(/Breaker openm: open, next probe in (10 min|9 min \d+ ?s)/)
    expect((await suite.admin<Status>("status")).providers[0]!.breaker).toBe("open")
    await mill.getByRole("link", { name: "mill" }).click()
    await page.waitForURL("**/providers?provider=mill")
    expect(suite.witness.complaints).toEqual([])
  })

  it("shows how busy the gateway’s process is", async () => {
    const page = await suite.open("/live")
    await loaded(page)
    await eventually(() => figure(page, "loop-delay")).toMatch(/^p50<?[\d.]+m?sp99<?[\d.]+m?s$/)
    await eventually(() => figure(page, "cpu")).toMatch(/^[\d.]+%$/)
    const { process } = await suite.admin<Status>("status")
    const shown = Number.parseFloat(await figure(page, "memory"))
    expect(Math.abs(shown - process.residentBytes / 1e6)).toBeLessThan(process.residentBytes / 2e6)
    await eventually(() => page.locator('[data-metric="loop-delay"] [role="img"]').getAttribute("aria-label")).toMatch(
      /^Event-loop delay, p99 over the last 2 minutes, at most <?[\d.]+ m?s$/
    )
  })

  it("polls where events don't come through, and says why a store that instances share is failing", async () => {
    const page = await suite.open("/overview")
    const status = await suite.admin<object & { readonly stores: object }>("status")
    const redis = {
      healthy: false,
      reason: "no answer within 50 ms",
      since: "2026-11-22T10:00:00.000Z",
      roundTripMs: null,
      roundTrips: 0,
      dropped: 3
    }
    await page.route("**/api/events", (route) => route.abort())
    await page.route("**/api/status", (route) =>
      route.fulfill({ json: { ...status, stores: { ...status.stores, redis } } })
    )
    await page.goto("/live")
    await eventually(() => page.locator("[data-link]").first().getAttribute("data-link")).toBe("polling")
    await eventually(() => page.locator('[data-store="Redis"]').textContent()).toMatch(
      /no answer within 50 ms, since 22 Nov, \d\d:\d\d, each instance goes by its own, 3 messages lostFailing/
    )
    await page.goto("/overview")
    await eventually(() => page.locator('[data-concern="store redis"]').textContent()).toContain(
      "no answer within 50 ms"
    )
  })

  it("keeps its two minutes while other pages are visited", async () => {
    const page = await suite.open("/live")
    await loaded(page)
    await page.getByRole("link", { name: "Providers" }).click()
    await page.waitForURL("**/providers")
    await page.getByRole("link", { name: "Live" }).click()
    await page.waitForURL("**/live")
    await eventually(() => page.locator('[data-metric="in-flight"] [role="img"]').getAttribute("aria-label")).toBe(
      "In flight over the last 2 minutes, at most 0"
    )
  })

  it("is fit for everybody", () => expectFit(suite, "/live"))
})
