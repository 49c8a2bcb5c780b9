/** Login, logout and the end of a session. */
import type { Page } from "playwright-core"
import { expect, it } from "vitest"
import { alert, type DashboardSuite, eventually, logIn, token } from "../../support/dashboard.ts"
import { startDashboard } from "../../support/processes.ts"

export const session = (suite: DashboardSuite): void => {
  it("refuses a wrong token and says why", async () => {
    const page = await suite.blank()
    await page.goto("/login")
    await page.getByLabel("Admin token").fill("wrong-token-0000000000")
    await page.getByRole("button", { name: "Log in" }).click()
    await eventually(() => alert(page)).toContain("does not accept this admin token")
    expect(new URL(page.url()).pathname).toBe("/login")
    expect((await page.context().cookies()).filter(({ name }) => name === "millrace_session")).toEqual([])
  })

  it("logs in by keyboard alone, keeps the token on the server, and ends the session on logout", async () => {
    const page = await suite.blank()
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
    expect(suite.witness.complaints).toEqual([])
    await page.getByRole("button", { name: "Log out" }).click()
    await page.waitForURL("**/login")
    await otherTab.waitForURL("**/login?ended=1**")
    const replayed = await fetch(`${suite.dashboard.url}/api/status`, {
      headers: { cookie: `millrace_session=${cookie.value}` }
    })
    expect(replayed.status).toBe(401)
  })

  it("asks for a login first and returns to the page that was wanted", async () => {
    const page = await suite.open("/requests")
    expect(await page.getByRole("heading", { level: 1 }).textContent()).toBe("Requests")
    const elsewhere = await fetch(`${suite.dashboard.url}/login?next=//evil.example/`, { redirect: "manual" })
    expect(await elsewhere.text()).not.toContain("evil.example/&quot;")
  })

  it("says that a session has ended, and a new login leads back to where one was", async () => {
    const short = await startDashboard(suite.gateway.url, { MILLRACE_SESSION_SECONDS: "8" })
    try {
      const page = await suite.blank({ baseURL: short.url })
      const address = "/usage?range=7d&metric=tokens"
      await page.goto(address)
      await logIn(page, address)
      await page.getByRole("heading", { level: 1 }).waitFor()
      await page.waitForURL("**/login?ended=1**", { timeout: 30_000 })
      await page.getByText("The session has ended. Log in again to go on.").waitFor()
      await logIn(page, address)
      expect(new URL(page.url()).search).toBe("?range=7d&metric=tokens")

      // A session that the server no longer knows, as after its restart: the page itself leads to the login and back.
      await page.context().clearCookies()
      await page.context().addCookies([{ name: "millrace_session", value: "gone", url: short.url }])
      await page.goto("/errors?range=7d")
      await page.waitForURL("**/login?ended=1**")
      await logIn(page, "/errors?range=7d")
    } finally {
      await short.stop()
    }
  })
}

const focused = (page: Page) => page.evaluate<string>("document.activeElement.textContent.trim()")
