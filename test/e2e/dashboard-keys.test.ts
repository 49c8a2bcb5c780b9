/**
 * The pages of keys and budgets in a real browser: every change is looked for in the admin API and in what calls meet then,
 * every figure is compared with the admin API, and a secret is seen once.
 */
import type { Page } from "playwright-core"
import { describe, expect, it } from "vitest"
import { text, usd } from "../../dashboard/lib/format.ts"
import { noBrowser } from "../support/browser.ts"
import { dashboardSuite, eventually, expectFit, loaded, serious } from "../support/dashboard.ts"

interface Key {
  readonly id: string
  readonly name: string
  readonly tenant: string
  readonly status: string
  readonly models: ReadonlyArray<string> | null
  readonly providers: ReadonlyArray<string> | null
  readonly rateLimits: object | null
  readonly budget: ReadonlyArray<object> | null
  readonly metadata: object | null
  readonly expiresAt: string | null
  readonly last4: string
  readonly secrets: ReadonlyArray<{ readonly last4: string; readonly expiresAt: string | null }>
}

interface Budgets {
  readonly items: ReadonlyArray<{
    readonly budget: string
    readonly scope: string
    readonly of: string | null
    readonly unit: string
    readonly limit: number
    readonly spent: number
    readonly left: number
    readonly state: string
  }>
}

const suiteName = noBrowser === undefined ? "dashboard: keys and budgets" : `dashboard: keys (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(suiteName, () => {
  const suite = dashboardSuite(
    (url) => `
providers:
  - name: mill
    kind: openai-compatible
    baseUrl: ${url}/v1
    apiKey: sk-upstream
    model: m
    pricing: { input: 1000, output: 2000 }
cache: { enabled: false }
keys: { required: true }
budgets:
  - { name: month, scope: global, period: month, usd: 1000 }
  - { name: teams, scope: tenant, period: day, usd: 500 }
storage: { database: memory }`
  )

  const keyNamed = async (name: string) =>
    (await suite.admin<{ items: ReadonlyArray<Key> }>(`keys?name=${name}`)).items.find((key) => key.name === name)

  const call = (secret: string) =>
    suite.send(
      { model: "mill/m", max_tokens: 16, messages: [{ role: "user", content: "Hello" }] },
      { authorization: `Bearer ${secret}` }
    )

  const row = (page: Page, id: string) => page.locator(`tr[data-row="${id}"]`)

  const secretOf = async (page: Page) => (await page.locator("[data-secret] pre").innerText()).trim()

  /** Makes a key on the page with nothing but a name, and takes its secret. */
  const make = async (page: Page, name: string) => {
    await page.getByRole("button", { name: "Create a key" }).first().click()
    await page.getByLabel("Name", { exact: true }).fill(name)
    await page.getByRole("button", { name: "Create the key" }).click()
    await page.locator("[data-secret]").waitFor()
    const secret = await secretOf(page)
    await page.getByRole("button", { name: "I have saved it" }).click()
    await page.locator("[data-secret]").waitFor({ state: "detached" })
    return secret
  }

  const openKey = async (page: Page, name: string) => {
    const key = (await keyNamed(name))!
    await row(page, key.id).getByRole("button").press("Enter")
    await page.getByRole("group", { name: "Actions" }).waitFor()
    return key
  }

  it("says what to do where there are no keys", async () => {
    const page = await suite.open("/keys")
    await page.getByText("No keys yet").waitFor()
    expect(await page.locator("pre").textContent()).toContain("millrace keys create")
    expect(suite.witness.complaints).toEqual([])
  })

  it("makes a key with every setting, shows its secret once, and calls are let in with it", async () => {
    const page = await suite.open("/keys", { timezoneId: "Europe/Berlin" })
    await page.getByRole("button", { name: "Create a key" }).first().click()
    await page.getByLabel("Name", { exact: true }).fill("search")
    await page.getByLabel("Tenant").last().fill("acme")
    await page.getByLabel("Expires").fill("2099-06-01T12:30")
    await page.getByLabel("Models").fill("mill/*\nfast")
    await page.getByRole("checkbox", { name: "mill" }).check()
    await page.getByLabel("Requests per minute").fill("60")
    await page.getByLabel("Tokens per minute").fill("100000")
    await page.getByLabel("Calls at once").fill("4")
    await page.getByLabel("Window, seconds").fill("30")
    await page.getByRole("button", { name: "Add a budget" }).click()
    await page.getByLabel("Dollars").fill("10")
    await page.getByLabel("Tokens", { exact: true }).fill("5000")
    await page.getByLabel("Period").selectOption("day")
    await page.getByLabel("Time zone").fill("Europe/Berlin")
    await page.getByLabel("Warn at").fill("50, 90%")
    await page.getByLabel("JSON object").fill('{"team": "search"}')
    await page.getByRole("button", { name: "Create the key" }).click()
    await page.locator("[data-secret]").waitFor()
    const secret = await secretOf(page)
    expect(secret).toMatch(/^mr-[\w-]{43}$/)

    expect(await keyNamed("search")).toMatchObject({
      tenant: "acme",
      status: "active",
      models: ["mill/*", "fast"],
      providers: ["mill"],
      rateLimits: { requestsPerMinute: 60, tokensPerMinute: 100_000, concurrent: 4, window: 30_000 },
      budget: [{ usd: 10, tokens: 5000, period: "day", timeZone: "Europe/Berlin", warnAt: [0.5, 0.9] }],
      metadata: { team: "search" },
      expiresAt: "2099-06-01T10:30:00.000Z",
      last4: secret.slice(-4)
    })
    expect((await call(secret)).status).toBe(200)
    expect((await call("mr-" + "x".repeat(43))).status).toBe(401)

    await page.keyboard.press("Escape")
    expect(await page.locator("[data-secret]").count(), "only its button closes it").toBe(1)
    await page.getByRole("button", { name: "I have saved it" }).click()
    await eventually(() => page.locator("[data-secret]").count()).toBe(0)
    expect(await page.content()).not.toContain(secret)
    await Promise.all(suite.witness.bodies.splice(0))
    await page.reload()
    await loaded(page)
    for (const { body, url } of await Promise.all(suite.witness.bodies)) {
      expect(body.includes(secret), `the secret in ${url}`).toBe(false)
    }
    expect(suite.witness.complaints).toEqual([])
  })

  it("copies the secret", async () => {
    const page = await suite.open("/keys", { permissions: ["clipboard-read", "clipboard-write"] })
    await page.getByRole("button", { name: "Create a key" }).first().click()
    await page.getByLabel("Name", { exact: true }).fill("copied")
    await page.getByRole("button", { name: "Create the key" }).click()
    await page.getByRole("button", { name: "Copy the key" }).click()
    const copied = await page.evaluate<string>("navigator.clipboard.readText()")
    expect(copied).toBe(await secretOf(page))
  })

  it("shows at each field what the API finds wrong with it, and makes nothing", async () => {
    const page = await suite.open("/keys?create=1")
    await page.getByLabel("Requests per minute").fill("-3")
    await page.getByLabel("Calls at once").fill("many")
    await page.getByRole("button", { name: "Add a budget" }).click()
    await page.getByLabel("Time zone").fill("Mars/Olympus")
    await page.getByLabel("Expires").fill("2001-01-01T00:00")
    await page.getByRole("button", { name: "Create the key" }).click()
    const said = (label: string) =>
      page
        .getByLabel(label, { exact: true })
        .evaluate((control: { getAttribute(name: string): string; ownerDocument: any }) =>
          control.getAttribute("aria-invalid") === "true"
            ? control.ownerDocument.getElementById(control.getAttribute("aria-describedby")).textContent
            : null
        )
    await eventually(() => said("Name")).toBe("expected 1 to 128 characters without control characters")
    expect(await said("Requests per minute")).toBe("expected a value greater than 0")
    expect(await said("Calls at once")).toContain("expected")
    expect(await said("Time zone")).toContain("IANA name of a time zone")
    expect(await said("Tokens per minute")).toBe(null)
    await eventually(() => page.evaluate<string>("document.activeElement.labels?.[0]?.textContent ?? ''")).toBe("Name")

    await page.getByLabel("JSON object").fill("{team")
    await page.getByRole("button", { name: "Create the key" }).click()
    await eventually(() => said("JSON object")).toContain("expected a JSON object")
    await page.getByLabel("JSON object").fill("")
    await page.getByLabel("Time zone").fill("")
    await page.getByRole("button", { name: "Create the key" }).click()
    await page.getByText("expected a budget with usd or tokens").waitFor()
    await page.getByLabel("Name", { exact: true }).fill("never")
    await page.getByLabel("Requests per minute").fill("")
    await page.getByLabel("Calls at once").fill("")
    await page.getByRole("button", { name: "Remove budget 1" }).click()
    await page.getByRole("button", { name: "Create the key" }).click()
    await eventually(() => said("Expires")).toBe("expected a time to come")
    expect(await keyNamed("never")).toBe(undefined)
  })

  it("changes only what was edited", async () => {
    const page = await suite.open("/keys")
    await make(page, "edited")
    await openKey(page, "edited")
    await page.getByRole("button", { name: "Edit" }).click()
    await page.getByLabel("Name", { exact: true }).fill("renamed")
    await page.getByLabel("Models").fill("mill/m")
    await page.getByRole("button", { name: "Save the changes" }).click()
    await page.getByRole("group", { name: "Actions" }).waitFor()
    expect(await keyNamed("renamed")).toMatchObject({ models: ["mill/m"], rateLimits: null, tenant: "default" })
    await page.getByRole("button", { name: "Edit" }).click()
    await page.getByLabel("Models").fill("")
    await page.getByRole("button", { name: "Save the changes" }).click()
    await page.getByRole("group", { name: "Actions" }).waitFor()
    expect(await keyNamed("renamed")).toMatchObject({ models: null, tenant: "default" })
    expect(suite.witness.complaints).toEqual([])
  })

  it("rotates with an overlap: both secrets work, and at once without one", async () => {
    const page = await suite.open("/keys")
    const first = await make(page, "rotated")
    const rotate = async (overlap: string) => {
      await page.getByRole("button", { name: "Rotate" }).click()
      await page.getByLabel(/stays valid for/).selectOption({ label: overlap })
      await page.getByRole("button", { name: "Make a new secret" }).click()
      await page.locator("[data-secret]").waitFor()
      const secret = await secretOf(page)
      await page.getByRole("button", { name: "I have saved it" }).click()
      return secret
    }
    await openKey(page, "rotated")
    const second = await rotate("12 hours")
    expect((await call(first)).status).toBe(200)
    expect((await call(second)).status).toBe(200)
    const { secrets } = (await keyNamed("rotated"))!
    expect(secrets.map(({ last4 }) => last4)).toEqual([second.slice(-4), first.slice(-4)])
    expect(Date.parse(secrets[1]!.expiresAt!) - Date.now()).toBeGreaterThan(11.9 * 3_600_000)
    await eventually(() => page.getByRole("dialog").textContent()).toContain(`…${second.slice(-4)}`)

    const third = await rotate("Not at all: it ends at once")
    expect((await call(first)).status).toBe(401)
    expect((await call(second)).status).toBe(401)
    expect((await call(third)).status).toBe(200)
    expect(suite.witness.complaints).toEqual([])
  })

  it("disables, enables and deletes a key after it was asked", async () => {
    const page = await suite.open("/keys")
    const secret = await make(page, "ended")
    const { id } = await openKey(page, "ended")
    await page.getByRole("button", { name: "Disable" }).click()
    await page.getByRole("alertdialog").getByRole("button", { name: "Cancel" }).click()
    expect((await call(secret)).status).toBe(200)
    await page.getByRole("button", { name: "Disable" }).click()
    await page.getByRole("button", { name: "Disable the key" }).click()
    await page.getByRole("button", { name: "Enable" }).waitFor()
    expect((await keyNamed("ended"))!.status).toBe("disabled")
    expect((await call(secret)).status).toBe(401)
    await page.getByRole("button", { name: "Enable" }).click()
    await page.getByRole("button", { name: "Disable" }).waitFor()
    expect((await call(secret)).status).toBe(200)
    await page.getByRole("button", { name: "Delete" }).click()
    await page.getByRole("button", { name: "Delete the key" }).click()
    await eventually(() => page.getByRole("dialog").count()).toBe(0)
    await eventually(() => row(page, id).count()).toBe(0)
    expect(await keyNamed("ended")).toBe(undefined)
    expect((await call(secret)).status).toBe(401)
    expect(suite.witness.complaints).toEqual([])
  })

  it("finds keys by name and tenant in the address, and leads to a key's requests", async () => {
    const page = await suite.open("/keys?name=SEAR")
    const key = (await keyNamed("search"))!
    await eventually(() => page.locator("tr[data-row]").count()).toBe(1)
    expect(await row(page, key.id).textContent()).toContain("60 req/min, 100k tok/min, 4 at once")
    await page.getByLabel("Search by name").fill("nobody")
    await page.getByText("No key fits these filters").waitFor()
    expect(new URL(page.url()).searchParams.get("name")).toBe("nobody")
    await page.getByRole("button", { name: "Clear the filters" }).click()
    await openKey(page, "search")
    await page.getByRole("link", { name: "Its requests" }).click()
    await page.waitForURL(`**/requests?range=30d&key=${key.id}`)
    const { items } = await suite.admin<{ items: ReadonlyArray<{ id: string; keyId: string }> }>(
      `requests?key=${key.id}`
    )
    expect(items.length).toBeGreaterThan(0)
    await eventually(async () =>
      page.locator("tr[data-row]").evaluateAll((rows: ReadonlyArray<any>) => rows.map((found) => found.dataset.row))
    ).toEqual(items.map(({ id }) => id))
  })

  it("shows what is spent and left of every budget, by scope, and leads to its key and its requests", async () => {
    const page = await suite.open("/budgets")
    await loaded(page)
    const { items } = await suite.admin<Budgets>("budgets")
    expect(items.filter(({ spent }) => spent > 0).length).toBeGreaterThan(3)
    for (const account of items) {
      const id = [account.scope, account.budget, account.of ?? "", account.unit].join(" ")
      await eventually(() => row(page, id).textContent()).toContain(
        account.unit === "usd" ? text(usd(account.left)) : `${account.left.toLocaleString("en-US")}tokens`
      )
    }
    await page.getByLabel("Scope").selectOption("tenant")
    const tenants = items.filter(({ scope }) => scope === "tenant")
    await eventually(() => page.locator("tr[data-row]").count()).toBe(tenants.length)
    expect(new URL(page.url()).searchParams.get("scope")).toBe("tenant")
    const saved = page.waitForEvent("download")
    await page.getByRole("button", { name: "CSV" }).click()
    const file = await (await saved).createReadStream()
    const lines = (await new Response(file as never).text()).trimEnd().split("\r\n")
    expect(lines.length).toBe(tenants.length + 1)
    expect(lines[1]).toContain(String(tenants[0]!.spent))

    await page.getByLabel("Scope").selectOption("key")
    await page.getByRole("link", { name: "search", exact: true }).first().click()
    await page.waitForURL("**/keys?id=*")
    await page.getByRole("group", { name: "Actions" }).waitFor()
    await eventually(() => page.locator("[data-account]").count()).toBe(2)
    await page.getByRole("link", { name: "In the list of budgets" }).click()
    await page.waitForURL("**/budgets?of=*")
    await eventually(() => page.locator("tr[data-row]").count()).toBe(2)
    expect(suite.witness.complaints).toEqual([])
  })

  it("says that a key is gone", async () => {
    const page = await suite.open("/keys?id=key_0000000000000000")
    await page.getByText("no key has this id").waitFor()
  })

  it.each(["/keys", "/budgets"])("%s is fit for everybody", async (address) => {
    await expectFit(suite, address)
  })

  it("has no serious accessibility finding in its form, in a key and around a secret", async () => {
    const page = await suite.open("/keys?create=1", { colorScheme: "dark", reducedMotion: "reduce" })
    await page.getByRole("button", { name: "Add a budget" }).click()
    await page.getByRole("button", { name: "Create the key" }).click()
    await page.locator("[aria-invalid=true]").first().waitFor()
    expect(await serious(page)).toEqual([])
    await page.getByRole("button", { name: "Remove budget 1" }).click()
    await page.getByLabel("Name", { exact: true }).fill("looked at")
    await page.getByRole("button", { name: "Create the key" }).click()
    await page.locator("[data-secret]").waitFor()
    expect(await serious(page)).toEqual([])
    await page.getByRole("button", { name: "I have saved it" }).click()
    await openKey(page, "search")
    expect(await serious(page)).toEqual([])
  })
})
