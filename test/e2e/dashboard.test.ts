/**
 * The dashboard in a real browser, in front of a real `millrace serve` with the simulated provider.
 *
 * Every figure that a page shows is compared with what the admin API says, and traffic is sent from outside as any
 * client would. The dashboard's build is reused while it is up to date.
 */
import axe from "axe-core"
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { gzipSync } from "node:zlib"
import { build, isBuilt, serverFile } from "../../scripts/dashboard.ts"
import { launch, makeWitness, noBrowser, openPage, type Witness } from "../support/browser.ts"
import { startDashboard, startGateway, type Running } from "../support/processes.ts"

const token = "e2e-canary-token-6b1f9d3c7a"
const pages = ["/overview", "/requests", "/playground"]
/** The aim is 300 kB; the figures that the overview has gained since are to be loaded beside it. */
const firstPageLimitBytes = 310_000

/** Reads until the expectation holds. */
const eventually = <A>(read: () => A) => expect.poll(read, { timeout: 15_000, interval: 50 })

const config = `
providers:
  - name: simulated
    kind: simulated
    model: simulated
    rateLimits: { requestsPerMinute: 6000, tokensPerMinute: 1000000, concurrent: 8 }
    simulated: { latency: 80, tokensPerSecond: 250, seed: 7 }
  - name: slow
    kind: simulated
    model: simulated-slow
    simulated: { latency: 100, tokensPerSecond: 25, seed: 8 }
storage: { database: memory }
server: { adminToken: ${token} }
`

const suite = noBrowser === undefined ? "dashboard" : `dashboard (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(suite, () => {
  let folder: string
  let configFile: string
  let gateway: Running
  let dashboard: Running
  let browser: Browser
  let witness: Witness
  const opened: Array<Page> = []

  beforeAll(async () => {
    if (!isBuilt()) await build(() => undefined)
    folder = mkdtempSync(path.join(tmpdir(), "millrace-dashboard-"))
    configFile = path.join(folder, "millrace.config.yaml")
    writeFileSync(configFile, config)
    gateway = await startGateway(configFile)
    dashboard = await startDashboard(gateway.url)
    browser = await launch()
  }, 400_000)

  afterAll(async () => {
    await browser?.close()
    await dashboard?.stop()
    await gateway?.stop()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  beforeEach(() => {
    witness = makeWitness()
  })

  /** Whatever a test did: the token reached no page. */
  afterEach(async () => {
    for (const body of witness.bodies) {
      const received = await body
      expect(received.body.includes(token), `the token in ${received.url}`).toBe(false)
    }
    await Promise.all(opened.splice(0).map((page) => page.context().close()))
  })

  const open = async (options: BrowserContextOptions = {}): Promise<Page> => {
    const page = await openPage(browser, witness, { baseURL: dashboard.url, ...options })
    opened.push(page)
    return page
  }

  const logIn = async (page: Page, destination = "/overview") => {
    await page.goto(destination)
    await page.waitForURL("**/login**")
    await page.getByLabel("Admin token").fill(token)
    await page.getByRole("button", { name: "Log in" }).click()
    await page.waitForURL(`**${destination}`)
  }

  const admin = async <A>(route: string): Promise<A> => {
    const response = await fetch(`${gateway.url}/admin/api/${route}`, {
      headers: { authorization: `Bearer ${token}` }
    })
    expect(response.status).toBe(200)
    return (await response.json()) as A
  }

  const send = async (content: string, more: object = {}) => {
    const response = await fetch(`${gateway.url}/v1/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({
        model: "simulated/simulated",
        messages: [{ role: "user", content }],

        ...more
      })
    })
    await response.text()
    return response
  }

  const metric = (page: Page, id: string) => page.locator(`[data-metric="${id}"]`)
  const whole = new Intl.NumberFormat("en-US")

  it("refuses a wrong token and says why", async () => {
    const page = await open()
    await page.goto("/login")
    await page.getByLabel("Admin token").fill("wrong-token-0000000000")
    await page.getByRole("button", { name: "Log in" }).click()
    await eventually(() => alert(page)).toContain("does not accept this admin token")
    expect(new URL(page.url()).pathname).toBe("/login")
    expect((await page.context().cookies()).filter(({ name }) => name === "millrace_session")).toEqual([])
  })

  it("logs in by keyboard alone, keeps the token on the server, and ends the session on logout", async () => {
    const page = await open()
    await page.goto("/login")
    await page.keyboard.type(token)
    await page.keyboard.press("Enter")
    await page.waitForURL("**/overview")
    const cookie = (await page.context().cookies()).find(({ name }) => name === "millrace_session")!
    expect(cookie).toMatchObject({ httpOnly: true, sameSite: "Strict" })
    expect(cookie.value).not.toContain(token)
    expect(cookie.expires - Date.now() / 1000).toBeGreaterThan(11.9 * 3600)
    expect(cookie.expires - Date.now() / 1000).toBeLessThan(12.1 * 3600)

    await page.keyboard.press("Tab")
    expect(await focused(page)).toBe("Skip to the content")
    await page.keyboard.press("Tab")
    expect(await focused(page)).toContain("Search")
    const destinations = await page.getByRole("navigation", { name: "Pages" }).getByRole("link").allTextContents()
    expect(destinations).toEqual(expect.arrayContaining(["Overview", "Requests", "Playground"]))
    for (const name of destinations) {
      await page.keyboard.press("Tab")
      expect(await focused(page)).toBe(name)
    }

    const otherTab = await page.context().newPage()
    await otherTab.goto("/overview")
    await otherTab.getByText("Live", { exact: true }).first().waitFor()
    await page.getByRole("button", { name: "Log out" }).click()
    await page.waitForURL("**/login")
    await otherTab.waitForURL("**/login?ended=1**")
    const replayed = await fetch(`${dashboard.url}/api/status`, {
      headers: { cookie: `millrace_session=${cookie.value}` }
    })
    expect(replayed.status).toBe(401)
    expect(witness.complaints).toEqual([])
  })

  it("asks for a login first and returns to the page that was wanted", async () => {
    const page = await open()
    await logIn(page, "/requests")
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Requests")
    for (const route of ["status", "usage", "requests", "requests/x", "models", "events"]) {
      expect((await fetch(`${dashboard.url}/api/${route}`)).status, route).toBe(401)
    }
    const elsewhere = await fetch(`${dashboard.url}/login?next=//evil.example/`, { redirect: "manual" })
    expect(await elsewhere.text()).not.toContain("evil.example/&quot;")
  })

  it("shows the status of the gateway and follows it while traffic runs", async () => {
    const page = await open()
    await logIn(page)
    await eventually(() => page.locator("[data-link]").first().getAttribute("data-link")).toBe("live")
    await eventually(() => page.getByText("Simulated", { exact: true }).isVisible()).toBe(true)

    for (const [index, round] of [3, 5].entries()) {
      await Promise.all(Array.from({ length: round }, (_, call) => send(`call ${index} ${call}`)))
      await send(`call ${index} 0`)
      await send("unknown", { model: "nobody/nothing" })
      const { totals, cache } = await admin<StatusFigures>("status")
      await eventually(() => figure(page, "requests")).toBe(whole.format(totals.requests))
      await eventually(() => metric(page, "success-rate").textContent()).toContain(
        `${whole.format(totals.errors)} failed`
      )
      await eventually(() => figure(page, "tokens")).toBe(
        `prompt${whole.format(totals.promptTokens)}completion${whole.format(totals.completionTokens)}`
      )
      expect(cache.hits).toBe(index + 1)
      await eventually(() => figure(page, "hit-rate")).toBe(`${(cache.hitRate! * 100).toFixed(1)}%`)
    }

    const usage = await admin<UsageFigures>("usage?bucket=minute&groupBy=status")
    const counts = { answered: 0, cached: 0, failed: 0, cancelled: 0 }
    for (const point of usage.series) {
      counts.cached += point.cacheHits
      counts[point.group === "success" ? "answered" : point.group === "error" ? "failed" : "cancelled"] +=
        point.requests - point.cacheHits
    }
    for (const [outcome, requests] of Object.entries(counts)) {
      await eventually(() => page.locator(`[data-legend="${outcome}"] .tabular-nums`).textContent()).toBe(
        whole.format(requests)
      )
    }
    await eventually(() => page.locator('[data-provider="simulated"]').textContent()).toContain("of 6,000 free")
    expect(await page.locator('[data-provider="simulated"] [role="meter"]').count()).toBe(3)
    await eventually(() => page.locator(".recharts-bar-rectangle").count()).toBeGreaterThan(0)

    await page.getByRole("radio", { name: "1 h" }).check()
    await eventually(() => new URL(page.url()).searchParams.get("range")).toBe("1h")
    await eventually(() => figure(page, "requests")).toBe(whole.format(usage.totals.requests))
    expect(witness.complaints).toEqual([])
  })

  it("streams an answer in the playground and shows what each stage did", async () => {
    const page = await open()
    await logIn(page, "/playground")
    await page.getByLabel("Model").selectOption("slow/simulated-slow")
    await page.getByLabel("System message").fill("You are terse.")
    await page.getByLabel("User message").fill("Tell me about mills")
    await page.getByRole("button", { name: "Send" }).click()

    const answer = page.locator("[data-answer]")
    const lengths = new Set<number>()
    await eventually(async () => {
      lengths.add((await answer.textContent())?.length ?? 0)
      return page.getByText("Complete", { exact: true }).count()
    }).toBe(1)
    expect(lengths.size, "the answer grew while it was watched").toBeGreaterThan(3)

    const id = (await page.locator("[data-request-id]").getAttribute("data-request-id"))!
    await page.getByRole("heading", { name: "Waterfall" }).waitFor()
    const request = await admin<RequestFigures>(`requests/${id}`)
    expect(request).toMatchObject({ provider: "slow", model: "simulated-slow", status: "success", cache: "miss" })
    expect(await figure(page, "cache")).toBe("Miss")
    expect(await metric(page, "cost").textContent()).toContain(
      `${request.promptTokens} prompt, ${request.completionTokens} completion tokens`
    )
    const shown = await page.getByRole("region", { name: "What each stage did" }).textContent()
    expect(shown).toContain("slow/simulated-slow, 1 attempt")
    expect(shown).toContain("Did not wait")
    expect(shown).toContain(`${request.completionTokens} tokens`)

    await page.getByRole("button", { name: "Send" }).click()
    await eventually(() => figure(page, "cache")).toBe("Hit")
    await eventually(() => page.getByText("None: no provider was asked").count()).toBe(1)

    await page.getByLabel("Stream the answer").uncheck()
    await page.getByRole("radio", { name: "bypass" }).check()
    await page.getByRole("button", { name: "Send" }).click()
    await eventually(() => figure(page, "cache")).toBe("Bypassed")
    expect(witness.complaints).toEqual([])
  })

  it("stops a running answer, and the call upstream ends with it", async () => {
    const page = await open()
    await logIn(page, "/playground")
    await page.getByLabel("Model").selectOption("slow/simulated-slow")
    await page.getByLabel("User message").fill("A very long story")
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByText("Answering").waitFor()
    const id = (await page.locator("[data-request-id]").getAttribute("data-request-id"))!
    await page.getByRole("button", { name: "Stop" }).click()
    await page.getByText("Stopped").waitFor()
    await eventually(async () =>
      (await admin<{ items: Array<RequestFigures> }>("requests?status=cancelled")).items.map((item) => item.id)
    ).toContain(id)
    await eventually(async () => (await admin<StatusFigures>("status")).providers.map(({ active }) => active)).toEqual([
      0, 0
    ])
  })

  it("says what the gateway refused", async () => {
    const page = await open()
    await logIn(page, "/playground")
    await page.getByLabel("User message").fill("never asked before")
    await page.getByRole("radio", { name: "only" }).check()
    await page.getByRole("button", { name: "Send" }).click()
    await eventually(() => alert(page)).toContain(
      "the answer is not in the cache and the request asked for the cache only (HTTP 504, cache_only_miss)"
    )
  })

  it("lists requests as the admin API does, filters them by address, and opens one", async () => {
    await send("listed")
    await send("listed")
    await send("unknown", { model: "nobody/nothing" })
    const page = await open()
    await logIn(page, "/requests")
    const { items } = await admin<{ items: Array<RequestFigures> }>("requests?limit=100")
    await eventually(async () => (await rowIds(page)).length).toBeGreaterThan(2)
    const shown = await rowIds(page)
    expect(shown).toEqual(items.slice(0, shown.length).map(({ id }) => id))

    await page.getByLabel("Status").selectOption("error")
    await eventually(() => new URL(page.url()).searchParams.get("status")).toBe("error")
    const failed = items.filter(({ status }) => status === "error").map(({ id }) => id)
    await eventually(() => rowIds(page)).toEqual(failed)
    expect(await page.locator("tr[data-row]").first().textContent()).toContain("ModelNotFound")
    await page.getByRole("button", { name: "Clear" }).click()

    const hit = items.find(({ cache }) => cache === "hit")!
    await page.locator(`tr[data-row="${hit.id}"] button`).press("Enter")
    const sheet = page.getByRole("dialog")
    await sheet.getByText("None: no provider was asked").waitFor()
    expect(await sheet.textContent()).toContain(hit.id)
    expect(new URL(page.url()).searchParams.get("id")).toBe(hit.id)
    await page.keyboard.press("Escape")
    await eventually(() => page.getByRole("dialog").count()).toBe(0)
    expect(witness.complaints).toEqual([])
  })

  it("says what to do where there is nothing to show", async () => {
    const page = await open()
    await logIn(page, "/requests")
    await page.goto("/requests?cache=semantic")
    await page.getByText("No request fits these filters").waitFor()
    await page.getByRole("button", { name: "Clear the filters" }).click()
    await eventually(async () => (await rowIds(page)).length).toBeGreaterThan(0)
  })

  it("is dark or light from the first paint: by the system, or as chosen", async () => {
    const page = await open({ colorScheme: "dark" })
    await logIn(page)
    const dark = await background(page)
    await page.emulateMedia({ colorScheme: "light" })
    const light = await background(page)
    expect(light).not.toBe(dark)
    await page.getByRole("radio", { name: "Dark theme" }).check()
    expect(await background(page)).toBe(dark)
    await page.reload({ waitUntil: "commit" })
    await page.waitForSelector("html[data-theme=dark]")
    expect(await background(page)).toBe(dark)
    await page.getByRole("radio", { name: "System theme" }).check()
    expect(await background(page)).toBe(light)
  })

  it("fits a narrow screen, with the menu behind a button", async () => {
    const page = await open({ viewport: { width: 360, height: 740 } })
    await logIn(page)
    for (const address of pages) {
      await page.goto(address)
      await page.getByRole("heading", { level: 1 }).waitFor()
      expect(await page.evaluate<number>("document.documentElement.scrollWidth"), address).toBeLessThanOrEqual(360)
    }
    await page.getByRole("button", { name: "Open the menu" }).press("Enter")
    await page.getByRole("dialog").getByRole("link", { name: "Overview" }).click()
    await page.waitForURL("**/overview")
    await eventually(() => page.getByRole("dialog").count()).toBe(0)
    expect(witness.complaints).toEqual([])
  })

  it.each(["light", "dark"] as const)("has no serious accessibility finding on any page (%s)", async (colorScheme) => {
    const page = await open({ colorScheme, reducedMotion: "reduce" })
    await page.goto("/login")
    expect(await serious(page)).toEqual([])
    await logIn(page)
    for (const address of pages) {
      await page.goto(address)
      await page.waitForLoadState("load")
      await page.getByRole("heading", { level: 1 }).waitFor()
      await eventually(() => page.locator("[aria-busy=true], .animate-pulse, select:disabled").count()).toBe(0)
      expect(await serious(page), address).toEqual([])
    }
  })

  it("sends a strict policy with a new nonce for every page, and nothing that may be cached", async () => {
    const nonces = new Set<string>()
    for (const address of ["/login", "/login", "/overview"]) {
      const response = await fetch(dashboard.url + address, { redirect: "manual" })
      if (address === "/overview") {
        expect(response.status).toBe(307)
        continue
      }
      const policy = response.headers.get("content-security-policy")!
      const nonce = /'nonce-([^']+)'/.exec(policy)![1]!
      nonces.add(nonce)
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).not.toMatch(/unsafe-|\*|https?:/)
      expect(response.headers.get("x-frame-options")).toBe("DENY")
      expect(response.headers.get("x-content-type-options")).toBe("nosniff")
      expect(response.headers.get("referrer-policy")).toBe("no-referrer")
      expect(response.headers.get("cache-control")).toContain("no-store")
      expect(response.headers.get("x-powered-by")).toBeNull()
      const html = await response.text()
      for (const [tag] of html.matchAll(/<script\b[^>]*>/g)) expect(tag).toContain(`nonce="${nonce}"`)
      expect(html).not.toMatch(/<[a-z][^>]*\sstyle="/)
    }
    expect(nonces.size).toBe(2)
  })

  it("refuses what another site's page sends, session or not", async () => {
    const page = await open()
    await logIn(page)
    const { value } = (await page.context().cookies()).find(({ name }) => name === "millrace_session")!
    const cookie = `millrace_session=${value}`
    const attempts: ReadonlyArray<readonly [string, string, Record<string, string>]> = [
      ["POST", "session", { "sec-fetch-site": "cross-site" }],
      ["DELETE", "session", { "sec-fetch-site": "same-site", cookie }],
      ["POST", "playground", { "sec-fetch-site": "cross-site", cookie }],
      ["POST", "playground", { origin: "http://evil.example", cookie }],
      ["POST", "playground", { cookie }]
    ]
    for (const [method, route, headers] of attempts) {
      const response = await fetch(`${dashboard.url}/api/${route}`, {
        method,
        headers,
        ...(method === "POST" ? { body: "{}" } : {})
      })
      expect(response.status, `${method} ${route} ${JSON.stringify(headers)}`).toBe(403)
    }
    expect((await fetch(`${dashboard.url}/api/status`, { headers: { cookie } })).status).toBe(200)
  })

  it("puts neither the token nor a large script on the wire", async () => {
    const page = await open()
    await logIn(page)
    await Promise.all(witness.bodies.splice(0))
    await page.goto("/overview")
    await page.locator(".recharts-surface").first().waitFor()
    const received = await Promise.all(witness.bodies)
    const scripts = new Map(
      received.filter(({ url }) => url.endsWith(".js")).map(({ url, body }) => [url, gzipSync(body).length])
    )
    const total = [...scripts.values()].reduce((sum, size) => sum + size, 0)
    expect(scripts.size).toBeGreaterThan(5)
    expect(total).toBeLessThan(firstPageLimitBytes)

    const { value } = (await page.context().cookies()).find(({ name }) => name === "millrace_session")!
    const headers = { cookie: `millrace_session=${value}` }
    const answers = ["status", "usage", "requests", "models"].map(async (route) =>
      (await fetch(`${dashboard.url}/api/${route}`, { headers })).text()
    )
    const events = await fetch(`${dashboard.url}/api/events`, { headers })
    const reader = events.body!.getReader()
    const first = new TextDecoder().decode((await reader.read()).value)
    await reader.cancel()
    expect(first).toContain("event: status")
    for (const text of [first, ...(await Promise.all(answers))]) expect(text).not.toContain(token)
    const bundles = path.join(path.dirname(serverFile), ".next/static")
    for (const entry of readdirSync(bundles, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const content = readFileSync(path.join(entry.parentPath, entry.name), "utf8")
      expect(content).not.toContain(token)
      expect(content).not.toContain("MILLRACE_URL")
    }
    expect(dashboard.output()).not.toContain(token)
  })

  it("shows a lost gateway with the age of its figures, and heals by itself", async () => {
    const page = await open()
    await logIn(page)
    await eventually(() => page.locator("[data-link]").first().getAttribute("data-link")).toBe("live")
    const { port } = new URL(gateway.url)
    await gateway.stop()
    const banner = page.getByRole("alert").filter({ hasText: "Nothing answers at" })
    await banner.waitFor({ timeout: 15_000 })
    await eventually(() => banner.textContent()).toMatch(/Figures are from \d+ s ago/)
    expect(await figure(page, "requests")).not.toBe("–")

    const second = await open()
    await second.goto("/login")
    await second.getByLabel("Admin token").fill(token)
    await second.getByRole("button", { name: "Log in" }).click()
    await eventually(() => alert(second)).toContain(`Nothing answers at ${gateway.url}`)

    gateway = await startGateway(configFile, Number(port))
    await eventually(() => banner.count()).toBe(0)
    await eventually(() => page.locator("[data-link]").first().getAttribute("data-link")).toBe("live")
    await eventually(() => figure(page, "requests")).toBe("0")
    await eventually(() => page.getByText("No requests in this time").count()).toBe(1)
    expect(await page.locator("pre").textContent()).toContain(`curl ${gateway.url}/v1/chat/completions`)
  })

  it("asks for a new login when the gateway no longer accepts the token", async () => {
    const page = await open()
    await logIn(page)
    const { port } = new URL(gateway.url)
    const other = path.join(folder, "other.config.yaml")
    writeFileSync(other, config.replace(token, "another-token-0123456789"))
    await gateway.stop()
    gateway = await startGateway(other, Number(port))
    await page.waitForURL("**/login?ended=1**")
    await page.getByText("The session has ended. Log in again to go on.").waitFor()
    await page.getByLabel("Admin token").fill("another-token-0123456789")
    await page.keyboard.press("Enter")
    await page.waitForURL("**/overview")
  })

  const figure = async (page: Page, id: string) =>
    (await metric(page, id).locator("p").first().innerText()).replace(/\s+/g, "")

  /** What the page says went wrong; Next's announcer of routes is an alert too, and empty. */
  const alert = async (page: Page) => (await page.getByRole("alert").allTextContents()).join("\n")

  const focused = (page: Page) => page.evaluate<string>("document.activeElement.textContent.trim()")

  const background = (page: Page) => page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor")

  const rowIds = (page: Page) =>
    page.locator("tr[data-row]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-row")!))

  const serious = async (page: Page): Promise<ReadonlyArray<string>> => {
    await page.evaluate(axe.source)
    const result = await page.evaluate<axe.AxeResults>("axe.run(document, { resultTypes: ['violations'] })")
    return result.violations
      .filter(({ impact }) => impact === "serious" || impact === "critical")
      .map(
        ({ id, nodes }) => `${id}: ${nodes.map(({ failureSummary, html }) => `${html} ${failureSummary}`).join(" | ")}`
      )
  }
})

interface StatusFigures {
  readonly totals: {
    readonly requests: number
    readonly errors: number
    readonly promptTokens: number
    readonly completionTokens: number
  }
  readonly cache: { readonly hits: number; readonly hitRate: number | null }
  readonly providers: ReadonlyArray<{ readonly active: number }>
}

interface UsageFigures {
  readonly totals: { readonly requests: number }
  readonly series: ReadonlyArray<{
    readonly group: string | null
    readonly requests: number
    readonly cacheHits: number
  }>
}

interface RequestFigures {
  readonly id: string
  readonly status: string
  readonly cache: string
  readonly provider: string | null
  readonly model: string | null
  readonly promptTokens: number
  readonly completionTokens: number
}
