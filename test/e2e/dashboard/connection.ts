/** What becomes of pages while the gateway is away, and when it comes back. These come last: they start it anew. */
import { expect, it } from "vitest"
import { alert, type DashboardSuite, eventually, figure, logIn, token } from "../../support/dashboard.ts"

export const connection = (suite: DashboardSuite): void => {
  it("shows a lost gateway with the age of its figures, and heals by itself", async () => {
    const page = await suite.open("/overview")
    await eventually(() => page.locator("[data-link]").first().getAttribute("data-link")).toBe("live")
    const startAgain = await suite.stopGateway()
    const banner = page.getByRole("alert").filter({ hasText: "Nothing answers at" })
    await banner.waitFor({ timeout: 15_000 })
    await eventually(() => banner.textContent()).toMatch(/Figures are from \d+ s ago/)
    expect(await figure(page, "requests")).not.toBe("–")

    const second = await suite.blank()
    await second.goto("/login")
    await second.getByLabel("Admin token").fill(token)
    await second.getByRole("button", { name: "Log in" }).click()
    await eventually(() => alert(second)).toContain(`Nothing answers at ${suite.gateway.url}`)

    await startAgain()
    await eventually(() => banner.count()).toBe(0)
    await eventually(() => page.locator("[data-link]").first().getAttribute("data-link")).toBe("live")
    await eventually(() => figure(page, "requests")).toBe("0")
    await eventually(() => page.getByText("No requests in this time").count()).toBe(1)
    expect(await page.locator("pre").textContent()).toContain(`curl ${suite.gateway.url}/v1/chat/completions`)
  })

  it("asks for a new login when the gateway no longer accepts the token", async () => {
    const page = await suite.open("/overview")
    const startAgain = await suite.stopGateway()
    await startAgain("another-token-0123456789")
    await page.waitForURL("**/login?ended=1**")
    await page.getByText("The session has ended. Log in again to go on.").waitFor()
    await logIn(page, "/overview", "another-token-0123456789")
  })
}
