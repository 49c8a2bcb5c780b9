/**
 * The Promise door: what the original plan promised of it, and what a caller of Promises relies on.
 */
import { Effect, Stream } from "effect"
import { AIEngine, AIEngineError, ProviderRateLimited, Reply, RequestRejected } from "millrace"
import { completionOf, scriptedProvider } from "millrace/testing"
import { afterEach, describe, expect, it } from "vitest"

const engines: Array<AIEngine> = []
afterEach(async () => {
  await Promise.all(engines.splice(0).map((engine) => engine.dispose()))
})

const track = (engine: AIEngine): AIEngine => {
  engines.push(engine)
  return engine
}

/** The configuration of the plan's example, answered by the simulator. */
const planned = () =>
  track(
    new AIEngine({
      providers: [
        {
          name: "simulated",
          rateLimits: { requestsPerMinute: 60, tokensPerMinute: 100_000, concurrent: 5 },
          simulated: { latency: 1, tokensPerSecond: 0 }
        }
      ],
      cache: { enabled: true, maxSize: 1000, ttl: 600_000 },
      retry: { maxAttempts: 3, baseDelay: 1000, maxDelay: 30_000 }
    })
  )

const scripted = (script: Parameters<typeof scriptedProvider>[1]) => {
  const provider = scriptedProvider("openai", script)
  const engine = track(
    new AIEngine(
      { providers: [{ name: "openai", apiKey: "not used" }], retry: { baseDelay: 1, maxDelay: 2 } },
      { providers: [provider] }
    )
  )
  return { engine, provider }
}

describe("the plan's three tests", () => {
  it("generates", async () => {
    const answer = await planned().generateText({
      prompt: "Write a haiku about programming",
      temperature: 0.7,
      maxTokens: 100
    })
    expect(answer.content).toContain("haiku")
    expect(answer.usage.totalTokens).toBe(answer.usage.promptTokens + answer.usage.completionTokens)
    expect(answer).toMatchObject({ cached: false, cacheKind: null, provider: "simulated", attempts: 1 })
  })

  it("answers the second identical call from the cache", async () => {
    const engine = planned()
    const first = await engine.generateText({ prompt: "What is 2+2?" })
    const second = await engine.generateText({ prompt: "What is 2+2?" })
    expect(second.content).toBe(first.content)
    expect(second).toMatchObject({ cached: true, cacheKind: "exact", cost: 0, attempts: 0 })
  })

  it("answers ten parallel calls", async () => {
    const engine = planned()
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, i) => engine.generateText({ prompt: `Question ${i}` }))
    )
    expect(new Set(answers.map((answer) => answer.requestId)).size).toBe(10)
    for (const answer of answers) expect(answer.content.length).toBeGreaterThan(0)
  })
})

describe("streams", () => {
  it("gives strings, and the whole answer when they have been read", async () => {
    const stream = planned().streamText({ prompt: "Stream one" })
    let text = ""
    for await (const piece of stream) text += piece
    const whole = await stream.response
    expect(whole.content).toBe(text)
    expect(whole.finishReason).toBe("stop")
  })

  it("cancels the provider's call when the loop is left", async () => {
    let closed = false
    const { engine } = scripted(() =>
      Effect.as(
        Effect.addFinalizer(() => Effect.sync(() => void (closed = true))),
        Reply.parts(Stream.concat(Stream.make({ type: "text" as const, text: "one" }), Stream.never))
      )
    )
    for await (const text of engine.streamText({ prompt: "endless" })) {
      expect(text).toBe("one")
      break
    }
    expect(closed).toBe(true)
    expect((await engine.getStatus()).providers[0]!.active).toBe(0)
  })

  it("rejects in the loop and in `response` when the call fails before the first part", async () => {
    const { engine } = scripted(
      (call) => new RequestRejected({ ...call.target, kind: "invalid_request", detail: "no", upstreamStatus: 400 })
    )
    const stream = engine.streamText({ prompt: "x" })
    await expect(
      (async () => {
        for await (const _ of stream) throw new Error("there is no text")
      })()
    ).rejects.toMatchObject({ kind: "RequestRejected", fault: "caller" })
    await expect(stream.response).rejects.toBeInstanceOf(AIEngineError)
  })
})

describe("signals", () => {
  it("cancels a running call and releases its permit", async () => {
    const { engine } = scripted(() => Effect.never)
    const controller = new AbortController()
    const running = engine.generateText({ prompt: "never" }, { signal: controller.signal })
    setTimeout(() => controller.abort(), 5)
    await expect(running).rejects.toMatchObject({ kind: "Cancelled", fault: "caller", status: 499 })
    expect((await engine.getStatus()).providers[0]!.active).toBe(0)
  })

  it("starts nothing when the signal has been aborted already", async () => {
    const { engine, provider } = scripted(() => "unwanted")
    await expect(engine.generateText({ prompt: "x" }, { signal: AbortSignal.abort() })).rejects.toMatchObject({
      kind: "Cancelled"
    })
    expect(provider.calls.length).toBe(0)
  })
})

describe("errors", () => {
  it("say kind, fault, status, whether to retry and when, who, and how often it was tried", async () => {
    const { engine } = scripted(
      (call) =>
        new ProviderRateLimited({ ...call.target, detail: "slow down", upstreamStatus: 429, retryAfterMs: 60_000 })
    )
    const error = await engine.generateText({ prompt: "x" }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(AIEngineError)
    expect(error).toMatchObject({
      kind: "ProviderRateLimited",
      fault: "provider",
      status: 429,
      retryable: true,
      retryAfter: 60_000,
      provider: "openai",
      attempts: 1
    })
  })

  it.each([
    [{ prompt: "" }, "prompt"],
    [{}, "prompt"],
    [{ messages: [] }, "messages"],
    [{ prompt: "x", messages: [{ role: "user", content: "y" }] }, "prompt"],
    [{ prompt: "x", temperature: Number.NaN }, "temperature"],
    [{ prompt: "x", maxTokens: -1 }, "maxTokens"],
    [{ prompt: "x", timeout: 0 }, "timeout"],
    [{ prompt: "x", priority: 10 }, "priority"],
    [{ prompt: "x", maxToken: 5 }, "maxToken"]
  ])("names the field that is wrong: %o", async (request, field) => {
    const error = await planned()
      .generateText(request as never)
      .catch((error: unknown) => error)
    expect(error).toMatchObject({ kind: "InvalidRequest", fault: "caller", status: 400, retryable: false, attempts: 0 })
    expect((error as Error).message).toContain(field)
  })

  it("of the configuration come at once from the constructor", () => {
    expect(() => new AIEngine({ providers: [{ name: "openai" }], retry: { maxAttempts: 0 } })).toThrow(
      /retry\.maxAttempts[\s\S]*providers\[0\]/
    )
  })
})

it("is disposed by `await using`, and what was counted stays readable until then", async () => {
  const provider = scriptedProvider("openai", (call) => completionOf(call.target.model, "hello"))
  {
    await using engine = new AIEngine(
      { providers: [{ name: "openai", apiKey: "not used" }] },
      { providers: [provider] }
    )
    await engine.generateText({ prompt: "x" })
    expect(await engine.getMetrics()).toMatch(/ai_requests_total\{[^}]*status="success"\} 1/)
    expect((await engine.getStatus()).totals.requests).toBe(1)
  }
  expect(provider.calls.length).toBe(1)
})
