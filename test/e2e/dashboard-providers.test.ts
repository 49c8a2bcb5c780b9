/**
 * The page of providers in a real browser: circuits, orders by hand, keys, limits, attempts, latency and errors, each
 * compared with what the admin API says, and each order with what calls then meet.
 */
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import { duration, exactCount, text } from "../../dashboard/lib/format.ts"
import { noBrowser } from "../support/browser.ts"
import { dashboardSuite, eventually, expectFit, figure, loaded, note } from "../support/dashboard.ts"
import { answer, sendJson, type Respond } from "../support/upstream.ts"

interface Providers {
  readonly providers: ReadonlyArray<{
    readonly name: string
    readonly breaker: string
    readonly attempts: {
      readonly attempts: number
      readonly succeeded: number
      readonly failed: number
      readonly rescuedByRetry: number
      readonly rescuedByFallback: number
    }
    readonly keys: ReadonlyArray<{ readonly state: string; readonly reason: string | null }>
    readonly circuits: ReadonlyArray<{
      readonly model: string
      readonly state: string
      readonly manual: boolean
      readonly retryMs: number | null
      readonly calls: number
    }>
  }>
}

interface Usage {
  readonly totals: {
    readonly requests: number
    readonly errors: number
    readonly latencyMsP50: number | null
    readonly latencyMsP95: number | null
  }
}

/** One key is refused, one model is broken, the rest is answered. */
const respond: Respond = (response, request) => {
  if (request.headers.authorization === "Bearer sk-refused") {
    return sendJson(401, { error: { message: "Incorrect API key", code: "invalid_api_key" } })(response, request)
  }
  if (request.json["model"] === "broken") {
    return sendJson(500, { error: { message: "internal" } })(response, request)
  }
  return answer("The wheel turns.")(response, request)
}

const suiteName = noBrowser === undefined ? "dashboard: providers" : `dashboard: providers (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(suiteName, () => {
  const suite = dashboardSuite(
    (url) => `
providers:
  - name: mill
    kind: openai-compatible
    baseUrl: ${url}/v1
    apiKeys: [sk-accepted, sk-refused]
    model: m
    rateLimits: { requestsPerMinute: 600, tokensPerMinute: 100000, concurrent: 8 }
    modelLimits: { m: { requestsPerMinute: 300 } }
  - name: spare
    kind: simulated
    model: spare
    simulated: { latency: 1, tokensPerSecond: 0, seed: 3 }
cache: { enabled: false }
retry: { maxAttempts: 2, baseDelay: 1, maxDelay: 2 }
breaker: { consecutiveFailures: 3, openFor: 10m }
storage: { database: memory }`
  )

  const providerOf = async (name: string) =>
    (await suite.admin<Providers>("providers")).providers.find((provider) => provider.name === name)!

  const ask = (model: string) => suite.send({ model, messages: [{ role: "user", content: "Hello" }] })

  const row = (page: Page, id: string) => page.locator(`tr[data-row="${id}"]`)

  it("shows circuits, keys, limits, attempts, latency and errors as the admin API does", async () => {
    suite.upstream.respond = respond
    for (let call = 0; call < 4; call++) expect((await ask("mill/m")).status).toBe(200)
    for (let call = 0; call < 4; call++) expect((await ask("mill/broken")).status).toBeGreaterThanOrEqual(500)
    const page = await suite.open("/providers")
    await loaded(page)

    const mill = await providerOf("mill")
    const usage = await suite.admin<Usage>("usage?provider=mill&bucket=day")
    await eventually(() => row(page, "mill").textContent()).toContain("Open")
    await eventually(() => row(page, "spare").textContent()).toContain("Closed")
    await eventually(() => figure(page, "provider-requests")).toBe(exactCount(usage.totals.requests))
    expect(await note(page, "provider-requests")).toBe(`${exactCount(usage.totals.errors)} failed`)
    const latency = `p50${text(duration(usage.totals.latencyMsP50))}p95${text(duration(usage.totals.latencyMsP95))}`
    expect(await figure(page, "provider-latency")).toBe(latency.replace(/\s+/g, ""))
    expect(await figure(page, "provider-attempts")).toBe(exactCount(mill.attempts.attempts))
    expect(await note(page, "provider-attempts")).toBe(
      `${exactCount(mill.attempts.succeeded)} succeeded, ${exactCount(mill.attempts.failed)} failed`
    )

    expect(await figure(page, "provider-rescued")).toBe(
      `byretry${mill.attempts.rescuedByRetry}byfallback${mill.attempts.rescuedByFallback}`
    )

    const broken = mill.circuits.find(({ model }) => model === "broken")!
    expect(broken).toMatchObject({ state: "open", manual: false })
    const circuit = (await row(page, "broken").textContent())!
    expect(circuit).toContain("Open")
    expect(circuit).toMatch(/(10 min|9 min \d+ ?s)/)
    expect(await row(page, "m").textContent()).toContain("Closed")

    expect(mill.keys.map(({ state, reason }) => [state, reason])).toEqual([
      ["ready", null],
      ["resting", "rejected"]
    ])
    const keys = await page.getByRole("region", { name: "API keys" }).locator("li").allTextContents()
    expect(keys[0]).toBe("Key 1Ready")
    expect(keys[1]).toMatch(/^Key 2Restingthe provider rejected it, used again in \d/)
    const limits = await page.getByRole("region", { name: "Limits of mill" }).textContent()
    expect(limits).toContain("Requests per minute600")
    expect(limits).toContain("Requests per minutem300")

    const { groups } = await suite.admin<{ groups: Array<{ kind: string; count: number }> }>("errors?provider=mill")
    const kinds = new Map<string, number>()
    for (const { count, kind } of groups) kinds.set(kind, (kinds.get(kind) ?? 0) + count)
    expect(kinds.size).toBeGreaterThan(1)
    for (const [kind, requests] of kinds) {
      await eventually(() => row(page, kind).textContent()).toMatch(new RegExp(`${requests}$`))
    }
    await row(page, "CircuitOpen").getByRole("link").click()
    await page.waitForURL("**/requests?**")
    const query = new URL(page.url()).searchParams
    expect(Object.fromEntries(query)).toMatchObject({ provider: "mill", errorKind: "CircuitOpen", range: "start" })
    await eventually(() => page.locator("tr[data-row]").count()).toBe(kinds.get("CircuitOpen")!)
    expect(suite.witness.complaints).toEqual([])
  })

  it("calls a provider once when that is asked for, and says what came of it", async () => {
    const before = (await providerOf("spare")).attempts.attempts
    const page = await suite.open("/providers?provider=spare")
    await loaded(page)
    await page.getByRole("button", { name: "Probe" }).click()
    await eventually(() => page.locator("[data-probe]").getAttribute("data-probe")).toBe("ok")
    await eventually(async () => (await providerOf("spare")).attempts.attempts).toBe(before + 1)
    suite.upstream.respond = respond
    await page.locator('tr[data-row="mill"]').getByRole("button").click()
    await page.getByRole("button", { name: "Orders for the circuit of broken", exact: true }).press("Enter")
    await page.getByRole("menuitem", { name: "Probe" }).press("Enter")
    await eventually(() => page.locator("[data-probe]").getAttribute("data-probe")).toBe("CircuitOpen")
    await page.getByText("Close the breaker first").waitFor()
    await page.getByLabel("Model", { exact: true }).hover()
    await eventually(() => page.getByLabel("Model", { exact: true }).locator("option").allTextContents()).toContain(
      "spare"
    )
    await page.getByLabel("Model", { exact: true }).selectOption("spare")
    await eventually(() => figure(page, "provider-requests")).toBe("0")
    expect(suite.witness.complaints).toEqual([])
  })

  it("opens and closes every circuit of a provider after a question, and calls meet that", async () => {
    const page = await suite.open("/providers?provider=spare")
    await loaded(page)
    expect((await ask("spare/spare")).status).toBe(200)
    await page.getByRole("button", { name: "Open", exact: true }).click()
    const dialog = page.getByRole("alertdialog")
    await dialog.getByRole("button", { name: "Cancel" }).press("Enter")
    await eventually(() => dialog.count()).toBe(0)
    expect((await providerOf("spare")).breaker).toBe("closed")

    await page.getByRole("button", { name: "Open", exact: true }).click()
    await dialog.getByLabel("Holds for").selectOption({ label: "1 hour" })
    await dialog.getByRole("button", { name: "Open it" }).click()
    await eventually(() => dialog.count()).toBe(0)
    const opened = await providerOf("spare")
    expect(opened.breaker).toBe("open")
    expect(opened.circuits[0]).toMatchObject({ state: "open", manual: true })
    expect(opened.circuits[0]!.retryMs).toBeGreaterThan(3_500_000)
    await eventually(() => row(page, "spare").last().textContent()).toContain("By hand")
    expect((await ask("spare/spare")).status).toBe(503)

    await page.getByRole("button", { name: "Close", exact: true }).click()
    await dialog.getByRole("button", { name: "Close it" }).click()
    await eventually(async () => (await providerOf("spare")).breaker).toBe("closed")
    expect((await ask("spare/spare")).status).toBe(200)
    expect(suite.witness.complaints).toEqual([])
  })

  it("gives orders for one model by keyboard, and takes them back", async () => {
    await ask("spare/other")
    const page = await suite.open("/providers?provider=spare")
    await loaded(page)
    const order = async (item: string, confirm: string) => {
      await page.getByRole("button", { name: "Orders for the circuit of spare", exact: true }).press("Enter")
      await page.getByRole("menuitem", { name: item }).press("Enter")
      await page.getByRole("alertdialog").getByRole("button", { name: confirm }).press("Enter")
      await eventually(() => page.getByRole("alertdialog").count()).toBe(0)
    }
    const state = async () => (await providerOf("spare")).circuits.find(({ model }) => model === "spare")?.state
    await order("Open", "Open it")
    await eventually(state).toBe("open")
    await order("Leave to the outcomes", "Leave it")
    await eventually(state).toBe("closed")
  })

  it("says what the gateway refused, and keeps the question open", async () => {
    const page = await suite.open("/providers?provider=spare")
    await loaded(page)
    await page.route("**/api/providers/spare/breaker", (route) =>
      route.fulfill({ status: 404, json: { kind: "not-found", message: "there is no such provider" } })
    )
    await page.getByRole("button", { name: "Close", exact: true }).click()
    const dialog = page.getByRole("alertdialog")
    await dialog.getByRole("button", { name: "Close it" }).click()
    await eventually(() => dialog.getByRole("alert").textContent()).toContain("there is no such provider")
  })

  it("shows the provider that the address names, and goes back", async () => {
    const page = await suite.open("/providers")
    await loaded(page)
    await row(page, "spare").first().getByRole("button").click()
    await page.getByRole("region", { name: "Provider spare" }).waitFor()
    expect(new URL(page.url()).searchParams.get("provider")).toBe("spare")
    await page.goBack()
    await page.getByRole("region", { name: "Provider mill" }).waitFor()
  })

  it("is fit for everybody", () => expectFit(suite, "/providers"))
})
