/** The playground: answers as they come, what each stage did, and stopping. */
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { alert, type DashboardSuite, eventually, figure, token } from "../../support/dashboard.ts"

export const playground = (suite: DashboardSuite): void => {
  it("streams an answer in the playground and shows what each stage did", async () => {
    const page = await openPlayground(suite, "/playground")
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
    expect(await metric(page, "tokens").textContent()).toContain(
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

  it("asks two models at the same time and shows their figures beside each other, in the name of a key", async () => {
    const made = await fetch(`${suite.gateway.url}/admin/api/keys`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "playing", tenant: "acme", models: ["simulated/*", "slow/*"] })
    })
    const { id: keyId } = (await made.json()) as { id: string }
    const page = await openPlayground(
      suite,
      `/playground?model=simulated%2Fsimulated&against=slow%2Fsimulated-slow&key=${keyId}`
    )
    await eventually(() => page.getByLabel("In the name of").inputValue()).toBe(keyId)
    await page.getByLabel("User message").fill("Compare two wheels")
    await page.getByLabel("User message").press("Control+Enter")
    const answers = page.locator("[data-run]")
    await eventually(() => answers.count()).toBe(2)
    await eventually(() => page.getByText("Answering").count()).toBeGreaterThan(0)
    await eventually(() => page.getByText("Complete", { exact: true }).count()).toBe(2)

    const { items } = await suite.admin<{
      items: Array<RequestFigures & { keyId: string; tenant: string; costUsd: number }>
    }>(`requests?key=${keyId}`)
    expect(new Set(items.map(({ provider }) => provider))).toEqual(new Set(["simulated", "slow"]))
    expect(items.every(({ tenant }) => tenant === "acme")).toBe(true)
    for (const [side, provider] of [
      ["first", "simulated"],
      ["second", "slow"]
    ]) {
      const record = items.find((item) => item.provider === provider)!
      const tokens = whole.format(record.promptTokens + record.completionTokens)
      await eventually(() => page.locator(`[data-figure="${side}-tokens"]`).textContent()).toBe(tokens)
    }
    await page.getByRole("radio", { name: "slow/simulated-slow" }).check()
    const slow = items.find(({ provider }) => provider === "slow")!
    await eventually(() => page.locator("[data-request-id]").getAttribute("data-request-id")).toBe(slow.id)
    await page.getByText("key playing").waitFor()
    expect(suite.witness.complaints).toEqual([])
  })

  it("names at its field what is wrong, sends tools and goes on with their results, and stops with Escape", async () => {
    const page = await openPlayground(suite, "/playground?model=simulated%2Fsimulated")
    await page.getByText("Tools", { exact: true }).click()
    await page.getByLabel("Tools as JSON").fill('[{ "name": "a b" }]')
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByText("Tool 1: expected a name").waitFor()
    expect(await page.getByLabel("Tools as JSON").getAttribute("aria-invalid")).toBe("true")
    await page.getByLabel("Tools as JSON").fill('[{ "name": "weather", "parameters": { "type": "object" } }]')
    await page.getByLabel("User message").fill("Ask the weather tool about Rome")
    await page.getByRole("button", { name: "Send" }).click()
    await page.locator('[data-tool-call="weather"]').waitFor()
    await page.getByText("Complete", { exact: true }).waitFor()
    await page.getByRole("button", { name: "Go on from here" }).click()
    await page.getByLabel("Tool message").fill("21 degrees")
    await page.getByRole("button", { name: "Send" }).click()
    await eventually(async () => (await page.locator("[data-answer]").textContent())?.length ?? 0).toBeGreaterThan(10)
    await page.getByText("Complete", { exact: true }).waitFor()
    const id = (await page.locator("[data-request-id]").getAttribute("data-request-id"))!
    type Content = { content: { request: { messages: Array<{ role: string }> } } }
    const { content } = await suite.admin<Content>(`requests/${id}`)
    expect(content.request.messages.map(({ role }) => role)).toEqual(["user", "assistant", "tool"])

    await page.getByLabel("Model").selectOption("slow/simulated-slow")
    await page.getByRole("button", { name: "Send" }).click()
    await page.getByText("Answering").or(page.getByText("Waiting for the first token")).waitFor()
    await page.keyboard.press("Escape")
    await page.getByText("Stopped", { exact: true }).waitFor()
    expect(suite.witness.complaints).toEqual([])
  })

  it("stops a running answer, and the call upstream ends with it", async () => {
    const page = await openPlayground(suite, "/playground")
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
    const page = await openPlayground(suite, "/playground")
    await page.getByLabel("User message").fill("never asked before")
    await page.getByRole("radio", { name: "only" }).check()
    await page.getByRole("button", { name: "Send" }).click()
    await eventually(() => alert(page)).toContain(
      "the answer is not in the cache and the request asked for the cache only (HTTP 504, cache_only_miss)"
    )
  })
}

/** The page once it listens: what is typed before that would be lost. */
const openPlayground = async (suite: DashboardSuite, address: string): Promise<Page> => {
  const page = await suite.open(address)
  await eventually(() => page.getByLabel("Model").isEnabled()).toBe(true)
  return page
}

const whole = new Intl.NumberFormat("en-US")

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
