/** The overview: figures as the admin API says, and where they lead. */
import { readFile } from "node:fs/promises"
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { type DashboardSuite, eventually, figure, loaded, note } from "../../support/dashboard.ts"

export const overview = (suite: DashboardSuite): void => {
  it("shows the status of the gateway and follows it while traffic runs", async () => {
    const page = await suite.open("/overview")
    await eventually(() => page.locator("[data-link]").first().getAttribute("data-link")).toBe("live")
    await eventually(() => page.getByText("Simulated", { exact: true }).isVisible()).toBe(true)

    for (const [index, round] of [3, 5].entries()) {
      await Promise.all(Array.from({ length: round }, (_, call) => send(suite, `call ${index} ${call}`)))
      await send(suite, `call ${index} 0`)
      await send(suite, "unknown", { model: "nobody/nothing" })
      const { totals, cache } = await suite.admin<StatusFigures>("status")
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

    const usage = await suite.admin<UsageFigures>("usage?bucket=minute&groupBy=status")
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
    await page.locator("#latency-over-time").hover()
    await page.mouse.wheel(0, 2000)
    await eventually(() => page.locator('[data-provider="simulated"]').textContent()).toContain("of 6,000 free")
    expect(await page.locator('[data-provider="simulated"] [role="meter"]').count()).toBe(3)
    await eventually(() => page.locator(".recharts-bar-rectangle").count()).toBeGreaterThan(0)

    await page.getByRole("radio", { name: "1 h" }).check()
    await eventually(() => new URL(page.url()).searchParams.get("range")).toBe("1h")
    await eventually(() => figure(page, "requests")).toBe(whole.format(usage.totals.requests))
    expect(suite.witness.complaints).toEqual([])
  })

  it("counts success without the caller's faults, and what the cache saved in money, tokens and time", async () => {
    const question = "What does a mill race carry?"
    for (let call = 0; call < 3; call++) await send(suite, question)
    await send(suite, "x", { temperature: 9 })
    await send(suite, "x", { model: "nobody/nothing" })
    const { totals } = await suite.admin<StatusFigures>("status")
    const { groups } = await suite.admin<ErrorFigures>("errors?bucket=day&limit=200")
    const own = groups.reduce((sum, { count, fault }) => sum + (fault === "caller" ? count : 0), 0)
    expect(own).toBeGreaterThan(0)
    expect(totals.savedUsd).toBeGreaterThan(0)
    const rate = (totals.requests - totals.errors) / (totals.requests - own)

    const page = await suite.open("/overview")
    await eventually(() => figure(page, "success-rate")).toBe(
      rate === 1 ? "100%" : `${(rate * 100).toFixed(rate >= 0.999 ? 2 : 1)}%`
    )
    await eventually(() => note(page, "success-rate")).toBe(
      `${whole.format(totals.errors)} failed, ${whole.format(own)} by the caller’s fault, not counted`
    )
    await eventually(async () => Number((await figure(page, "saved")).replace("$", ""))).toBeCloseTo(totals.savedUsd, 2)
    const byCache = await suite.admin<UsageFigures>("usage?bucket=day&groupBy=cache")
    const [hit, miss] = ["hit", "miss"].map((kind) => byCache.series.filter(({ group }) => group === kind))
    const savedMs = hit!.reduce(
      (sum, { latencyMsP50, requests }) => sum + requests * (miss![0]!.latencyMsP50! - latencyMsP50!),
      0
    )
    expect(savedMs).toBeGreaterThan(0)
    await eventually(() => note(page, "saved")).toMatch(
      new RegExp(`^${whole.format(totals.savedTokens)} tokens, about [\\d.]+ (ms|s|min.*) of waiting$`)
    )
    await eventually(async () => milliseconds(await note(page, "saved"))).toBeCloseTo(savedMs, -2)
    const spent = Number((await figure(page, "cost")).replace("$", ""))
    expect(spent).toBeCloseTo(totals.costUsd, 2)

    // The model's part of the cost, and the requests behind it.
    const costs = page.getByRole("region", { name: "Cost by model" })
    const part = costs.locator('[data-legend="simulated"] a')
    await eventually(() => part.textContent()).toBe(`$${totals.costUsd.toFixed(totals.costUsd < 1 ? 3 : 2)}`)
    await part.click()
    await page.waitForURL("**/requests?range=start&model=simulated")
    const { totals: ofModel } = await suite.admin<UsageFigures>("usage?bucket=day&model=simulated")
    await eventually(() => page.locator("tr[data-row]").count()).toBe(ofModel.requests)
    expect(suite.witness.complaints).toEqual([])
  })

  it("leads from its figures to the requests behind them, and from a bucket to those of its time", async () => {
    await send(suite, "behind a figure")
    const page = await suite.open("/overview?range=24h")
    await loaded(page)
    await page.locator(".recharts-surface").first().waitFor()
    for (const [id, address] of [
      ["requests", "/requests?range=24h"],
      ["success-rate", "/requests?status=error&range=24h"],
      ["hit-rate", "/cache?range=24h"],
      ["cost", "/usage?range=24h&metric=costUsd&groupBy=model"]
    ] as const) {
      expect(await metric(page, id).getByRole("link").first().getAttribute("href")).toBe(address)
    }
    const failed = page.locator('[data-legend="failed"] a')
    expect(await failed.getAttribute("href")).toBe("/requests?status=error&range=24h")

    const bars = page.getByRole("region", { name: "Requests" }).locator(".recharts-wrapper")
    const box = (await bars.boundingBox())!
    const inLastBucket = { x: box.width - 12, y: box.height / 2 }
    await bars.hover({ position: inLastBucket })
    await page.locator(".recharts-tooltip-wrapper").getByText("still filling").waitFor()
    expect(await page.locator('.recharts-bar-rectangle path[stroke-dasharray="2 3"]').count()).toBeGreaterThan(0)
    await bars.click({ position: inLastBucket })
    await page.waitForURL(/\/requests\?range=[\d%A-Z.-]+\.\.[\d%A-Z.-]+$/)
  })

  it("narrows by filters of the address, compares, and saves what it shows as a file", async () => {
    const page = await suite.open("/overview?range=24h")
    await page.getByRole("button", { name: "Filter" }).click()
    await page.getByRole("combobox", { name: "Provider" }).selectOption("slow")
    await eventually(() => new URL(page.url()).search).toBe("?range=24h&provider=slow")
    const { totals } = await suite.admin<UsageFigures>("usage?bucket=day&provider=slow")
    await eventually(() => figure(page, "requests")).toBe(whole.format(totals.requests))
    await page.getByRole("button", { name: "Compare with the time before" }).click()
    await eventually(() => metric(page, "requests").locator("[data-before]").getAttribute("data-before")).toBe("0")

    await loaded(page)
    const files = new Map<string, string>()
    for (const button of await page.getByRole("button", { name: "CSV" }).all()) {
      const [download] = await Promise.all([page.waitForEvent("download"), button.click()])
      files.set(download.suggestedFilename(), await readFile(await download.path(), "utf8"))
    }
    expect([...files.keys()]).toEqual([
      "overview.csv",
      "requests-over-time.csv",
      "latency-over-time.csv",
      "cost-by-model.csv",
      "ttft-over-time.csv"
    ])
    expect(files.get("overview.csv")).toContain(`figure,value,before\r\nrequests,${totals.requests},0\r\n`)
    const lines = files.get("requests-over-time.csv")!.trimEnd().split("\r\n")
    expect(lines[0]).toBe("start,answered,cached,cancelled,failed,complete")
    expect(lines).toHaveLength(25)
    const sum = lines.slice(1).reduce(
      (all, line) =>
        all +
        line
          .split(",")
          .slice(1, 5)
          .map(Number)
          .reduce((a, b) => a + b),
      0
    )
    expect(sum).toBe(totals.requests)
    await page.getByRole("button", { name: "Clear" }).click()
    await eventually(() => new URL(page.url()).search).toBe("?range=24h&compare=previous")
  })
}

const whole = new Intl.NumberFormat("en-US")

const metric = (page: Page, id: string) => page.locator(`[data-metric="${id}"]`)

/** A chat completion of the simulated model. */
const send = (suite: DashboardSuite, content: string, more: object = {}) =>
  suite.send({ model: "simulated/simulated", messages: [{ role: "user", content }], ...more })

const units: Readonly<Record<string, number>> = { ms: 1, s: 1000, min: 60_000 }

/** The time that a note tells, in milliseconds. */
const milliseconds = (text: string): number =>
  [...(text.split("about ")[1] ?? "").matchAll(/([\d.]+) (ms|s|min)\b/g)].reduce(
    (sum, [, figure, unit]) => sum + Number(figure) * units[unit!]!,
    0
  )

interface ErrorFigures {
  readonly groups: ReadonlyArray<{ readonly count: number; readonly fault: string | null }>
}

interface StatusFigures {
  readonly totals: {
    readonly costUsd: number
    readonly savedUsd: number
    readonly savedTokens: number
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
    readonly latencyMsP50: number | null
  }>
}
