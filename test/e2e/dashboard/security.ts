/** What the dashboard promises about sessions, other sites' pages, its policy and secrets. */
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { expect, it } from "vitest"
import { serverFile } from "../../../scripts/dashboard.ts"
import { cookieOf, type DashboardSuite, eventually, loaded, providerKey, token } from "../../support/dashboard.ts"

const routesFolder = path.resolve(import.meta.dirname, "../../../dashboard/app/api")

/** Every route of the dashboard's own API with its methods, as they stand in the sources. */
const routes = readdirSync(routesFolder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.name === "route.ts")
  .flatMap((entry) => {
    const source = readFileSync(path.join(entry.parentPath, entry.name), "utf8")
    const address = path.relative(routesFolder, entry.parentPath).replaceAll(/\[\w+\]/g, "x")
    return [...source.matchAll(/export const (GET|POST|PATCH|PUT|DELETE)\b/g)].map(([, method]) => ({
      method: method!,
      address
    }))
  })

/** Answered without a session: whether the process is up, and the login itself. */
const open = new Set(["GET health", "POST session", "DELETE session"])

export const security = (suite: DashboardSuite): void => {
  const ask = (address: string, method: string, headers: Record<string, string>) =>
    fetch(`${suite.dashboard.url}/api/${address}`, {
      method,
      headers,
      redirect: "manual",
      ...(method === "GET" || method === "DELETE" ? {} : { body: "{}" })
    })

  it("answers no route without a session, nor with one that it does not know", async () => {
    expect(routes.length).toBeGreaterThan(20)
    for (const { address, method } of routes) {
      if (open.has(`${method} ${address}`)) continue
      for (const cookie of ["", "millrace_session=unknown"]) {
        const response = await ask(address, method, { "sec-fetch-site": "same-origin", cookie })
        expect(response.status, `${method} ${address}`).toBe(401)
      }
    }
  })

  it("refuses every change that another site's page sends, session or not", async () => {
    const page = await suite.open("/overview")
    const cookie = await cookieOf(page)
    const foreign: ReadonlyArray<Record<string, string>> = [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site" },
      { "sec-fetch-site": "none" },
      { origin: "http://evil.example" },
      {}
    ]
    const changes = routes.filter(({ method }) => method !== "GET")
    expect(changes.length).toBeGreaterThan(10)
    for (const { address, method } of changes) {
      for (const headers of foreign) {
        const response = await ask(address, method, { ...headers, cookie })
        expect(response.status, `${method} ${address} ${JSON.stringify(headers)}`).toBe(403)
      }
    }
    expect((await ask("status", "GET", { cookie })).status).toBe(200)
  })

  it("sends a strict policy with a new nonce for every page, and nothing that may be cached", async () => {
    const page = await suite.open("/overview")
    const cookie = await cookieOf(page)
    const addresses = ["/login", "/login", "/overview", "/live", "/requests", "/usage", "/keys", "/settings"]
    const nonces = new Set<string>()
    for (const address of addresses) {
      const headers = address === "/login" ? {} : { cookie }
      const response = await fetch(suite.dashboard.url + address, { redirect: "manual", headers })
      expect(response.status, address).toBe(200)
      const policy = response.headers.get("content-security-policy")!
      const nonce = /'nonce-([^']+)'/.exec(policy)![1]!
      nonces.add(nonce)
      expect(policy).toContain("default-src 'none'")
      expect(policy).toContain("frame-ancestors 'none'")
      expect(policy).toContain("base-uri 'none'")
      expect(policy).not.toMatch(/unsafe-|\*|https?:/)
      expect(response.headers.get("x-frame-options")).toBe("DENY")
      expect(response.headers.get("x-content-type-options")).toBe("nosniff")
      expect(response.headers.get("referrer-policy")).toBe("no-referrer")
      expect(response.headers.get("cache-control")).toContain("no-store")
      expect(response.headers.get("x-powered-by")).toBeNull()
      const html = await response.text()
      for (const [tag] of html.matchAll(/<(?:script|style)\b[^>]*>/g)) expect(tag).toContain(`nonce="${nonce}"`)
      expect(html, address).not.toMatch(/<[a-z][^>]*\s(?:style|on[a-z]+)="/)
    }
    expect(nonces.size).toBe(addresses.length)
    const stranger = await fetch(`${suite.dashboard.url}/overview`, { redirect: "manual" })
    expect(stranger.status).toBe(307)
  })

  it("runs no script that somebody wrote into a page", async () => {
    const page = await suite.open("/overview")
    await page.evaluate(`
      document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => {
        document.body.dataset.refused = (document.body.dataset.refused ?? "") + effectiveDirective + " "
      })
      document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='document.body.dataset.pwned = 1'>")
      const elsewhere = document.createElement("img")
      elsewhere.src = "http://127.0.0.1:9/steal"
      document.body.append(elsewhere)
      fetch("http://127.0.0.1:9/steal").catch(() => {})`)
    await eventually(() => page.evaluate<string>("document.body.dataset.refused ?? ''")).toMatch(
      /(?=.*script-src-attr)(?=.*img-src)(?=.*connect-src)/
    )
    expect(await page.evaluate("document.body.dataset.pwned ?? null")).toBeNull()
  })

  it("puts neither the token nor a provider's key into any page, answer, event, bundle or log", async () => {
    const page = await suite.open("/providers")
    // What pages receive is looked at after each test.
    for (const address of ["/settings", "/keys"]) {
      await page.goto(address)
      await loaded(page)
    }
    const headers = { cookie: await cookieOf(page) }
    const answers = routes
      .filter(({ address, method }) => method === "GET" && !address.includes("x/") && address !== "events")
      .map(async ({ address }) => (await fetch(`${suite.dashboard.url}/api/${address}`, { headers })).text())
    const events = await fetch(`${suite.dashboard.url}/api/events`, { headers })
    const reader = events.body!.getReader()
    const first = new TextDecoder().decode((await reader.read()).value)
    await reader.cancel()
    expect(first).toContain("event: status")
    const texts = [first, ...(await Promise.all(answers)), suite.dashboard.output()]
    const bundles = path.join(path.dirname(serverFile), ".next/static")
    for (const entry of readdirSync(bundles, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue
      const content = readFileSync(path.join(entry.parentPath, entry.name), "utf8")
      expect(content).not.toContain("MILLRACE_URL")
      texts.push(content)
    }
    for (const secret of [token, providerKey]) {
      expect(texts.filter((text) => text.includes(secret)).map((text) => text.slice(0, 200))).toEqual([])
    }
  })
}
