import { Effect } from "effect"
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest"
import { AIEngine, type AIEngineError } from "../../engine/src/AIEngine.ts"
import type { EngineConfigInput } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import { simulatedEmbedding } from "../../engine/src/SimulatedEmbedding.ts"
import { sendJson, startUpstream, type TestUpstream } from "../support/upstream.ts"

const quiet = { logging: { level: "none" } } as const

const simulated: EngineConfigInput = {
  ...quiet,
  providers: [{ name: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }]
}

const engines: Array<AIEngine> = []

const engineOf = (config: EngineConfigInput): AIEngine => {
  const engine = new AIEngine({ ...quiet, ...config })
  engines.push(engine)
  return engine
}

afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.dispose()
})

const failure = (promise: Promise<unknown>): Promise<AIEngineError> =>
  promise.then(
    () => {
      throw new Error("expected a failure")
    },
    (error: unknown) => error as AIEngineError
  )

const cosine = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number =>
  a.reduce((sum, value, index) => sum + value * b[index]!, 0)

describe("embeddings of the simulator", () => {
  it("are unit vectors that depend on the text alone, near each other where texts share words", () => {
    const base = simulatedEmbedding("the mill turns as the water runs")
    expect(base).toHaveLength(64)
    expect(simulatedEmbedding("the mill turns as the water runs")).toEqual(base)
    for (const text of ["", "?!", "ä", "the mill", "a".repeat(10_000)]) {
      const vector = simulatedEmbedding(text, 16)
      expect(vector).toHaveLength(16)
      expect(Math.hypot(...vector)).toBeCloseTo(1)
    }
    const near = cosine(base, simulatedEmbedding("the mill turns while the water runs"))
    const far = cosine(base, simulatedEmbedding("invoices are due in thirty days"))
    expect(near).toBeGreaterThan(0.7)
    expect(far).toBeLessThan(0.4)
  })
})

describe("embed", () => {
  it("gives a vector for each text, with usage, and the same from the cache", async () => {
    const engine = engineOf(simulated)
    const first = await engine.embed({ input: ["hello world", "again"], dimensions: 8 })
    expect(first).toMatchObject({
      embeddings: [simulatedEmbedding("hello world", 8), simulatedEmbedding("again", 8)],
      usage: { promptTokens: 3, completionTokens: 0, totalTokens: 3, estimated: false },
      model: "simulated",
      provider: "simulated",
      cached: false,
      attempts: 1
    })
    expect(first.requestId).toMatch(/^req_/)
    const second = await engine.embed({ input: ["hello world", "again"], dimensions: 8 })
    expect(second).toMatchObject({ embeddings: first.embeddings, cached: true, cacheKind: "exact", attempts: 0 })
    expect((await engine.embed({ input: "hello world", dimensions: 8 })).cached).toBe(false)
    expect((await engine.embed({ input: ["hello world", "again"] })).embeddings[0]).toHaveLength(64)
    const { cache } = await engine.getStatus()
    const vectorBytes = 8 * (2 * 8 + 8 + 2 * 64)
    expect(cache.bytes).toBeGreaterThan(vectorBytes)
    expect(cache.bytes).toBeLessThan(vectorBytes + 3 * 1000)
  })

  it("is the same from Effect", async () => {
    const program = Effect.provide(Engine.embed({ input: "hello" }), Engine.layer(simulated))
    expect((await Effect.runPromise(program)).embeddings).toEqual([simulatedEmbedding("hello")])
  })

  it("names the field that is wrong", async () => {
    const engine = engineOf(simulated)
    const cases: ReadonlyArray<readonly [unknown, string]> = [
      [{ input: "" }, "input"],
      [{ input: [] }, "input"],
      [{ input: ["a", ""] }, "input[1]"],
      [{}, "input"],
      [{ input: "a", dimensions: 0 }, "dimensions"],
      [{ input: "a", temperature: 1 }, "temperature"]
    ]
    for (const [request, field] of cases) {
      const { cause, kind } = await failure(engine.embed(request as never))
      expect({ kind, field: (cause as { field?: string }).field }).toEqual({ kind: "InvalidRequest", field })
    }
  })
})

describe("embeddings of a provider", () => {
  let upstream: TestUpstream
  beforeAll(async () => {
    upstream = await startUpstream()
  })
  afterAll(() => upstream.close())

  const vectors = {
    data: [{ index: 0, embedding: [0.6, 0.8] }],
    model: "m",
    usage: { prompt_tokens: 1000, total_tokens: 1000 }
  }

  it("come from the first provider that has any when no model is named, are priced, and nobody stands in", async () => {
    const engine = engineOf({
      providers: [
        { name: "anthropic", apiKey: "k", baseUrl: upstream.url },
        { name: "openai", apiKey: "k", baseUrl: upstream.url },
        { name: "google", apiKey: "k", baseUrl: upstream.url }
      ],
      retry: { maxAttempts: 1 }
    })
    upstream.respond = sendJson(200, vectors)
    expect(await engine.embed({ input: "a" })).toMatchObject({
      embeddings: [[0.6, 0.8]],
      provider: "openai",
      model: "text-embedding-3-small",
      usage: { promptTokens: 1000 },
      cost: 0.02 / 1000
    })
    expect(upstream.requests.at(-1)).toMatchObject({
      path: "/v1/embeddings",
      json: { model: "text-embedding-3-small", input: ["a"] }
    })
    upstream.respond = sendJson(503, { error: { message: "busy" } })
    expect(await failure(engine.embed({ input: "b" }))).toMatchObject({ kind: "ProviderOverloaded", attempts: 1 })
  })

  it("come from Gemini by its own API, with an estimate where it reports no usage", async () => {
    const engine = engineOf({ providers: [{ name: "google", apiKey: "k", baseUrl: `${upstream.url}/v1beta` }] })
    upstream.respond = sendJson(200, { embedding: { values: [0.6, 0.8] } })
    const { usage, ...answer } = await engine.embed({ input: "hello there" })
    expect(answer).toMatchObject({ embeddings: [[0.6, 0.8]], model: "gemini-embedding-001" })
    expect(usage).toMatchObject({ completionTokens: 0, estimated: true })
    expect(usage.promptTokens).toBeGreaterThan(0)
    expect(upstream.requests.at(-1)).toMatchObject({ path: "/v1beta/models/gemini-embedding-001:embedContent" })
  })

  it("are refused by name where nobody has any, or no model for them is known", async () => {
    const anthropic = { name: "anthropic", apiKey: "k", baseUrl: upstream.url }
    const openai = { name: "openai", apiKey: "k", baseUrl: upstream.url, models: ["gpt-5.4-mini"] }
    const before = upstream.requests.length
    const kinds = async (engine: AIEngine, request: object = {}) => {
      const { kind, message } = await failure(engine.embed({ input: "a", ...request }))
      return `${kind}: ${message}`
    }
    const one = engineOf({ providers: [anthropic] })
    expect(await kinds(one)).toBe("UnsupportedAbility: anthropic does not support embeddings")
    expect(await kinds(one, { model: "claude-haiku-4-5" })).toBe(
      "UnsupportedAbility: anthropic does not support embeddings"
    )
    const two = engineOf({ providers: [anthropic, openai] })
    expect(await kinds(two)).toMatch(/^InvalidRequest: model: expected a model/)
    expect(await kinds(two, { provider: "anthropic" })).toMatch(/^UnsupportedAbility/)
    expect(await kinds(two, { provider: "nobody" })).toMatch(/^InvalidRequest: provider: no provider is named "nobody"/)
    expect(upstream.requests.length).toBe(before)
  })
})
