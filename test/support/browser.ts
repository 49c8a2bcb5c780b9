/**
 * Chromium for tests of the dashboard: what a page logs and every body it receives are kept, to be judged at the end.
 */
import { existsSync } from "node:fs"
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core"

const executablePath = "/usr/bin/chromium"

/** Why there is no browser, or undefined when there is one. */
export const noBrowser = existsSync(executablePath) ? undefined : `${executablePath} is absent`

export const launch = (): Promise<Browser> =>
  chromium.launch({
    executablePath,
    args: [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync"
    ]
  })

/** What pages said and received. */
export interface Witness {
  /** Errors and warnings of the console, and exceptions. */
  readonly complaints: Array<string>
  /** Every response that has an end: its address and body. */
  readonly bodies: Array<Promise<{ readonly url: string; readonly body: Buffer }>>
}

export const makeWitness = (): Witness => ({ complaints: [], bodies: [] })

/** A page of its own session. */
export const openPage = async (browser: Browser, witness: Witness, options: BrowserContextOptions): Promise<Page> => {
  const context = await browser.newContext({ viewport: { width: 1440, height: 960 }, ...options })
  const page = await context.newPage()
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") witness.complaints.push(message.text())
  })
  page.on("pageerror", (error) => witness.complaints.push(String(error)))
  page.on("response", (response) => {
    const url = response.url()
    if (url.endsWith("/api/events")) return
    witness.bodies.push(
      response.body().then(
        (body) => ({ url, body }),
        () => ({ url, body: Buffer.alloc(0) })
      )
    )
  })
  return page
}
