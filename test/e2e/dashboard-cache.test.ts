/**
 * The page of the cache in a real browser: what it served and saved, its entries and what can be done with them, why two
 * requests do not share an answer, and the semantic cache in shadow mode, each compared with what the admin API says.
 */
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import { bytes, count, exactCount, share, text, usd } from "../../dashboard/lib/format.ts"
import { noBrowser } from "../support/browser.ts"
import { dashboardSuite, eventually, expectFit, figure, loaded, note } from "../support/dashboard.ts"

interface Cache {
  readonly entries: number
  readonly bytes: number
  readonly maxSize: number
  readonly hits: number
  readonly hitRate: number | null
  readonly missReasons: Readonly<Record<string, number>>
}

interface Entries {
  readonly total: number
  readonly items: ReadonlyArray<{
    readonly key: string
    readonly model: string
    readonly tenant: string
    readonly hits: number
    readonly content: string | null
  }>
}

interface Usage {
  readonly totals: { readonly savedUsd: number; readonly savedTokens: number }
  readonly series: ReadonlyArray<{ readonly group: string; readonly requests: number }>
}

interface Semantic {
  readonly lookups: number
  readonly threshold: number
  readonly shadow: {
    readonly wouldBeHits: number
    readonly falseHitRate: { readonly value: number } | null
    readonly recent: ReadonlyArray<{ readonly similarity: number }>
  }
}

const suiteName = noBrowser === undefined ? "dashboard: cache" : `dashboard: cache (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(suiteName, () => {
  const suite = dashboardSuite(
    (url) => `
providers:
  - name: mill
    kind: openai-compatible
    baseUrl: ${url}/v1
    model: m
    pricing: { input: 100, output: 200 }
cache: { semantic: { mode: shadow, threshold: 0.8 } }
logging: { content: true }
storage: { database: memory }`
  )

  /** Sends a prompt and says what the cache did. */
  const ask = async (content: string, more: object = {}, headers: { readonly [name: string]: string } = {}) => {
    const response = await suite.send({ model: "mill/m", messages: [{ role: "user", content }], ...more }, headers)
    expect(response.status).toBe(200)
    return response.headers.get("x-millrace-cache")
  }

  const entries = (query = "") => suite.admin<Entries>(`cache/entries?limit=500${query}`)

  const rowKeys = (page: Page) =>
    page
      .getByRole("region", { name: "Entries of the cache" })
      .locator("tr[data-row]")
      .evaluateAll((rows) => rows.map((row) => row.getAttribute("data-row")!))

  it("shows hits, savings and entries as the admin API does", async () => {
    expect(await ask("How do mills work?")).toBe("miss")
    for (let call = 0; call < 3; call++) expect(await ask("How do mills work?")).toBe("hit")
    expect(await ask("What is flour?", {}, { "x-millrace-tenant": "acme" })).toBe("miss")
    expect(await ask("What is flour?", {}, { "x-millrace-cache": "bypass" })).toBe("bypass")
    const page = await suite.open("/cache")
    await loaded(page)
    const cache = await suite.admin<Cache>("cache")
    expect(cache.hitRate).toBe(0.6)
    await eventually(() => figure(page, "cache-hit-rate")).toBe("60.0%")
    expect(await note(page, "cache-hit-rate")).toBe("3 of 5 lookups served")
    const usage = await suite.admin<Usage>("usage?bucket=day&groupBy=cache")
    const requests = (group: string) =>
      usage.series.reduce((sum, point) => sum + (point.group === group ? point.requests : 0), 0)
    expect(await figure(page, "cache-split")).toBe(
      `exact${requests("hit")}semantic${requests("semantic")}coalesced${requests("coalesced")}`
    )
    expect(await figure(page, "cache-misses")).toBe(`misses${requests("miss")}bypassed${requests("bypass")}`)
    expect(usage.totals.savedUsd).toBeGreaterThan(0)
    expect(await figure(page, "cache-saved")).toBe(text(usd(usage.totals.savedUsd)).replace(/\s/g, ""))
    expect(await note(page, "cache-saved")).toContain(`${text(count(usage.totals.savedTokens))} tokens`)
    expect(await figure(page, "cache-entries")).toBe(exactCount(cache.entries))
    expect(await note(page, "cache-entries")).toContain(`of ${exactCount(cache.maxSize)}; ${text(bytes(cache.bytes))}`)
    await eventually(() => page.locator(".recharts-bar-rectangle").count()).toBeGreaterThan(0)
    expect(cache.missReasons).toEqual({ absent: 2, expired: 0, refresh: 0 })
    const reasons = page.getByRole("region", { name: "Misses of the exact cache" }).last()
    await eventually(() => reasons.locator("tr[data-row]").allInnerTexts()).toEqual(["Nothing like it was stored\t2"])

    const byHits = (await entries("&sort=hits")).items.map(({ key }) => key)
    await eventually(() => rowKeys(page)).toEqual(byHits)
    await page.getByRole("radio", { name: "Last used" }).check()
    await eventually(() => rowKeys(page)).toEqual((await entries("&sort=recent")).items.map(({ key }) => key))
    await page.getByLabel("Tenant", { exact: true }).hover()
    await eventually(() => page.getByLabel("Tenant", { exact: true }).locator("option").allTextContents()).toContain(
      "acme"
    )
    await page.getByLabel("Tenant", { exact: true }).selectOption("acme")
    const ofAcme = (await entries("&tenant=acme")).items.map(({ key }) => key)
    await eventually(() => rowKeys(page)).toEqual(ofAcme)
    await eventually(() => figure(page, "cache-misses")).toBe("misses1bypassed0")
    expect(Object.fromEntries(new URL(page.url()).searchParams)).toEqual({ sort: "recent", tenant: "acme" })
    await page.getByRole("button", { name: "Clear" }).click()
    await eventually(() => figure(page, "cache-misses")).toBe(`misses${requests("miss")}bypassed${requests("bypass")}`)
    await page.getByRole("link", { name: "exact" }).click()
    await page.waitForURL("**/requests?**")
    await eventually(() => page.locator("tr[data-row]").count()).toBe(requests("hit"))
    expect(suite.witness.complaints).toEqual([])
  })

  it("shows one entry, and evicts it after a question", async () => {
    await ask("What is an overshot wheel?")
    const { key, content } = (await entries()).items[0]!
    const page = await suite.open("/cache")
    await loaded(page)
    await page.locator(`tr[data-row="${key}"] button`).press("Enter")
    const sheet = page.getByRole("dialog")
    await sheet.getByText(content!, { exact: true }).waitFor()
    expect(new URL(page.url()).searchParams.get("key")).toBe(key)
    await sheet.getByRole("button", { name: "Evict" }).click()
    await page.getByRole("alertdialog").getByRole("button", { name: "Evict it" }).click()
    await eventually(() => page.getByRole("dialog").count()).toBe(0)
    await eventually(async () => (await entries()).items.map((entry) => entry.key)).not.toContain(key)
    await eventually(() => rowKeys(page)).not.toContain(key)
    expect(await ask("What is an overshot wheel?")).toBe("miss")
    expect(suite.witness.complaints).toEqual([])
  })

  it("takes a wrong hit back", async () => {
    await ask("What is a tail race?")
    expect(await ask("What is a tail race?")).toBe("hit")
    const { key } = (await entries()).items[0]!
    const page = await suite.open(`/cache?key=${key}`)
    await page.getByRole("dialog").getByRole("button", { name: "Wrong hit" }).click()
    await page.getByRole("alertdialog").getByRole("button", { name: "Report it" }).click()
    await eventually(() => page.getByRole("dialog").count()).toBe(0)
    await eventually(async () => (await entries()).items.map((entry) => entry.key)).not.toContain(key)

    await page.getByLabel("Wrong hit of a request").fill("req_nobody")
    await page.getByRole("button", { name: "Report", exact: true }).click()
    await page.getByRole("alertdialog").getByRole("button", { name: "Report it" }).click()
    await eventually(() => page.getByRole("alertdialog").getByRole("alert").textContent()).toContain(
      "no entry has this key, and no semantic hit this request"
    )
  })

  it("says why two requests do not share an answer", async () => {
    const page = await suite.open("/cache")
    await loaded(page)
    const compare = async (a: string, b: string) => {
      await page.getByLabel("This request or key").fill(a)
      await page.getByLabel("And that one").fill(b)
      await page.getByRole("button", { name: "Compare" }).click()
    }
    const explained = page.locator("[data-explanation]")
    await compare('{"prompt": "x", "seed": 1, "model": "mill/m"}', '{"prompt": "x", "model": "mill/m"}')
    await eventually(() => explained.textContent()).toContain("They differ in one field.seed")
    await compare('{"prompt": "x"}', '{ "prompt": "x" }')
    await eventually(() => explained.getAttribute("data-explanation")).toBe("same")
    await compare("no-such-key", '{"prompt": "x"}')
    await eventually(async () => (await page.getByRole("alert").allTextContents()).join()).toContain(
      "there is no such entry"
    )
    await compare('{"prompt": ', '{"prompt": "x"}')
    await eventually(async () => (await page.getByRole("alert").allTextContents()).join()).toContain(
      "The first one begins like JSON and is none."
    )

    await ask("Compare me")
    await ask("Compare me too")
    const [later, earlier] = (await entries()).items
    await page.goto(`/cache?a=${later!.key}&b=${earlier!.key}`)
    await page.getByRole("button", { name: "Compare" }).click()
    await eventually(() => explained.textContent()).toContain("They differ in")
    expect(await explained.getByText("Stored", { exact: true }).count()).toBe(2)
  })

  it("measures what the semantic cache would serve, at any threshold", async () => {
    await ask("How do I renew my passport?")
    await ask("What's the way to renew my passport?")
    await ask("please tell me how to renew my passport")
    await eventually(async () => (await suite.admin<Semantic>("cache/semantic")).shadow.wouldBeHits).toBeGreaterThan(0)
    const page = await suite.open("/cache")
    await loaded(page)
    const { lookups, shadow } = await suite.admin<Semantic>("cache/semantic")
    await eventually(() => figure(page, "semantic-lookups")).toBe(exactCount(lookups))
    expect(await figure(page, "semantic-would")).toBe(exactCount(shadow.wouldBeHits))
    expect(await figure(page, "semantic-false")).toBe(text(share(shadow.falseHitRate!.value)).replace(/\s/g, ""))
    const served = page.locator("[data-threshold]")
    expect(await served.getAttribute("data-threshold")).toBe("0.80")
    expect(await served.textContent()).toContain(`${shadow.wouldBeHits} of ${shadow.wouldBeHits} would be served`)
    await page.getByLabel("Threshold", { exact: true }).press("End")
    await eventually(() => served.getAttribute("data-threshold")).toBe("0.95")
    const above = shadow.recent.filter(({ similarity }) => similarity >= 0.95).length
    expect(await served.textContent()).toContain(`${above} of ${shadow.wouldBeHits} would be served`)
    await eventually(() =>
      page.getByRole("region", { name: "Would-be hits" }).last().locator("tr[data-row]").count()
    ).toBe(shadow.recent.length)
    expect(suite.witness.complaints).toEqual([])
  })

  it("purges what fits the filters, after a question that says how much", async () => {
    await ask("Of acme", {}, { "x-millrace-tenant": "acme" })
    await ask("Of globex", {}, { "x-millrace-tenant": "globex" })
    const ofAcme = (await entries("&tenant=acme")).total
    const all = (await entries()).total
    const page = await suite.open("/cache?tenant=acme")
    await loaded(page)
    await page.getByRole("button", { name: "Purge these" }).click()
    const dialog = page.getByRole("alertdialog")
    expect(await dialog.textContent()).toContain("with tenant acme")
    await dialog.getByRole("button", { name: "Cancel" }).click()
    expect((await entries()).total).toBe(all)
    await page.getByRole("button", { name: "Purge these" }).click()
    await dialog.getByRole("button", { name: /^Purge / }).click()
    await page.getByText(`${ofAcme} purged`).waitFor()
    expect((await entries("&tenant=acme")).total).toBe(0)
    expect((await entries()).total).toBe(all - ofAcme)
    await page.getByText("No entry fits these filters").waitFor()
    await page.getByRole("button", { name: "Clear the filters" }).click()
    await eventually(async () => (await rowKeys(page)).length).toBe(all - ofAcme)
    await page.getByRole("button", { name: "Purge everything" }).click()
    await dialog.getByRole("button", { name: /^Purge / }).click()
    await page.getByText("The cache is empty").waitFor()
    expect((await entries()).total).toBe(0)
    expect(suite.witness.complaints).toEqual([])
  })

  it("is fit for everybody", async () => {
    await ask("How do I renew my passport?")
    await expectFit(suite, "/cache")
  })
})
