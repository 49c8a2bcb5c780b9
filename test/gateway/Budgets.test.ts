/**
 * Budgets at the door: what a caller hears of its own, a refusal in each dialect, the admin API, and a gateway that is stopped
 * or killed.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import type { BudgetPage, BudgetStatus } from "../../engine/src/admin-api.ts"
import type { EngineConfigInput } from "../../engine/src/Config.ts"
import { ask, get, user } from "../support/client.ts"
import { adminToken, idle, startGateway, type TestGateway } from "../support/gateway.ts"
import { createKey } from "../support/keys.ts"
import { chatCompletion, sendJson, startUpstream, type TestUpstream } from "../support/upstream.ts"

let upstream: TestUpstream
beforeAll(async () => {
  upstream = await startUpstream(
    sendJson(200, chatCompletion("Hello.", { usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 } }))
  )
})
afterAll(() => upstream.close())

/** A dollar for each token. */
const configOf = (more: EngineConfigInput): EngineConfigInput => ({
  providers: [
    {
      name: "first",
      kind: "openai-compatible",
      baseUrl: upstream.url,
      model: "m",
      pricing: { input: 1_000_000, output: 1_000_000 }
    }
  ],
  cache: { enabled: false },
  logging: { level: "none" },
  ...more
})

const budgets = async (gateway: { readonly url: string }, query = ""): Promise<BudgetPage> =>
  (await get(`${gateway.url}/admin/api/budgets${query}`, { authorization: `Bearer ${adminToken}` })).json as BudgetPage

const itemOf = (page: BudgetPage, budget: string): BudgetStatus => page.items.find((item) => item.budget === budget)!

const body = user("hi", { model: "m", max_tokens: 30 })

describe("a gateway with budgets", () => {
  let gateway: TestGateway
  const log: Array<string> = []
  beforeAll(async () => {
    gateway = await startGateway(
      configOf({
        logging: { level: "warn" },
        budgets: [
          { name: "tenants", scope: "tenant", period: "month", timeZone: "Asia/Tokyo", usd: 100, warnAt: [0.5] },
          { name: "wide", scope: "global", period: "total", usd: 100_000, tokens: 5_000_000 }
        ]
      }),
      { log }
    )
  })
  afterAll(() => gateway.close())

  it("tells a tenant what is left, refuses beyond it with all that is to be known, and lets others go on", async () => {
    const headers = { "x-millrace-tenant": "acme" }
    const first = await ask(gateway.url, body, { headers })
    expect(first.status).toBe(200)
    expect(first.headers.get("x-millrace-cost-usd")).toBe("30")
    expect(first.headers.get("x-millrace-budget-left-usd")).toBe("70")
    let refused = await ask(gateway.url, body, { headers })
    while (refused.status === 200) refused = await ask(gateway.url, body, { headers })
    expect(refused.status).toBe(429)
    expect(refused.headers.get("x-millrace-fault")).toBe("policy")
    expect(refused.headers.get("x-should-retry")).toBe("false")
    expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(0)
    expect(refused.json.error.code).toBe("insufficient_quota")
    expect(refused.json.error.message).toMatch(
      /^the budget "tenants" \(tenant\) has \d+ \$ of 100 \$ left, and this call may take \d+ \$; it resets in \d+ s$/
    )
    expect(log.filter((line) => line.includes("a budget is nearly spent"))).toHaveLength(1)
    expect((await ask(gateway.url, body, { headers: { "x-millrace-tenant": "other" } })).status).toBe(200)
    const messages = { model: "m", max_tokens: 30, messages: [{ role: "user", content: "hi" }] }
    const anthropic = await fetch(`${gateway.url}/v1/messages`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(messages)
    })
    expect(anthropic.status).toBe(429)
    expect(await anthropic.json()).toMatchObject({ type: "error", error: { type: "rate_limit_error" } })
  })

  it("shows every account to the admin, filtered and page by page", async () => {
    await idle(gateway)
    const page = await budgets(gateway)
    expect(page.store).toEqual({ kind: "memory", healthy: true, reason: null, decidedAlone: 0 })
    const acme = page.items.find(({ of }) => of === "acme")!
    expect(acme).toMatchObject({
      budget: "tenants",
      scope: "tenant",
      unit: "usd",
      limit: 100,
      reserved: 0,
      period: "month",
      timeZone: "Asia/Tokyo",
      resetsAt: expect.stringMatching(/T15:00:00\.000Z$/)
    })
    expect(acme.spent % 30).toBe(0)
    expect(acme.left).toBe(100 - acme.spent)
    expect((await budgets(gateway, "?scope=tenant")).items.map(({ of }) => of)).toEqual(["acme", "other"])
    const first = await budgets(gateway, "?limit=1")
    expect(first.items).toHaveLength(1)
    const rest = await budgets(gateway, `?cursor=${first.nextCursor}`)
    expect(rest.items).toHaveLength(page.items.length - 1)
    const wrong = await get(`${gateway.url}/admin/api/budgets?cursor=x`, { authorization: `Bearer ${adminToken}` })
    expect([wrong.status, wrong.json.issues[0].field]).toEqual([400, "cursor"])
    const { budgets: overview } = await gateway.status()
    expect(overview).toMatchObject({ accounts: 4, store: { healthy: true } })
  })
})

describe("a key with a budget of its own", () => {
  it("spends it and no more, whoever else has money", async () => {
    const gateway = await startGateway(configOf({ keys: { required: true } }))
    try {
      const { id, key } = await createKey(gateway.url, { name: "ci", budget: { usd: 100, period: "day" } })
      const headers = { authorization: `Bearer ${key}` }
      const first = await ask(gateway.url, body, { headers })
      expect([first.status, first.headers.get("x-millrace-budget-left-usd")]).toEqual([200, "70"])
      await ask(gateway.url, body, { headers })
      const third = await ask(gateway.url, body, { headers })
      expect(third.status).toBe(429)
      expect(third.json.error.message).toContain('the budget "key:day" (key) has')
      const { items } = await budgets(gateway, "?scope=key")
      expect(items).toMatchObject([{ budget: "key:day", of: id, limit: 100, period: "day" }])
    } finally {
      await gateway.close()
    }
  })
})

describe("where answers are cached", () => {
  it("a call of its own says what is left, a hit of the cache doesn't", async () => {
    const gateway = await startGateway(configOf({ cache: { enabled: true }, keys: { required: true } }))
    try {
      const { key } = await createKey(gateway.url, { name: "ci", budget: { usd: 100, period: "day" } })
      const left = async () => {
        const answer = await ask(gateway.url, body, { headers: { authorization: `Bearer ${key}` } })
        return [answer.headers.get("x-millrace-cache"), answer.headers.get("x-millrace-budget-left-usd")]
      }
      expect(await left()).toEqual(["miss", "70"])
      expect(await left()).toEqual(["hit", null])
    } finally {
      await gateway.close()
    }
  })
})

const folder = mkdtempSync(path.join(tmpdir(), "millrace-budgets-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const total: EngineConfigInput["budgets"] = [{ name: "all", scope: "global", period: "total", usd: 100_000 }]

describe("on SQLite", () => {
  it(
    "a gateway that stops and starts again goes on with what was spent, and holds nothing of it",
    { timeout: 60_000 },
    async () => {
      const config = configOf({ budgets: total, storage: { database: `sqlite:${folder}/stopped.db` } })
      const gateway = await startGateway(config)
      for (let i = 0; i < 5; i++) await ask(gateway.url, body)
      await gateway.close()
      const again = await startGateway(config)
      expect(itemOf(await budgets(again), "all")).toMatchObject({ spent: 150, reserved: 0 })
      await ask(again.url, body)
      await idle(again)
      expect(itemOf(await budgets(again), "all")).toMatchObject({ spent: 180, reserved: 0 })
      await again.close()
    }
  )

  it("a gateway that is killed has spent what it said and at most what it held", { timeout: 60_000 }, async () => {
    const file = path.join(folder, "killed.db")
    const child = spawn(
      process.execPath,
      [path.join(import.meta.dirname, "../engine/stores/budget-spender.ts"), file],
      {
        stdio: ["ignore", "pipe", "inherit"]
      }
    )
    let answered = 0
    await new Promise<void>((resolve) => {
      child.stdout.on("data", (chunk: Buffer) => {
        answered += chunk.toString().split("\n").length - 1
        if (answered > 150) resolve()
      })
    })
    const ended = new Promise((resolve) => child.once("exit", resolve))
    child.kill("SIGKILL")
    await ended
    const left = new DatabaseSync(file)
    expect(left.prepare("PRAGMA integrity_check").get()).toEqual({ integrity_check: "ok" })
    left.close()
    const gateway = await startGateway(configOf({ budgets: total, storage: { database: `sqlite:${file}` } }))
    await ask(gateway.url, body)
    await idle(gateway)
    const { reserved, spent } = itemOf(await budgets(gateway), "all")
    await gateway.close()
    // Each took 30 $. What was held in advance is a 32nd of the limit; eight were under way at 130 $ each at most.
    expect(reserved).toBe(0)
    expect(spent).toBeGreaterThanOrEqual(30 * answered + 30)
    expect(spent).toBeLessThanOrEqual(30 * (answered + 8) + 30 + 100_000 / 32 + 8 * 130)
  })
})
