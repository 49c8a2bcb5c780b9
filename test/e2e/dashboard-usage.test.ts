/**
 * Usage, settings and what every page shares, in a real browser: time ranges, filters, files, comparison, the command
 * palette, and what needs attention. Figures are compared with the admin API, changes are seen to have happened there.
 */
import { readFileSync, writeFileSync } from "node:fs"
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import { noBrowser } from "../support/browser.ts"
import { dashboardSuite, eventually, expectFit, loaded, serious, token } from "../support/dashboard.ts"

interface Row {
  readonly requests: number
  readonly promptTokens: number
  readonly completionTokens: number
  readonly costUsd: number
  readonly latencyMsP95: number | null
}

interface Usage {
  readonly totals: Row
  readonly series: ReadonlyArray<Row & { readonly group: string | null }>
}

interface Requests {
  readonly items: ReadonlyArray<{ readonly id: string }>
}

const suiteName = noBrowser === undefined ? "dashboard: usage" : `dashboard: usage (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(suiteName, () => {
  const suite = dashboardSuite(
    (url) => `
providers:
  - name: mill
    kind: openai-compatible
    baseUrl: ${url}/v1
    model: m
    models: [m, large]
    pricing: { input: 1000, output: 1000 }
  - { name: sim, kind: simulated, model: toy, simulated: { latency: 5, tokensPerSecond: 5000, seed: 3 } }
storage: { database: memory }`
  )

  let asked = 0
  const ask = (tenant: string, model = "mill/m") =>
    suite.send(
      { model, messages: [{ role: "user", content: `question ${asked++}` }], max_tokens: 5 },
      { "x-millrace-tenant": tenant }
    )

  const traffic = async () => {
    for (const tenant of ["acme", "acme", "acme", "globex"]) expect((await ask(tenant)).status).toBe(200)
    expect((await ask("acme", "mill/large")).status).toBe(200)
    expect((await ask("initech", "nobody/nothing")).status).toBe(404)
    await eventually(async () => (await suite.admin<Usage>("usage")).totals.requests).toBe(asked + played)
  }
  let played = 0

  const rowIds = (page: Page) =>
    page.locator("tr[data-row]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-row")!))

  const startPalette = async (page: Page) => {
    await page.keyboard.press("Control+k")
    await page.getByRole("dialog", { name: "Command palette" }).getByRole("combobox").waitFor()
  }

  const fileOf = async (page: Page, button: string) => {
    const waiting = page.waitForEvent("download")
    await page.getByRole("button", { name: button }).first().click()
    const file = await waiting
    return { name: file.suggestedFilename(), text: readFileSync(await file.path(), "utf8") }
  }

  it("sums a metric by groups as the admin API does, saves it as a file, and leads to the requests behind it", async () => {
    await traffic()
    const page = await suite.open("/usage?metric=costUsd&groupBy=tenant&range=1h")
    await loaded(page)
    const { totals, series } = await suite.admin<Usage>("usage?bucket=day&groupBy=tenant")
    const sums = new Map<string, number>()
    for (const { group, costUsd } of series) sums.set(group!, (sums.get(group!) ?? 0) + costUsd)
    await eventually(async () => Number(await page.locator("[data-total]").getAttribute("data-total"))).toBeCloseTo(
      totals.costUsd,
      12
    )
    expect(totals.costUsd).toBeGreaterThan(0)
    const names = [...sums].sort(([, a], [, b]) => b - a).map(([name]) => name)
    const table = page.getByRole("region", { name: "Cost by tenant" })
    const shown = await table.locator("tr[data-row] a").allTextContents()
    expect(shown.slice(0, 2)).toEqual(names.slice(0, 2))
    expect(await page.locator("[data-cut]").textContent()).toBe("3 tenants")

    const { name, text } = await fileOf(page, "CSV of the groups")
    expect(name).toBe("usage-by-tenant.csv")
    const [header, ...lines] = text.trim().split("\r\n")
    expect(header).toMatch(/^tenant,requests,/)
    const cost = header!.split(",").indexOf("costUsd")
    const saved = new Map(lines.map((line) => [line.split(",")[0], Number(line.split(",")[cost])]))
    for (const [tenant, sum] of sums) expect(saved.get(tenant)).toBeCloseTo(sum, 12)
    const drawn = await fileOf(page, "CSV of the chart")
    expect(drawn.name).toBe("usage-costUsd-over-time.csv")
    const cells = drawn.text
      .trim()
      .split("\r\n")
      .map((line) => line.split(","))
    const acme = cells[0]!.indexOf("acme")
    expect(cells.slice(1).reduce((sum, line) => sum + Number(line[acme]), 0)).toBeCloseTo(sums.get("acme")!, 12)

    await table.getByRole("link", { name: "acme" }).click()
    await page.waitForURL("**/requests?**")
    const { items } = await suite.admin<Requests>("requests?tenant=acme")
    await eventually(() => rowIds(page)).toEqual(items.map(({ id }) => id))
    expect(suite.witness.complaints).toEqual([])
  })

  it("keeps what is chosen in the address, and views under a name in this browser", async () => {
    const page = await suite.open("/usage")
    await loaded(page)
    await page.getByLabel("Metric").selectOption("tokens")
    await page.getByLabel("Group by").selectOption("model")
    await page.getByRole("radio", { name: "Top 3" }).check()
    await page.getByLabel("Cumulative").check()
    const chosen = new URL(page.url()).search
    expect(Object.fromEntries(new URLSearchParams(chosen))).toEqual({ metric: "tokens", top: "3", cumulative: "yes" })
    await eventually(() => page.locator(".recharts-line").count()).toBeGreaterThan(1)

    await page.getByRole("button", { name: "Save this view" }).click()
    await page.getByLabel("Name").fill("Tokens of all time")
    await page.getByRole("button", { name: "Save", exact: true }).click()
    await page.goto("/usage")
    await page.getByRole("link", { name: "Tokens of all time" }).click()
    await page.waitForURL(`**/usage${chosen}`)
    await eventually(() => page.getByLabel("Metric").inputValue()).toBe("tokens")
    await page.getByRole("button", { name: "Forget the view Tokens of all time" }).click()
    await eventually(() => page.locator("[data-view]").count()).toBe(0)
  })

  it("asks for quantiles of whole ranges, which can't be added up", async () => {
    const page = await suite.open("/usage?metric=latencyMsP95&range=1h")
    await loaded(page)
    const { totals } = await suite.admin<Usage>("usage?bucket=day&model=m")
    const milliseconds = totals.latencyMsP95!
    const row = page.getByRole("region", { name: "Latency, p95 by model" }).locator('tr[data-row="m"]')
    await eventually(() => row.textContent()).toContain(milliseconds >= 10 ? `${Math.round(milliseconds)}ms` : "ms")
    await page.getByText("There is no average of this figure").waitFor()
  })

  it("draws a field of the week for each hour that the range has", async () => {
    const page = await suite.open("/usage?range=7d")
    await loaded(page)
    const map = page.locator('[aria-label="Requests by weekday and hour"]')
    await eventually(() => map.locator(".recharts-scatter-symbol").count()).toBe(7 * 24)
    expect(await map.locator('path[fill="none"]').count()).toBe(0)
  })

  it("shows the time from one moment to another, and exports exactly that", async () => {
    const page = await suite.open("/requests")
    await eventually(async () => (await rowIds(page)).length).toBeGreaterThan(3)
    const all = await fileOf(page, "Export all")
    const total = (await suite.admin<Usage>("usage")).totals.requests
    expect(all.name).toBe("requests.csv")
    expect(all.text.trim().split("\r\n")).toHaveLength(total + 1)
    const shown = await fileOf(page, "CSV")
    expect(shown.text.split("\r\n").filter((line) => line.startsWith("req_"))).toHaveLength((await rowIds(page)).length)

    await page.getByRole("button", { name: "Custom" }).click()
    await page.getByLabel("From").fill("2026-01-01T00:00")
    await page.getByLabel("To, not included").fill("2025-12-31T00:00")
    await page.getByText("The end must be after the beginning.").waitFor()
    expect(await page.getByRole("button", { name: "Show this time" }).isDisabled()).toBe(true)
    await page.getByLabel("To, not included").fill("2026-01-02T00:00")
    await page.getByRole("button", { name: "Show this time" }).press("Enter")
    await page.getByText("No requests in this time").waitFor()
    expect(new URL(page.url()).searchParams.get("range")).toMatch(/^202\S+\.\.2026-01-0\S+Z$/)
    await page.getByRole("radio", { name: "24 h" }).check()
    await eventually(async () => (await rowIds(page)).length).toBeGreaterThan(3)
  })

  it("finds requests by model, tenant and the beginning of their id", async () => {
    const page = await suite.open("/requests")
    await eventually(async () => (await rowIds(page)).length).toBeGreaterThan(3)
    await page.getByLabel("Model", { exact: true }).hover()
    await eventually(() => page.getByLabel("Model", { exact: true }).locator("option").allTextContents()).toContain(
      "large"
    )
    await page.getByLabel("Model", { exact: true }).selectOption("large")
    const { items } = await suite.admin<Requests>("requests?model=large")
    await eventually(() => rowIds(page)).toEqual(items.map(({ id }) => id))
    expect(new URL(page.url()).searchParams.get("model")).toBe("large")
    await page.getByRole("button", { name: "Clear" }).click()
    const { id } = (await suite.admin<Requests>("requests?tenant=globex")).items[0]!
    await page.getByLabel("Beginning of the id").fill(id)
    await page.keyboard.press("Enter")
    await eventually(() => rowIds(page)).toEqual([id])
    expect(await page.locator("[data-age]").textContent()).toMatch(/^updated /)
  })

  it("compares the figures with as much time before", async () => {
    const fromMs = Math.ceil(Date.now() / 1000) * 1000
    await eventually(() => Date.now()).toBeGreaterThan(fromMs)
    await traffic()
    const iso = (ms: number) => new Date(ms).toISOString().replace(".000Z", "Z")
    const page = await suite.open("/overview")
    await page.goto(`/overview?range=${iso(fromMs)}..${iso(fromMs + 60_000)}`)
    await page.getByRole("button", { name: "Compare with the time before" }).click()
    const before = await suite.admin<Usage>(`usage?bucket=day&from=${fromMs - 60_000}&to=${fromMs}`)
    const change = page.locator('[data-metric="requests"] [data-before]')
    if (Date.now() < fromMs + 60_000) {
      await eventually(async () => Number(await change.getAttribute("data-before"))).toBe(before.totals.requests)
    }
    expect(new URL(page.url()).searchParams.get("compare")).toBe("previous")

    await page.goto(`/usage?groupBy=tenant&compare=previous&range=${iso(fromMs)}..${iso(fromMs + 60_000)}`)
    if (Date.now() < fromMs + 60_000) {
      await eventually(async () =>
        Number(await page.locator("#explorer + p [data-before]").getAttribute("data-before"))
      ).toBe(before.totals.requests)
      await eventually(() => page.getByRole("columnheader", { name: "Before" }).count()).toBe(1)
    }
  })

  it("calls keys by their names, and says while figures are still those of the question before", async () => {
    const made = await fetch(`${suite.gateway.url}/admin/api/keys`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "search-backend" })
    })
    const { id, key } = (await made.json()) as { readonly id: string; readonly key: string }
    const question = { model: "mill/m", messages: [{ role: "user", content: `question ${asked++}` }] }
    expect((await suite.send(question, { authorization: `Bearer ${key}` })).status).toBe(200)
    const page = await suite.open("/usage")
    await loaded(page)
    await page.getByRole("region", { name: "By key" }).first().getByRole("link", { name: "search-backend" }).waitFor()
    await page.getByLabel("Key", { exact: true }).hover()
    await eventually(() => page.getByLabel("Key", { exact: true }).locator("option").allTextContents()).toContain(
      "search-backend"
    )
    let go = () => {}
    const held = new Promise<void>((resolve) => (go = resolve))
    await page.route("**/api/usage?*key=*", async (route) => {
      await held
      await route.continue()
    })
    await page.getByLabel("Key", { exact: true }).selectOption("search-backend")
    await page.getByText("still the ones before").waitFor()
    expect(await page.locator("[data-held]").count()).toBeGreaterThan(0)
    go()
    await eventually(async () => page.locator("[data-total]").getAttribute("data-total")).toBe("1")
    expect(await page.locator("[data-held]").count()).toBe(0)
    expect(new URL(page.url()).searchParams.get("key")).toBe(id)
  })

  it("shows health, version and every setting without secrets", async () => {
    const page = await suite.open("/settings")
    await loaded(page)
    await eventually(() => page.locator("[data-health]").getAttribute("data-health")).toBe("ready")
    const { version } = await suite.admin<{ version: string }>("status")
    expect(await page.locator("[data-version]").textContent()).toBe(version)
    expect(await page.getByRole("region", { name: "What the gateway depends on" }).textContent()).toContain(
      "Provider mill"
    )
    const sources = await suite.admin<{
      readonly values: ReadonlyArray<{ readonly path: string; readonly source: string }>
    }>("config/sources")
    const sourceOf = (path: string) => page.locator(`tr[data-row="${path}"] [data-source]`).getAttribute("data-source")
    for (const source of ["file", "flag", "default"]) {
      const { path } = sources.values.find((value) => value.source === source)!
      await page.getByLabel("Search the settings").fill(path)
      await eventually(() => sourceOf(path)).toBe(source)
    }
    await page.getByLabel("Search the settings").fill("")
    await page.getByLabel("Source").selectOption("flag")
    await eventually(() => rowIds(page)).toContain("server.port")
    expect(await page.locator("[data-source]:not([data-source=flag])").count()).toBe(0)
    await page.getByLabel("Source").selectOption("")
    await page.getByLabel("Search the settings").fill("pricing input")
    await eventually(() => rowIds(page)).toContain("providers[0].pricing.input")
    await page.getByLabel("Search the settings").fill("admintoken")
    await eventually(
      async () => (await page.locator('tr[data-row="server.adminToken"]').textContent()) ?? ""
    ).toContain("<redacted>")
  })

  it("tries a configuration, names what is wrong with it, and reloads the file when that is confirmed", async () => {
    const page = await suite.open("/settings")
    await loaded(page)
    const candidate = page.getByLabel("A new configuration, YAML or JSON")
    await candidate.fill("providers: [")
    await page.getByRole("button", { name: "Validate this" }).click()
    await eventually(() => page.locator('[data-result="refused"]').textContent()).toMatch(/line \d+, column \d+/)
    await candidate.fill("retry: { maxAttempts: -1 }")
    await page.getByRole("button", { name: "Validate this" }).click()
    await eventually(() => page.locator('[data-result="invalid"]').textContent()).toContain("retry.maxAttempts")

    const { file } = JSON.parse(/^\{.*\}$/m.exec(suite.gateway.output())![0]) as { file: string }
    const text = `${readFileSync(file, "utf8")}\nretry: { maxAttempts: 2 }\n`
    await candidate.fill(text.replace(token, "other-token-0123456789"))
    await page.getByRole("button", { name: "Validate this" }).click()
    await eventually(() => page.locator('[data-result="valid"]').textContent()).toContain("retry.maxAttempts")

    writeFileSync(file, text)
    const attempts = async () => (await suite.admin<{ retry: { maxAttempts: number } }>("config")).retry.maxAttempts
    expect(await attempts()).toBe(3)
    await page.getByRole("button", { name: "Reload the file" }).click()
    await page.getByRole("alertdialog").getByRole("button", { name: "Cancel" }).click()
    expect(await attempts()).toBe(3)
    await page.getByRole("button", { name: "Reload the file" }).click()
    await page.getByRole("alertdialog").getByRole("button", { name: "Reload", exact: true }).click()
    await eventually(() => page.locator('[data-result="reloaded"]').textContent()).toContain("retry.maxAttempts")
    expect(await attempts()).toBe(2)
    await page.getByLabel("Search the settings").fill("retry.maxAttempts")
    await eventually(() => page.locator('tr[data-row="retry.maxAttempts"]').textContent()).toMatch(
      /2File, by reload 1$/
    )
  })

  it("plays sample traffic to the simulated provider", async () => {
    const before = (await suite.admin<Usage>("usage?provider=sim")).totals.requests
    const page = await suite.open("/settings")
    await page.getByRole("button", { name: "Play sample traffic" }).click()
    await eventually(() => page.locator("[data-sample]").textContent()).toBe("60 calls were played")
    played += 60
    await eventually(async () => (await suite.admin<Usage>("usage?provider=sim")).totals.requests).toBe(before + 55)
    await eventually(async () => (await suite.admin<Usage>("usage")).totals.requests).toBe(asked + played)
  })

  it("goes anywhere by keyboard: Ctrl K, a name, Enter", async () => {
    const page = await suite.open("/overview")
    await loaded(page)
    await startPalette(page)
    await page.getByText("Latest requests").waitFor()
    expect(await serious(page)).toEqual([])
    await page.keyboard.type("usage")
    await page.keyboard.press("Enter")
    await page.waitForURL("**/usage")
    await eventually(() => page.getByRole("dialog").count()).toBe(0)

    const { id } = (await suite.admin<Requests>("requests")).items[3]!
    await startPalette(page)
    await page.keyboard.type(id)
    await page.getByRole("option", { name: `Open the request ${id}` }).waitFor()
    await page.keyboard.press("Enter")
    await page.waitForURL(`**/requests?id=${id}`)
    await page.getByRole("dialog").getByText(id).first().waitFor()
    await page.keyboard.press("Escape")
    await eventually(() => page.getByRole("dialog").count()).toBe(0)
    await startPalette(page)
    await page.keyboard.type("dark theme")
    await page.keyboard.press("Enter")
    await eventually(() => page.locator("html").getAttribute("data-theme")).toBe("dark")
    expect(await page.getByRole("radio", { name: "Dark theme" }).isChecked()).toBe(true)
    await startPalette(page)
    await page.keyboard.type("log out")
    await page.keyboard.press("Enter")
    await page.waitForURL("**/login")
  })

  it("says what needs attention now, with the page where something can be done", async () => {
    const page = await suite.open("/overview")
    await loaded(page)
    const order = (state: string) =>
      fetch(`${suite.gateway.url}/admin/api/providers/sim/breaker`, {
        method: "POST",
        headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
        body: JSON.stringify({ state })
      })
    expect(await page.locator('[data-concern="breaker sim"]').count()).toBe(0)
    expect((await order("open")).status).toBe(200)
    const concern = page.locator('[data-concern="breaker sim"] a')
    await eventually(() => concern.textContent()).toContain("The breaker of sim is open")
    expect(await concern.getAttribute("href")).toBe("/providers?provider=sim")
    expect((await order("auto")).status).toBe(200)
    await eventually(() => page.locator('[data-concern="breaker sim"]').count()).toBe(0)
    await eventually(() => page.locator('[data-concern^="spike "]').count()).toBeGreaterThan(0)
  })

  it.each(["/usage", "/settings", "/requests"])(
    "is fit for everybody: %s",
    async (address) => {
      await expectFit(suite, address)
    },
    60_000
  )
})
