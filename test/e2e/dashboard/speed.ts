/** How much a page weighs and how it bears many rows. Times are printed for the reader, not judged. */
import { expect, it } from "vitest"
import { gzipSync } from "node:zlib"
import { type DashboardSuite, eventually, loaded } from "../../support/dashboard.ts"

const firstPageLimitBytes = 300_000
const manyRows = 10_000

export const speed = (suite: DashboardSuite): void => {
  it("needs less than 300 kB of scripts for the first page", async () => {
    const page = await suite.open("/overview")
    await Promise.all(suite.witness.bodies.splice(0))
    await page.goto("/overview")
    await page.locator(".recharts-surface").first().waitFor()
    await loaded(page)
    const received = await Promise.all(suite.witness.bodies)
    const scripts = new Map(
      received.filter(({ url }) => url.endsWith(".js")).map(({ url, body }) => [url, gzipSync(body).length])
    )
    const total = [...scripts.values()].reduce((sum, size) => sum + size, 0)
    console.log(`scripts of the overview: ${total} bytes gzipped in ${scripts.size} files`)
    expect(scripts.size).toBeGreaterThan(5)
    expect(total).toBeLessThan(firstPageLimitBytes)
  })

  it("holds few rows of a list of 10,000 in the document while it is scrolled through", async () => {
    const page = await suite.open("/requests")
    // The rows are made here: what is shown is how the table bears them.
    await page.route("**/api/requests?*", async (route) => {
      const { searchParams } = new URL(route.request().url())
      const first = Number(searchParams.get("cursor") ?? 0)
      const limit = Math.min(Number(searchParams.get("limit")), manyRows - first)
      await route.fulfill({
        json: {
          items: Array.from({ length: limit }, (_, index) => rowOf(first + index)),
          nextCursor: first + limit < manyRows ? String(first + limit) : null
        }
      })
    })
    await page.goto("/requests?range=1h")
    const more = page.getByRole("button", { name: "Load older ones" })
    await more.waitFor()
    await page.evaluate(loadAll)
    await eventually(() => more.count()).toBe(0)
    const table = page.getByRole("table")
    expect(await table.getAttribute("aria-rowcount")).toBe(String(manyRows + 1))

    const { frames, largest, rowsMost, last } = await page.evaluate<Scrolled>(scrollThrough)
    console.log(`10,000 rows: ${frames.length} frames, p95 ${quantile(frames, 0.95)} ms, longest ${largest} ms`)
    expect(rowsMost).toBeLessThan(60)
    expect(last).toBe("row-9999")
  })
}

const rowOf = (index: number) => ({
  id: `row-${index}`,
  time: new Date(Date.now() - index * 10).toISOString(),
  tenant: "default",
  keyId: null,
  modelRequested: "m",
  model: "m",
  provider: "simulated",
  status: "success",
  fault: null,
  errorKind: null,
  cache: "miss",
  attempts: 1,
  promptTokens: index,
  completionTokens: 5,
  costUsd: 0.001,
  latencyMs: 100,
  ttftMs: 50,
  queueMs: 0
})

interface Scrolled {
  /** Milliseconds from each frame to the next. */
  readonly frames: ReadonlyArray<number>
  readonly largest: number
  readonly rowsMost: number
  /** The row that is the last in the document at the end. */
  readonly last: string
}

/** Presses the button until there is nothing more to load. */
const loadAll = `(async () => {
  const button = () => [...document.querySelectorAll("button")].find(({ textContent }) => textContent === "Load older ones")
  for (let found = button(); found !== undefined; found = button()) {
    if (!found.disabled) found.click()
    await new Promise((resolve) => setTimeout(resolve, 4))
  }
})()`

/** From the top to the end in 120 frames. */
const scrollThrough = `(async () => {
  const box = document.querySelector("table").parentElement
  const frames = []
  let rowsMost = 0
  let before = await new Promise(requestAnimationFrame)
  for (let step = 1; step <= 120; step++) {
    box.scrollTop = (box.scrollHeight - box.clientHeight) * step / 120
    const now = await new Promise(requestAnimationFrame)
    frames.push(Math.round((now - before) * 10) / 10)
    before = now
    rowsMost = Math.max(rowsMost, document.querySelectorAll("tr[data-row]").length)
  }
  await new Promise((resolve) => setTimeout(resolve, 100))
  const rows = document.querySelectorAll("tr[data-row]")
  return { frames, largest: Math.max(...frames), rowsMost, last: rows[rows.length - 1].dataset.row }
})()`

const quantile = (figures: ReadonlyArray<number>, share: number) =>
  figures.toSorted((a, b) => a - b)[Math.floor(figures.length * share)]
