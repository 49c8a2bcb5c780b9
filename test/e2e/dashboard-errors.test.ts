/**
 * The page of errors in a real browser: groups, counts, whom they met and samples, each compared with the admin API.
 */
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import { exactCount } from "../../dashboard/lib/format.ts"
import { noBrowser } from "../support/browser.ts"
import { dashboardSuite, eventually, expectFit, figure, loaded } from "../support/dashboard.ts"
import { answer, sendJson, type Respond } from "../support/upstream.ts"

interface Errors {
  readonly groups: ReadonlyArray<{
    readonly fingerprint: string
    readonly kind: string
    readonly fault: string
    readonly provider: string | null
    readonly model: string | null
    readonly message: string | null
    readonly count: number
    readonly sampleId: string
    readonly affected: {
      readonly keys: ReadonlyArray<{ readonly keyId: string | null; readonly count: number }>
      readonly tenants: ReadonlyArray<{ readonly tenant: string; readonly count: number }>
    } | null
  }>
}

const respond: Respond = (response, request) => {
  const model = request.json["model"]
  if (model === "broken") return sendJson(500, { error: { message: "internal server error" } })(response, request)
  if (model === "picky") return sendJson(400, { error: { message: "invalid request" } })(response, request)
  return answer("The wheel turns.")(response, request)
}

const suiteName = noBrowser === undefined ? "dashboard: errors" : `dashboard: errors (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(suiteName, () => {
  const suite = dashboardSuite(
    (url) => `
providers:
  - name: mill
    kind: openai-compatible
    baseUrl: ${url}/v1
    apiKey: sk-upstream
    model: fine
    pricing: { input: 1, output: 2 }
  - name: spare
    kind: simulated
    model: spare
cache: { enabled: false }
retry: { maxAttempts: 1 }
breaker: { consecutiveFailures: 1000, minimumCalls: 1000 }
storage: { database: memory }`
  )

  const ask = (model: string, headers: { readonly [name: string]: string } = {}) =>
    suite.send({ model, messages: [{ role: "user", content: "Hello" }] }, headers)

  const row = (page: Page, id: string) => page.locator(`tr[data-row="${id}"]`)
  const rowIds = (page: Page) =>
    page
      .locator("tr[data-row]")
      .evaluateAll((rows: ReadonlyArray<any>) => rows.map((found) => String(found.dataset.row)))

  it("says so where nothing has failed", async () => {
    const page = await suite.open("/errors")
    await page.getByText("No request failed in this time").waitFor()
    expect(suite.witness.complaints).toEqual([])
  })

  it("shows the groups, counts and faults of the admin API, and whom a group met", async () => {
    suite.upstream.respond = respond
    const made = await fetch(`${suite.gateway.url}/admin/api/keys`, {
      method: "POST",
      headers: { authorization: "Bearer e2e-canary-token-6b1f9d3c7a", "content-type": "application/json" },
      body: JSON.stringify({ name: "search", tenant: "acme" })
    })
    const { id: keyId, key } = (await made.json()) as { id: string; key: string }
    for (let call = 0; call < 4; call++) expect((await ask("mill/broken")).status).toBe(502)
    for (let call = 0; call < 2; call++) await ask("mill/broken", { authorization: `Bearer ${key}` })
    await ask("mill/picky", { "x-millrace-tenant": "globex" })
    expect((await ask("mill/fine")).status).toBe(200)
    await eventually(async () => (await suite.admin<Errors>("errors")).groups.length).toBe(2)
    const { groups } = await suite.admin<Errors>("errors")

    const page = await suite.open("/errors")
    await loaded(page)
    await eventually(() => rowIds(page)).toEqual(groups.map(({ fingerprint }) => fingerprint))
    for (const group of groups) {
      const cells = await row(page, group.fingerprint).locator("td").allInnerTexts()
      expect(cells[0]).toContain(group.kind)
      if (group.message !== null) expect(cells[0]).toContain(group.message)
      expect(cells[2]).toBe(`${group.provider}/${group.model}`)
      expect(cells[4]).toBe(exactCount(group.count))
      expect(cells[5]).toBe("New")
      expect(await row(page, group.fingerprint).locator("svg rect").count()).toBeGreaterThan(1)
    }
    for (const fault of ["provider", "caller", "policy", "engine"]) {
      const count = groups.filter((group) => group.fault === fault).reduce((sum, group) => sum + group.count, 0)
      expect(await figure(page, `fault-${fault}`)).toBe(exactCount(count))
      const link = await page.locator(`[data-metric="fault-${fault}"] a`).getAttribute("href")
      expect(link).toBe(`/requests?status=error&fault=${fault}&range=24h`)
    }

    const broken = groups.find(({ model }) => model === "broken")!
    expect(broken.count).toBe(6)
    await row(page, broken.fingerprint).getByRole("button").first().press("Enter")
    const sheet = page.getByRole("dialog")
    await sheet.getByText("Whom it met").waitFor()
    const { affected } = (await suite.admin<Errors>(`errors?fingerprint=${broken.fingerprint}`)).groups[0]!
    expect(affected!.keys).toEqual([
      { keyId: null, count: 4 },
      { keyId, count: 2 }
    ])
    await eventually(async () =>
      (await sheet.getByRole("listitem").allInnerTexts()).map((item) => item.replace(/\s+/g, " "))
    ).toEqual(["Without a key 4", "search 2", ...affected!.tenants.map(({ count, tenant }) => `${tenant} ${count}`)])
    await sheet.locator(".recharts-bar-rectangle").first().waitFor({ state: "attached" })
    await sheet.getByRole("link", { name: "search" }).click()
    await page.waitForURL("**/requests?*")
    const query = new URL(page.url()).searchParams
    expect([query.get("fingerprint"), query.get("key")]).toEqual([broken.fingerprint, keyId])
    await eventually(() => rowIds(page)).toHaveLength(2)
    expect(suite.witness.complaints).toEqual([])
  })

  it("opens the newest request of a group, keeps its filters in the address, and saves what is shown", async () => {
    const page = await suite.open("/errors?range=1h")
    await loaded(page)
    const { groups } = await suite.admin<Errors>("errors")
    const picky = groups.find(({ model }) => model === "picky")!
    await page.getByLabel("Error", { exact: true }).selectOption(picky.kind)
    await eventually(() => rowIds(page)).toEqual([picky.fingerprint])
    await eventually(() => new URL(page.url()).searchParams.get("kind")).toBe(picky.kind)
    await page.reload()
    await eventually(() => rowIds(page)).toEqual([picky.fingerprint])

    await page.getByRole("button", { name: /Open the newest request/ }).click()
    await page.getByRole("dialog").getByText(picky.sampleId).first().waitFor()
    await eventually(() => new URL(page.url()).searchParams.get("id")).toBe(picky.sampleId)
    await page.keyboard.press("Escape")
    await eventually(() => page.getByRole("dialog").count()).toBe(0)

    const saved = page.waitForEvent("download")
    await page.getByRole("button", { name: "CSV of the groups" }).click()
    const lines = (await new Response((await (await saved).createReadStream()) as never).text()).trimEnd().split("\r\n")
    expect(lines).toHaveLength(2)
    expect(lines[1]).toContain(`${picky.fingerprint},${picky.kind},${picky.fault},mill,picky,`)

    await page.getByRole("button", { name: "Clear" }).click()
    await page.getByLabel("Provider", { exact: true }).selectOption("spare")
    await page.getByText("No failure fits these filters").waitFor()
    await page.getByRole("button", { name: "Clear the filters" }).click()
    await eventually(() => rowIds(page)).toHaveLength(2)
    expect(suite.witness.complaints).toEqual([])
  })

  it("is fit for everybody", async () => {
    await expectFit(suite, "/errors")
  })
})
