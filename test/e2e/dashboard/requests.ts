/** The list of requests. */
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { type DashboardSuite, eventually, figure, serious } from "../../support/dashboard.ts"

export const requests = (suite: DashboardSuite): void => {
  it("lists requests as the admin API does, filters them by address, and opens one", async () => {
    await send(suite, "listed")
    await send(suite, "listed")
    await send(suite, "unknown", { model: "nobody/nothing" })
    const page = await suite.open("/requests")
    const { items } = await suite.admin<{ items: Array<RequestFigures> }>("requests?limit=100")
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
    expect(suite.witness.complaints).toEqual([])
  })

  it("says why a request was a miss against any other, shows its headers and content, and sends it again", async () => {
    const near = await send(suite, "why a miss", { temperature: 0, seed: 1 })
    const asked = await send(suite, "why a miss", { temperature: 0, seed: 2 })
    const [nearId, id] = [near, asked].map((response) => response.headers.get("x-millrace-request-id")!)
    const page = await suite.open(`/requests?id=${id}`)
    const sheet = page.getByRole("dialog")
    const nearest = sheet.locator("[data-neighbour]").first()
    await nearest.waitFor()
    expect(await nearest.getAttribute("data-neighbour")).toBe(nearId)
    expect(await nearest.locator("code").allTextContents()).toEqual(["seed"])

    const told = await sheet
      .locator("[data-header]")
      .evaluateAll((rows) =>
        rows.map((row) => [row.querySelector("dt")!.textContent, row.querySelector("dd")!.textContent])
      )
    const sent = [...asked.headers].filter(([name]) => name.startsWith("x-millrace-"))
    expect(Object.fromEntries(told)).toEqual(Object.fromEntries(sent))
    expect(await sheet.getByLabel("Prompt", { exact: true }).textContent()).toBe("user: why a miss")

    await send(suite, "another question")
    const { items } = await suite.admin<{ items: Array<{ key: string }> }>("cache/entries?sort=recent&limit=1")
    await sheet.getByLabel("Compare with another request or entry").fill(items[0]!.key)
    await sheet.getByRole("button", { name: "Compare" }).click()
    const found = sheet.locator("[data-comparison=different]")
    await found.waitFor()
    expect((await found.locator("code").allTextContents()).toSorted()).toEqual(["messages[0]", "seed", "temperature"])

    await nearest.getByRole("button").click()
    await eventually(() => new URL(page.url()).searchParams.get("id")).toBe(nearId)
    await page.goBack()
    await eventually(() => new URL(page.url()).searchParams.get("id")).toBe(id)
    await sheet.getByRole("link", { name: "Replay in the playground" }).click()
    await page.waitForURL(`**/playground?replay=${id}`)
    await eventually(() => page.getByLabel("User message").inputValue()).toBe("why a miss")
    expect(await page.getByLabel("Seed").inputValue()).toBe("2")
    expect(await page.getByLabel("Model").inputValue()).toBe("simulated/simulated")
    await page.getByRole("button", { name: "Send" }).click()
    await eventually(() => figure(page, "cache")).toBe("Bypassed")
    expect(await serious(page)).toEqual([])
    expect(suite.witness.complaints).toEqual([])
  })

  it("says what to do where there is nothing to show", async () => {
    const page = await suite.open("/requests")
    await page.goto("/requests?cache=semantic")
    await page.getByText("No request fits these filters").waitFor()
    await page.getByRole("button", { name: "Clear the filters" }).click()
    await eventually(async () => (await rowIds(page)).length).toBeGreaterThan(0)
  })
}

/** A chat completion of the simulated model. */
const send = (suite: DashboardSuite, content: string, more: object = {}) =>
  suite.send({ model: "simulated/simulated", messages: [{ role: "user", content }], ...more })

const rowIds = (page: Page) =>
  page.locator("tr[data-row]").evaluateAll((rows) => rows.map((row) => row.getAttribute("data-row")!))

interface RequestFigures {
  readonly id: string
  readonly status: string
  readonly cache: string
}
