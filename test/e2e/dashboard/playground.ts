/** The playground: answers as they come, what each stage did, and stopping. */
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { alert, type DashboardSuite, eventually, figure } from "../../support/dashboard.ts"

export const playground = (suite: DashboardSuite): void => {
  it("streams an answer in the playground and shows what each stage did", async () => {
    const page = await suite.open("/playground")
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
    const request = await suite.admin<RequestFigures>(`requests/${id}`)
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
    expect(suite.witness.complaints).toEqual([])
  })

  it("stops a running answer, and the call upstream ends with it", async () => {
    const page = await suite.open("/playground")
    await page.getByLabel("Model").selectOption("slow/simulated-slow")
    await page.getByLabel("User message").fill("A very long story")
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByText("Answering").waitFor()
    const id = (await page.locator("[data-request-id]").getAttribute("data-request-id"))!
    await page.getByRole("button", { name: "Stop" }).click()
    await page.getByText("Stopped").waitFor()
    await eventually(async () =>
      (await suite.admin<{ items: Array<RequestFigures> }>("requests?status=cancelled")).items.map((item) => item.id)
    ).toContain(id)
    await eventually(async () =>
      (await suite.admin<StatusFigures>("status")).providers.map(({ active }) => active)
    ).toEqual([0, 0])
  })

  it("says what the gateway refused", async () => {
    const page = await suite.open("/playground")
    await page.getByLabel("User message").fill("never asked before")
    await page.getByRole("radio", { name: "only" }).check()
    await page.getByRole("button", { name: "Send" }).click()
    await eventually(() => alert(page)).toContain(
      "the answer is not in the cache and the request asked for the cache only (HTTP 504, cache_only_miss)"
    )
  })
}

const metric = (page: Page, id: string) => page.locator(`[data-metric="${id}"]`)

interface StatusFigures {
  readonly providers: ReadonlyArray<{ readonly active: number }>
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
