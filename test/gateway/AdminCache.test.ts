import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import type {
  CacheEntries,
  CacheExplanation,
  CacheExport,
  CacheImport,
  CacheLookup
} from "../../engine/src/admin-api.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { adminToken, startGateway, type TestGateway } from "../support/gateway.ts"

let gateway: TestGateway
const answers = () =>
  scriptedProvider("openai", (call) => `answer to ${JSON.stringify(call.request.messages)}`, { model: "m" })

const config = {
  providers: [{ name: "openai", apiKey: "k", model: "m", pricing: { input: 1, output: 1 } }],
  logging: { level: "none" as const }
}

beforeAll(async () => {
  gateway = await startGateway(config, { providers: [answers()], virtual: true })
})
afterAll(() => gateway.close())

const admin = async (path: string, method = "GET", body?: unknown, of = gateway) => {
  const response = await fetch(`${of.url}/admin/api/${path}`, {
    method,
    headers: { authorization: `Bearer ${adminToken}`, "content-type": "application/json" },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, body: (await response.json()) as unknown }
}

const chat = (content: string, headers: Record<string, string> = {}, fields: object = {}, of = gateway) =>
  fetch(`${of.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: JSON.stringify({ messages: [{ role: "user", content }], ...fields })
  })

const entries = async (query = "", of = gateway) =>
  (await admin(`cache/entries${query}`, "GET", undefined, of)).body as CacheEntries

beforeEach(async () => void (await admin("cache/purge", "POST")))

describe("cache/entries", () => {
  it("lists what is held with its figures and without its text", async () => {
    await chat("one")
    await chat("two")
    const hit = await chat("one")
    expect(hit.headers.get("x-millrace-cache")).toBe("hit")
    await gateway.later("10 seconds")
    const page = await entries()
    expect(page).toMatchObject({ total: 2, nextCursor: null })
    expect(page.items[0]).toMatchObject({
      provider: "openai",
      model: "m",
      tenant: "default",
      namespace: null,
      hits: 1,
      ageMs: 10_000,
      ttlLeftMs: 590_000,
      content: null
    })
    expect(page.items[0]!.key).toMatch(/^[\w-]{32}$/)
    expect(page.items[0]!.bytes).toBeGreaterThan(100)
    expect(page.items[0]!.savedUsd).toBeCloseTo(Number(hit.headers.get("x-millrace-saved-usd")), 9)
    expect(JSON.stringify(page)).not.toContain("answer to")
  })

  it("pages, sorts and filters", async () => {
    for (let i = 0; i < 5; i++)
      await chat(`${"long ".repeat(i)}prompt`, { "x-millrace-tenant": i < 2 ? "acme" : "rival" })
    await chat("prompt", { "x-millrace-tenant": "acme" })
    await chat("shared", { "x-millrace-cache-namespace": "public" })
    const first = await entries("?limit=4&sort=size")
    const rest = await entries(`?limit=4&sort=size&cursor=${first.nextCursor}`)
    const sizes = [...first.items, ...rest.items].map(({ bytes }) => bytes)
    expect(sizes).toEqual(sizes.toSorted((a, b) => b - a))
    expect(new Set([...first.items, ...rest.items].map(({ key }) => key)).size).toBe(6)
    expect(rest.nextCursor).toBeNull()
    expect((await entries("?sort=hits")).items[0]).toMatchObject({ tenant: "acme", hits: 1 })
    expect((await entries("?sort=saved")).items[0]).toMatchObject({ tenant: "acme", hits: 1 })
    expect((await entries("?tenant=acme")).total).toBe(2)
    expect((await entries("?namespace=public")).items).toMatchObject([{ namespace: "public" }])
    expect((await entries("?provider=nobody")).items).toEqual([])
    expect((await admin("cache/entries?limit=0")).status).toBe(400)
    expect((await admin("cache/entries?cursor=x")).status).toBe(400)
    expect((await admin("cache/entries?sort=color")).status).toBe(400)
  })

  it("shows the text where content logging is on", async () => {
    const open = await startGateway(
      { ...config, logging: { level: "none", content: true } },
      { providers: [answers()], virtual: true }
    )
    await chat("one", {}, {}, open)
    expect((await entries("", open)).items[0]!.content).toContain("answer to")
    await open.close()
  })

  it("evicts one by its key, once", async () => {
    await chat("one")
    const { key } = (await entries()).items[0]!
    expect(await admin(`cache/entries/${key}`, "DELETE")).toEqual({ status: 200, body: { evicted: true } })
    expect((await admin(`cache/entries/${key}`, "DELETE")).status).toBe(404)
    expect((await chat("one")).headers.get("x-millrace-cache")).toBe("miss")
  })
})

describe("cache/purge", () => {
  it("takes out what matches all filters, and refuses a filter that it does not know", async () => {
    for (const tenant of ["a", "b", "c"]) await chat("one", { "x-millrace-tenant": tenant })
    expect((await admin("cache/purge", "POST", { tennant: "a" })).status).toBe(400)
    expect((await admin("cache/purge", "POST", { tenant: "a", model: "other" })).body).toEqual({ purged: 0 })
    expect((await admin("cache/purge", "POST", { tenant: "a", model: "m" })).body).toEqual({ purged: 1 })
    expect((await entries()).items.map(({ tenant }) => tenant).toSorted()).toEqual(["b", "c"])
    expect((await admin("cache/purge", "POST", {})).body).toEqual({ purged: 2 })
  })
})

describe("cache/explain", () => {
  const explain = async (a: unknown, b: unknown) =>
    (await admin("cache/explain", "POST", { a, b })).body as CacheExplanation

  it("names the fields in which two requests differ, in either shape", async () => {
    const own = await explain({ prompt: "x", temperature: 0.5 }, { prompt: "y", temperature: 0.5, maxTokens: 5 })
    expect(own).toMatchObject({ same: false, fields: ["messages[0].content", "maxTokens"], a: { stored: false } })
    const body = { messages: [{ role: "user", content: "x" }] }
    expect(await explain(body, { ...body, max_completion_tokens: 5, model: "m" })).toMatchObject({
      same: false,
      fields: ["max_completion_tokens"]
    })
    expect(await explain({ ...body, n: 1, stop: null }, { ...body, stream: true, logprobs: false })).toMatchObject({
      same: true,
      fields: []
    })
  })

  it("compares a request with an entry, and two entries, by their fingerprints", async () => {
    await chat("one", {}, { temperature: 0.2, stop: [] })
    await chat("one", { "x-millrace-tenant": "acme" }, { temperature: 0.3 })
    const [newer, older] = (await entries()).items
    const asked = { messages: [{ role: "user", content: "one" }], temperature: 0.2, stop: null, n: 1 }
    expect(await explain(asked, older!.key)).toMatchObject({ same: true, a: { key: older!.key, stored: true } })
    expect(await explain({ ...asked, seed: 1 }, older!.key)).toMatchObject({ same: false, fields: ["seed"] })
    expect((await explain(older!.key, newer!.key)).fields.toSorted()).toEqual(["temperature", "tenant"])
  })

  it("says what is wrong with what it was given", async () => {
    expect((await admin("cache/explain", "POST", { a: "x".repeat(32), b: { prompt: "x" } })).status).toBe(404)
    expect(
      await admin("cache/explain", "POST", { a: { prompt: "x", model: "no/such" }, b: { prompt: "x" } })
    ).toMatchObject({
      status: 400,
      body: { issues: [{ field: "a" }] }
    })
    expect(await admin("cache/explain", "POST", { a: { messages: 1 }, b: { prompt: "x" } })).toMatchObject({
      status: 400
    })
    expect((await admin("cache/explain", "POST", { a: { prompt: "x" } })).status).toBe(400)
  })
})

describe("cache/lookups", () => {
  const lookup = async (id: string, query = "") => await admin(`cache/lookups/${id}${query}`)
  const idOf = (response: Response) => response.headers.get("x-millrace-request-id")!

  it("says of a miss which earlier request was nearest and in what they differ, also when its answer is gone", async () => {
    const far = idOf(await chat("why", { "x-millrace-tenant": "other" }, { seed: 1, temperature: 0 }))
    const near = idOf(await chat("why", {}, { seed: 1 }))
    const miss = idOf(await chat("why", {}, { seed: 2 }))
    await admin("cache/purge", "POST")
    const { body, status } = (await lookup(miss)) as { status: number; body: CacheLookup }
    expect(status).toBe(200)
    expect(body).toMatchObject({ id: miss, known: true, stored: false, same: null })
    expect(body.nearest[0]).toMatchObject({ id: near, stored: false, fields: ["seed"] })
    const other = body.nearest.find(({ id }) => id === far)
    expect(other?.fields.toSorted()).toEqual(["seed", "temperature", "tenant"])
    const explained = await admin("cache/explain", "POST", { a: miss, b: far })
    expect(explained.body).toMatchObject({ same: false, a: { key: body.key } })
    expect((explained.body as CacheExplanation).fields.toSorted()).toEqual(["seed", "temperature", "tenant"])
    expect((await lookup(miss, "?limit=1")).body).toMatchObject({ nearest: [{ id: near }] })
  })

  it("names the request that came before under the same key", async () => {
    const first = idOf(await chat("again"))
    const hit = idOf(await chat("again"))
    expect((await lookup(hit)).body).toMatchObject({ stored: true, known: true, same: { id: first, stored: true } })
    expect((await admin("cache/explain", "POST", { a: first, b: hit })).body).toMatchObject({ same: true, fields: [] })
  })

  it("does not know requests that never asked the cache", async () => {
    const bypassed = idOf(await chat("past", { "x-millrace-cache": "bypass" }))
    expect((await lookup(bypassed)).status).toBe(404)
    expect((await lookup("req_unknown")).status).toBe(404)
    expect((await admin("cache/explain", "POST", { a: bypassed, b: { prompt: "x" } })).status).toBe(404)
    expect((await lookup(bypassed, "?limit=0")).status).toBe(400)
  })
})

describe("cache/feedback", () => {
  it("evicts an entry that was served wrongly", async () => {
    await chat("one")
    const { key } = (await entries()).items[0]!
    expect((await admin("cache/feedback", "POST", { key })).body).toMatchObject({ key, evicted: true })
    expect((await entries()).total).toBe(0)
    expect((await admin("cache/feedback", "POST", { requestId: "req_none" })).status).toBe(404)
  })
})

describe("cache/export and cache/import", () => {
  it("carry every entry to another gateway, with its age and without the prompt", async () => {
    for (const prompt of ["secret one", "secret two", "secret three"]) await chat(prompt)
    await gateway.later("1 minute")
    const records: Array<unknown> = []
    let cursor: string | null = "0"
    while (cursor !== null) {
      const page = (await admin(`cache/export?limit=2&cursor=${cursor}`)).body as CacheExport
      records.push(...page.records)
      cursor = page.nextCursor
    }
    expect(records).toHaveLength(3)
    const other = await startGateway(config, {
      providers: [scriptedProvider("openai", () => "other", { model: "m" })],
      virtual: true
    })
    await other.later("200 seconds")
    const bad = [...records, { key: "x" }, "text", { ...(records[0] as object), completion: { content: [] } }]
    const imported = (await admin("cache/import", "POST", { records: bad }, other)).body as CacheImport
    expect(imported).toMatchObject({ imported: 3, skipped: 0, bad: [{ index: 3 }, { index: 4 }, { index: 5 }] })
    expect(JSON.stringify(imported)).not.toContain("secret")
    const hit = await chat("secret two", {}, {}, other)
    expect(hit.headers.get("x-millrace-cache")).toBe("hit")
    const { storedAtMs } = records[0] as { readonly storedAtMs: number }
    expect(hit.headers.get("x-millrace-cache-age")).toBe(String(200 - storedAtMs / 1000))
    expect((await admin("cache/import", "POST", { records }, other)).body).toMatchObject({ imported: 0, skipped: 3 })
    await other.close()
  })
})

describe("all of them", () => {
  it("need the token", async () => {
    for (const [method, path] of [
      ["GET", "cache/entries"],
      ["DELETE", "cache/entries/x"],
      ["POST", "cache/explain"],
      ["POST", "cache/feedback"],
      ["GET", "cache/export"],
      ["POST", "cache/import"],
      ["GET", "cache/semantic"]
    ] as const) {
      expect((await fetch(`${gateway.url}/admin/api/${path}`, { method })).status, path).toBe(401)
    }
  })
})
