/**
 * The dashboard for tests of single pages: a gateway over a provider under the test's control, the built dashboard before
 * it, and a browser that is logged in. After each test nothing that a page received may hold the admin token.
 */
import axe from "axe-core"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import type { Browser, BrowserContextOptions, Page } from "playwright-core"
import { afterAll, afterEach, beforeAll, beforeEach, expect } from "vitest"
import { build, isBuilt } from "../../scripts/dashboard.ts"
import { launch, makeWitness, openPage, type Witness } from "./browser.ts"
import { startDashboard, startGateway, type Running } from "./processes.ts"
import { answer, startUpstream, type TestUpstream } from "./upstream.ts"

export const token = "e2e-canary-token-6b1f9d3c7a"

/** A provider's key that a test may configure; no page may receive it either. */
export const providerKey = "sk-e2e-canary-provider-key-4f7d1b"

/** Reads until the expectation holds. */
export const eventually = <A>(read: () => A) => expect.poll(read, { timeout: 15_000, interval: 50 })

export interface DashboardSuite {
  readonly gateway: Running
  readonly dashboard: Running
  readonly upstream: TestUpstream
  /** What pages of the running test said and received. */
  readonly witness: Witness
  /** A page of its own session, logged in. */
  readonly open: (destination: string, options?: BrowserContextOptions) => Promise<Page>
  /** A page of its own session, not logged in and nowhere yet; of another dashboard where its address is given. */
  readonly blank: (options?: BrowserContextOptions) => Promise<Page>
  /** Ends the gateway; what is returned starts it again at its address, with another token where one is given. */
  readonly stopGateway: () => Promise<(adminToken?: string) => Promise<void>>
  /** What the admin API says. */
  readonly admin: <A>(route: string) => Promise<A>
  /** A chat completion from outside. */
  readonly send: (body: object, headers?: { readonly [name: string]: string }) => Promise<Response>
}

/** Starts everything before the tests of a file and ends it after them; the config is made for the provider's address. */
export const dashboardSuite = (config: (upstreamUrl: string) => string): DashboardSuite => {
  let folder: string | undefined
  let upstream: TestUpstream
  let configFile: string
  let gateway: Running
  let dashboard: Running
  let browser: Browser
  let witness: Witness
  const opened: Array<Page> = []

  const writeConfig = (adminToken: string) =>
    writeFileSync(configFile, `${config(upstream.url)}\nserver: { adminToken: ${adminToken} }\n`)

  beforeAll(async () => {
    if (!isBuilt()) await build(() => undefined)
    folder = mkdtempSync(path.join(tmpdir(), "millrace-dashboard-"))
    upstream = await startUpstream()
    configFile = path.join(folder, "millrace.config.yaml")
    writeConfig(token)
    gateway = await startGateway(configFile)
    dashboard = await startDashboard(gateway.url)
    browser = await launch()
  }, 600_000)

  afterAll(async () => {
    await browser?.close()
    await dashboard?.stop()
    await gateway?.stop()
    await upstream?.close()
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
  })

  beforeEach(() => {
    witness = makeWitness()
    upstream.respond = answer("The wheel turns.")
  })

  afterEach(async () => {
    for (const body of witness.bodies) {
      const received = await body
      for (const secret of [token, providerKey]) {
        expect(received.body.includes(secret), `${secret} in ${received.url}`).toBe(false)
      }
    }
    await Promise.all(opened.splice(0).map((page) => page.context().close()))
  })

  const blank = async (options: BrowserContextOptions = {}): Promise<Page> => {
    const page = await openPage(browser, witness, { baseURL: dashboard.url, ...options })
    opened.push(page)
    return page
  }

  return {
    get gateway() {
      return gateway
    },
    get dashboard() {
      return dashboard
    },
    get upstream() {
      return upstream
    },
    get witness() {
      return witness
    },
    blank,
    open: async (destination, options) => {
      const page = await blank(options)
      await page.goto(destination)
      await logIn(page, destination)
      return page
    },
    stopGateway: async () => {
      const { port } = new URL(gateway.url)
      await gateway.stop()
      return async (adminToken = token) => {
        writeConfig(adminToken)
        gateway = await startGateway(configFile, Number(port))
      }
    },
    admin: async <A>(route: string) => {
      const response = await fetch(`${gateway.url}/admin/api/${route}`, {
        headers: { authorization: `Bearer ${token}` }
      })
      expect(response.status).toBe(200)
      return (await response.json()) as A
    },
    send: async (body, headers = {}) => {
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: JSON.stringify(body)
      })
      await response.text()
      return response
    }
  }
}

/** Enters the token where a page asks for it, and waits for the page that is wanted. */
export const logIn = async (page: Page, destination: string, adminToken = token): Promise<void> => {
  await page.waitForURL("**/login**")
  await page.getByLabel("Admin token").fill(adminToken)
  await page.getByRole("button", { name: "Log in" }).click()
  await page.waitForURL(`**${destination}`)
}

/** What the page says went wrong; Next's announcer of routes is an alert too, and empty. */
export const alert = async (page: Page): Promise<string> => (await page.getByRole("alert").allTextContents()).join("\n")

/** The cookie header of a logged-in page. */
export const cookieOf = async (page: Page): Promise<string> => {
  const { value } = (await page.context().cookies()).find(({ name }) => name === "millrace_session")!
  return `millrace_session=${value}`
}

/** The figures of a metric card, without blanks. */
export const figure = async (page: Page, id: string): Promise<string> =>
  (await page.locator(`[data-metric="${id}"] p`).first().innerText()).replace(/\s+/g, "")

export const note = async (page: Page, id: string): Promise<string> =>
  (await page.locator(`[data-metric="${id}"] p`).nth(1).textContent()) ?? ""

/** Waits until nothing is loading any more. */
export const loaded = async (page: Page): Promise<void> => {
  await page.getByRole("heading", { level: 1 }).waitFor()
  await expect
    .poll(() => page.locator("[aria-busy=true], .animate-pulse").count(), { timeout: 60_000, interval: 50 })
    .toBe(0)
}

/** Serious findings of axe on what the page shows now. */
export const serious = async (page: Page): Promise<ReadonlyArray<string>> => {
  await page.evaluate(axe.source)
  const result = await page.evaluate<axe.AxeResults>("axe.run(document, { resultTypes: ['violations'] })")
  return result.violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ failureSummary, html }) => `${html} ${failureSummary}`).join(" | ")}`
    )
}

/** A page is fit for everybody: no serious finding in either theme, and no sideways scrolling on a narrow screen. */
export const expectFit = async (suite: DashboardSuite, address: string): Promise<void> => {
  for (const colorScheme of ["light", "dark"] as const) {
    const page = await suite.open(address, { colorScheme, reducedMotion: "reduce" })
    await loaded(page)
    expect(await serious(page), colorScheme).toEqual([])
  }
  const narrow = await suite.open(address, { viewport: { width: 400, height: 800 } })
  await loaded(narrow)
  expect(await narrow.evaluate<number>("document.documentElement.scrollWidth")).toBeLessThanOrEqual(400)
  expect(suite.witness.complaints).toEqual([])
}
