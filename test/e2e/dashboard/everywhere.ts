/** What holds on every page of the shell: theme, narrow screens, accessibility. */
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { type DashboardSuite, eventually, loaded, logIn, serious } from "../../support/dashboard.ts"

const pages = ["/overview", "/requests", "/playground"]

export const everywhere = (suite: DashboardSuite): void => {
  it("is dark or light from the first paint: by the system, or as chosen", async () => {
    const page = await suite.open("/overview", { colorScheme: "dark" })
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
    const page = await suite.open("/overview", { viewport: { width: 360, height: 740 } })
    for (const address of pages) {
      await page.goto(address)
      await page.getByRole("heading", { level: 1 }).waitFor()
      expect(await page.evaluate<number>("document.documentElement.scrollWidth"), address).toBeLessThanOrEqual(360)
    }
    await page.getByRole("button", { name: "Open the menu" }).press("Enter")
    await page.getByRole("dialog").getByRole("link", { name: "Overview" }).click()
    await page.waitForURL("**/overview")
    await eventually(() => page.getByRole("dialog").count()).toBe(0)
    expect(suite.witness.complaints).toEqual([])
  })

  it.each(["light", "dark"] as const)("has no serious accessibility finding on any page (%s)", async (colorScheme) => {
    const page = await suite.blank({ colorScheme, reducedMotion: "reduce" })
    await page.goto("/login?next=%2Foverview")
    expect(await serious(page)).toEqual([])
    await logIn(page, "/overview")
    for (const address of pages) {
      await page.goto(address)
      await page.evaluate("document.getElementById('main').lastElementChild.scrollIntoView({ block: 'end' })")
      await loaded(page)
      await eventually(() => page.locator("select:disabled").count()).toBe(0)
      expect(await serious(page), address).toEqual([])
    }
  })
}

const background = (page: Page) => page.evaluate<string>("getComputedStyle(document.documentElement).backgroundColor")
