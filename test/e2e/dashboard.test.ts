/**
 * The dashboard in a real browser, in front of a real `millrace serve` with the simulated provider: one set-up for the
 * shell and the pages that have no file of their own. The tests of each are in the folder beside.
 *
 * Every figure that a page shows is compared with what the admin API says, and traffic is sent from outside as any
 * client would. The dashboard's build is reused while it is up to date.
 */
import { describe } from "vitest"
import { noBrowser } from "../support/browser.ts"
import { dashboardSuite, providerKey } from "../support/dashboard.ts"
import { connection } from "./dashboard/connection.ts"
import { everywhere } from "./dashboard/everywhere.ts"
import { overview } from "./dashboard/overview.ts"
import { playground } from "./dashboard/playground.ts"
import { requests } from "./dashboard/requests.ts"
import { security } from "./dashboard/security.ts"
import { session } from "./dashboard/session.ts"
import { speed } from "./dashboard/speed.ts"

const name = noBrowser === undefined ? "dashboard" : `dashboard (skipped: ${noBrowser})`

describe.skipIf(noBrowser !== undefined)(name, () => {
  const suite = dashboardSuite(
    () => `
providers:
  - name: simulated
    kind: simulated
    model: simulated
    apiKey: ${providerKey}
    pricing: { input: 1000, output: 2000 }
    rateLimits: { requestsPerMinute: 6000, tokensPerMinute: 1000000, concurrent: 8 }
    simulated: { latency: 80, tokensPerSecond: 250, seed: 7 }
  - name: slow
    kind: simulated
    model: simulated-slow
    simulated: { latency: 100, tokensPerSecond: 25, seed: 8 }
storage: { database: memory }
logging: { content: true }`
  )

  describe("session", () => session(suite))
  describe("overview", () => overview(suite))
  describe("playground", () => playground(suite))
  describe("requests", () => requests(suite))
  describe("every page", () => everywhere(suite))
  describe("security", () => security(suite))
  describe("speed", () => speed(suite))
  describe("connection", () => connection(suite))
})
