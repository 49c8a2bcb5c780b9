/**
 * The semantic cache through the gateway: every dialect, its headers, the admin routes, and what its own calls cost.
 */
import { Effect } from "effect"
import { afterEach, describe, expect, it } from "vitest"
import type { EngineConfigInput } from "../../engine/src/Config.ts"
import { textOf as textOfMessage } from "../../engine/src/Request.ts"
import { completionOf, scriptedProvider, type ScriptedProvider } from "../../engine/src/testing.ts"
import { get } from "../support/client.ts"
import { postTo } from "../support/dialects.ts"
import { adminToken, startGateway, type TestGateway } from "../support/gateway.ts"

const asked = "What is the capital of France?"
const again = "what is the capital of france?"
const other = "What is the capital of Italy?"

let gateway: TestGateway | undefined
afterEach(async () => {
  await gateway?.close()
  gateway = undefined
})

/** Answers a prompt with its own text, embeds every text alike, and judges as it is told. */
const scripted = (): ScriptedProvider =>
  scriptedProvider(
    "a",
    ({ request, target }) => {
      if (request.embed !== undefined) {
        const usage = { ...completionOf("e", "").usage, uncachedInput: 7 }
        return { ...completionOf(target.model, ""), usage, embeddings: request.embed.input.map(() => [1, 2, 3]) }
      }
      if (target.model === "judge") return '{"same": true}'
      return `answer to ${textOfMessage(request.messages.at(-1)!)}`
    },
    { model: "m", embeddingModel: "e" }
  )

const start = async (semantic: NonNullable<EngineConfigInput["cache"]>["semantic"], more: EngineConfigInput = {}) => {
  const provider = scripted()
  gateway = await startGateway(
    {
      providers: [{ name: "a", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m" }],
      cache: { semantic },
      logging: { level: "none" },
      ...more
    },
    { providers: [provider], virtual: true }
  )
  return { provider, url: gateway.url }
}

const authorized = { authorization: `Bearer ${adminToken}` }

const figures = async (url: string) => (await get(`${url}/admin/api/cache/semantic`, authorized)).json

const chat = (url: string, content: string, headers: { readonly [name: string]: string } = {}, more: object = {}) =>
  postTo(`${url}/v1/chat/completions`, { model: "a/m", messages: [{ role: "user", content }], ...more }, { headers })

const dialects: ReadonlyArray<readonly [string, string, (text: string) => object]> = [
  ["Chat Completions", "/v1/chat/completions", (content) => ({ model: "a/m", messages: [{ role: "user", content }] })],
  ["Responses", "/v1/responses", (input) => ({ model: "a/m", input })],
  ["Messages", "/v1/messages", (content) => ({ model: "a/m", max_tokens: 9, messages: [{ role: "user", content }] })],
  ["Gemini", "/v1beta/models/a/m:generateContent", (text) => ({ contents: [{ role: "user", parts: [{ text }] }] })]
]

describe("a semantic hit", () => {
  it.each(dialects)("is served in %s, and says so in its headers", async (_, path, body) => {
    const { provider, url } = await start({ mode: "on" })
    const first = await postTo(`${url}${path}`, body(asked))
    expect(first.headers.get("x-millrace-cache")).toBe("miss")
    const hit = await postTo(`${url}${path}`, body(again))
    expect(hit.status).toBe(200)
    expect(hit.text).toContain(`answer to ${asked}`)
    expect(hit.headers.get("x-millrace-cache")).toBe("semantic")
    expect(Number(hit.headers.get("x-millrace-cache-similarity"))).toBeGreaterThanOrEqual(0.85)
    expect(hit.headers.get("x-millrace-cache-age")).toBe("0")
    expect(hit.headers.get("x-millrace-cost-usd")).toBe("0")
    expect(hit.headers.get("x-millrace-attempts")).toBe("0")
    expect(provider.calls).toHaveLength(1)
    expect((await postTo(`${url}${path}`, body(other))).headers.get("x-millrace-cache")).toBe("miss")
  })

  it("is streamed to who asks for a stream, and found from a streamed answer", async () => {
    const { provider, url } = await start({ mode: "on" })
    await chat(url, asked, {}, { stream: true })
    const hit = await chat(url, again, {}, { stream: true })
    expect(hit.headers.get("x-millrace-cache")).toBe("semantic")
    expect(hit.text).toContain("data: [DONE]")
    expect((await chat(url, again.toUpperCase())).headers.get("x-millrace-cache")).toBe("semantic")
    expect(provider.calls).toHaveLength(1)
  })

  it("is counted in the status, the metrics and the request's row, once and as no miss", async () => {
    const { url } = await start({ mode: "on" })
    await chat(url, asked)
    const hit = await chat(url, again)
    const { cache } = await gateway!.status()
    expect(cache).toMatchObject({ hits: 0, semanticHits: 1, misses: 1, hitRate: 0.5, entries: 1 })
    const metrics = (await get(`${url}/metrics`)).text
    expect(metrics).toContain('ai_cache_hits_total{type="semantic"} 1')
    expect(metrics).toContain('ai_cache_entries{kind="semantic"} 1')
    const id = hit.headers.get("x-millrace-request-id")!
    const row = (await get(`${url}/admin/api/requests/${id}`, authorized)).json
    expect(row).toMatchObject({ cache: "semantic", attempts: 0, costUsd: 0 })
    expect(row.cacheSimilarity).toBeGreaterThanOrEqual(0.85)
    expect(row.savedTokens).toBeGreaterThan(0)
  })

  it("is not served to who turns it off by a header, asks for a fresh answer, or is another tenant", async () => {
    const { provider, url } = await start({ mode: "on" })
    await chat(url, asked)
    for (const headers of [
      { "x-millrace-cache-semantic": "off" },
      { "x-millrace-cache": "refresh" },
      { "x-millrace-cache": "bypass" },
      { "x-millrace-tenant": "other" }
    ]) {
      const { headers: said } = await chat(url, again, headers)
      expect(said.get("x-millrace-cache")).toMatch(/^(miss|bypass)$/)
    }
    expect(provider.calls).toHaveLength(5)
    const wrong = await chat(url, again, { "x-millrace-cache-semantic": "maybe" })
    expect(wrong.status).toBe(400)
    expect(wrong.text).toContain("x-millrace-cache-semantic")
  })

  it("is shared by identical calls at the same time, each of which is counted and heard", async () => {
    const { provider, url } = await start({ mode: "on", embedder: "a/e" })
    await chat(url, asked)
    const answers = await Promise.all(Array.from({ length: 8 }, () => chat(url, again)))
    expect(new Set(answers.map(({ headers }) => headers.get("x-millrace-cache")))).toEqual(new Set(["semantic"]))
    expect(provider.calls.filter(({ request }) => request.embed === undefined)).toHaveLength(1)
    expect((await figures(url)).hits).toBe(8)
    expect((await gateway!.status()).cache).toMatchObject({ semanticHits: 8, misses: 1 })
    // Whoever of them tells that it was wrong is heard.
    const requestId = answers.at(-1)!.headers.get("x-millrace-request-id")
    const told = await postTo(`${url}/admin/api/cache/feedback`, { requestId }, { headers: authorized })
    expect(told.json).toMatchObject({ evicted: true, remembered: true })
  })
})

describe("the shadow", () => {
  it("serves nobody, and tells what it would have served", async () => {
    const { provider, url } = await start({ mode: "shadow" }, { logging: { level: "none", content: true } })
    for (const prompt of [asked, again]) {
      expect((await chat(url, prompt)).headers.get("x-millrace-cache")).toBe("miss")
      await gateway!.later("1 second")
    }
    expect(provider.calls).toHaveLength(2)
    const { entries, hits, mode, shadow } = await figures(url)
    expect({ entries, hits, mode }).toEqual({ entries: 2, hits: 0, mode: "shadow" })
    expect(shadow).toMatchObject({ wouldBeHits: 1, same: 1, falseHitRate: { value: 0 } })
    expect(shadow.recent[0].content.stored.prompt).toBe(asked)
  })

  it("keeps no prompt and no answer where content may not be logged", async () => {
    const { url } = await start({ mode: "shadow" })
    for (const prompt of [asked, again]) {
      await chat(url, prompt)
      await gateway!.later("1 second")
    }
    const { text } = await get(`${url}/admin/api/cache/semantic`, authorized)
    expect(JSON.parse(text).shadow.wouldBeHits).toBe(1)
    expect(text).not.toContain("France")
    expect(text).not.toContain("france")
  })
})

describe("feedback", () => {
  it("evicts a wrong hit by the id of its request, and the pair is never served again", async () => {
    const { url } = await start({ mode: "on" })
    const tell = (body: object) => postTo(`${url}/admin/api/cache/feedback`, body, { headers: authorized })
    await chat(url, asked)
    const hit = await chat(url, again)
    const told = await tell({ requestId: hit.headers.get("x-millrace-request-id") })
    expect(told.json).toMatchObject({ evicted: true, remembered: true })
    expect((await chat(url, asked)).headers.get("x-millrace-cache")).toBe("miss")
    expect((await chat(url, again)).headers.get("x-millrace-cache")).toBe("miss")
    expect((await figures(url)).feedback).toEqual({ wrong: 1, pairs: 1 })
    expect((await tell({ requestId: "req_unknown" })).status).toBe(404)
    expect((await tell({})).status).toBe(400)
    expect((await postTo(`${url}/admin/api/cache/feedback`, { key: "x" })).status).toBe(401)
  })

  it("is carried over from one gateway to the next", async () => {
    const { url } = await start({ mode: "on" })
    await chat(url, asked)
    const hit = await chat(url, again)
    const requestId = hit.headers.get("x-millrace-request-id")
    await postTo(`${url}/admin/api/cache/feedback`, { requestId }, { headers: authorized })
    const { pairs } = (await get(`${url}/admin/api/cache/semantic/pairs`, authorized)).json
    expect(pairs).toHaveLength(1)
    await gateway!.close()
    const next = await start({ mode: "on" })
    const body = { pairs: [...pairs, "nonsense"] }
    const taken = await postTo(`${next.url}/admin/api/cache/semantic/pairs`, body, { headers: authorized })
    expect(taken.json).toEqual({ taken: 1 })
    await chat(next.url, asked)
    expect((await chat(next.url, again)).headers.get("x-millrace-cache")).toBe("miss")
  })

  it("evicts an entry by its key from both caches", async () => {
    const { url } = await start({ mode: "on" })
    await chat(url, asked)
    const { items } = (await get(`${url}/admin/api/cache/entries`, authorized)).json
    const told = await postTo(`${url}/admin/api/cache/feedback`, { key: items[0].key }, { headers: authorized })
    expect(told.json).toEqual({ key: items[0].key, evicted: true, remembered: false })
    expect((await chat(url, again)).headers.get("x-millrace-cache")).toBe("miss")
  })

  it("forgets prompts with a purge", async () => {
    const { url } = await start({ mode: "on" })
    await chat(url, asked)
    await postTo(`${url}/admin/api/cache/purge`, {}, { headers: authorized })
    expect(await figures(url)).toMatchObject({ entries: 0, partitions: 0 })
  })
})

describe("calls of its own", () => {
  it("are embeddings with rows and costs of their own, under the tenant that asks, and never cached", async () => {
    const { provider, url } = await start({ mode: "on", embedder: "a/e" })
    await chat(url, asked, { "x-millrace-tenant": "acme" })
    const hit = await chat(url, again, { "x-millrace-tenant": "acme" })
    expect(hit.headers.get("x-millrace-cache")).toBe("semantic")
    expect(hit.headers.get("x-millrace-cache-similarity")).toBe("1")
    const embeds = provider.calls.filter(({ request }) => request.embed !== undefined)
    expect(embeds.map(({ request }) => request.embed!.input)).toEqual([[asked], [again]])
    const { items } = (await get(`${url}/admin/api/requests`, authorized)).json
    const rows = items.filter(({ model }: { model: string }) => model === "e")
    expect(rows).toHaveLength(2)
    expect(rows[0]).toMatchObject({ tenant: "acme", cache: "bypass", promptTokens: 7, status: "success" })
    expect((await gateway!.status()).cache.entries).toBe(1)
  })

  it("are verdicts about unknown words, asked through the same pipeline", async () => {
    const { provider, url } = await start({ mode: "on", judge: "a/judge", judgeBudget: 1 })
    await chat(url, "How do I frobnicate a widget?")
    const hit = await chat(url, "How do I zorbulate a widget?")
    expect(hit.headers.get("x-millrace-cache")).toBe("semantic")
    expect(provider.calls.map(({ target }) => target.model)).toEqual(["m", "judge"])
    expect((await figures(url)).judge).toMatchObject({ asked: 1, same: 1 })
  })

  it("do no harm when they fail: the request goes on", async () => {
    const provider = scriptedProvider("a", ({ request }) =>
      request.embed === undefined ? "fine" : Effect.die(new Error("no vectors today"))
    )
    gateway = await startGateway(
      {
        providers: [{ name: "a", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m" }],
        cache: { semantic: { mode: "on", embedder: "a/e" } },
        logging: { level: "none" }
      },
      { providers: [provider] }
    )
    const answer = await chat(gateway.url, asked)
    expect(answer.status).toBe(200)
    expect(answer.headers.get("x-millrace-cache")).toBe("miss")
    expect((await figures(gateway.url)).embeddings.failed).toBe(1)
  })
})
