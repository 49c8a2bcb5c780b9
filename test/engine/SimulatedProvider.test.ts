import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { openAttempt } from "../../engine/src/Attempt.ts"
import { makeCall } from "../../engine/src/Call.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { Request } from "../../engine/src/Request.ts"
import { type SimulatedOptions, simulatedProvider } from "../../engine/src/SimulatedProvider.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { makeRequest } from "./requests.ts"

const info = scriptedProvider("simulated", () => "", { model: "simulated" })
const fast: SimulatedOptions = { latencyMs: 0, tokensPerSecond: 0, failureRate: 0, seed: 1 }

const make = (options: Partial<SimulatedOptions> = {}) => simulatedProvider(info, { ...fast, ...options })

const ask = Effect.fnUntraced(function* (provider: ReturnType<typeof make>, fields: Partial<Request> = {}) {
  const call = makeCall(makeRequest(fields), yield* Clock.Clock)
  const target = { provider: "simulated", model: "simulated" }
  return yield* Effect.scoped(
    Effect.flatMap(
      openAttempt(call, target, (attempt) => provider.open(attempt)),
      Reply.collect
    )
  )
})

const user = (content: string): Partial<Request> => ({ messages: [{ role: "user", content }] })

describe("simulatedProvider", () => {
  it.effect("says the same to the same request, and something else to another or under another seed", () =>
    Effect.gen(function* () {
      const one = yield* ask(make(), user("hello"))
      expect(yield* ask(make(), user("hello"))).toEqual(one)
      const texts = new Set([Reply.textOf(one)])
      for (const [provider, fields] of [
        [make(), user("hello!")],
        [make(), { ...user("hello"), seed: 5 }],
        [make(), { ...user("hello"), temperature: 0.3 }],
        [make({ seed: 2 }), user("hello")]
      ] as const) {
        texts.add(Reply.textOf(yield* ask(provider, fields)))
      }
      expect(texts.size).toBe(5)
    })
  )

  it.effect("labels its answers, and shortens what it repeats of the prompt", () =>
    Effect.gen(function* () {
      const answer = Reply.textOf(yield* ask(make(), user(`say ${"x".repeat(500)}`)))
      expect(answer).toMatch(/^\[simulated\] You asked: "say x+…"\. /)
      expect(answer.length).toBeLessThan(600)
    })
  )

  it.effect("stops at maxTokens and says so", () =>
    Effect.gen(function* () {
      const answer = yield* ask(make(), { ...user("hello"), maxTokens: 5 })
      expect(answer).toMatchObject({ finishReason: "length", usage: { output: 5 } })
      expect(Reply.textOf(answer).trim().split(/\s+/)).toHaveLength(5)
      expect((yield* ask(make(), user("hello"))).finishReason).toBe("stop")
    })
  )

  it.effect("counts the prompt and the answer", () =>
    Effect.gen(function* () {
      const short = yield* ask(make(), user("one two three"))
      const long = yield* ask(make(), user("one two three four five six"))
      expect(long.usage.uncachedInput - short.usage.uncachedInput).toBe(3)
      expect(short.usage).toMatchObject({ estimated: false, cacheReadInput: 0, reasoning: 0 })
      expect(short.usage.output).toBe(Reply.textOf(short).trim().split(/\s+/).length)
    })
  )

  it.effect("calls a tool that is required, named or mentioned, with arguments that fit its schema", () =>
    Effect.gen(function* () {
      const parameters = {
        type: "object",
        properties: { city: { type: "string" }, days: { type: "integer", minimum: 1, maximum: 3 } },
        required: ["city", "days"]
      }
      const tools = [{ name: "other" }, { name: "weather", parameters }]
      const called = (fields: Partial<Request>) =>
        Effect.map(ask(make(), { tools, ...fields }), (answer) => ({ answer, calls: Reply.toolCallsOf(answer) }))
      const mentioned = yield* called(user("what is the weather"))
      expect(mentioned.answer.finishReason).toBe("tool-calls")
      const args = JSON.parse(mentioned.calls[0]!.arguments) as { readonly city: unknown; readonly days: number }
      expect(args.city).toBeTypeOf("string")
      expect(Number.isInteger(args.days) && args.days >= 1 && args.days <= 3).toBe(true)
      expect((yield* called({ ...user("hello"), toolChoice: "required" })).calls[0]!.name).toBe("other")
      expect((yield* called({ ...user("hello"), toolChoice: { name: "weather" } })).calls[0]!.name).toBe("weather")
      expect((yield* called(user("hello"))).calls).toEqual([])
      expect((yield* called({ ...user("weather"), toolChoice: "none" })).calls).toEqual([])
      const result = { role: "tool" as const, content: "the weather is fine" }
      expect((yield* called({ messages: [{ role: "user", content: "weather" }, result] })).calls).toEqual([])
    })
  )

  it.effect("answers JSON when JSON is asked for", () =>
    Effect.gen(function* () {
      const parse = (answer: Reply.Completion) => JSON.parse(Reply.textOf(answer)) as unknown
      expect(parse(yield* ask(make(), { responseFormat: { type: "json" } }))).toMatchObject({ simulated: true })
      const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"] }
      const answer = parse(yield* ask(make(), { responseFormat: { type: "json-schema", schema } }))
      expect(answer).toEqual({ ok: expect.any(Boolean) })
    })
  )

  it.effect("takes its latency before the first part, and its speed after it", () =>
    Effect.gen(function* () {
      const provider = make({ latencyMs: 300, tokensPerSecond: 10 })
      const target = { provider: "simulated", model: "simulated" }
      const call = makeCall(makeRequest({ stream: true, maxTokens: 4 }), yield* Clock.Clock)
      const arrivals: Array<number> = []
      const fiber = yield* Effect.forkChild(
        Effect.scoped(
          Effect.flatMap(
            openAttempt(call, target, (attempt) => provider.open(attempt)),
            (reply) =>
              Stream.runForEach(Reply.stream(reply), (part) =>
                Effect.map(Clock.currentTimeMillis, (nowMs) => {
                  if (part.type === "text") arrivals.push(nowMs)
                })
              )
          )
        )
      )
      yield* TestClock.adjust(299)
      expect(arrivals).toEqual([])
      yield* TestClock.adjust(10_000)
      yield* Fiber.join(fiber)
      expect(arrivals[0]).toBe(300)
      expect(arrivals).toHaveLength(4)
      expect(arrivals[3]! - arrivals[0]!).toBeGreaterThanOrEqual(300)
    })
  )

  it.effect("fails as often as it was told, the same calls every time", () =>
    Effect.gen(function* () {
      const fails = (seed: number) =>
        Effect.gen(function* () {
          const provider = make({ failureRate: 0.3, seed })
          const out: Array<boolean> = []
          for (let i = 0; i < 400; i++) out.push((yield* Effect.result(ask(provider)))._tag === "Failure")
          return out
        })
      const first = yield* fails(1)
      expect(first.filter(Boolean).length / 400).toBeGreaterThan(0.2)
      expect(first.filter(Boolean).length / 400).toBeLessThan(0.4)
      expect(yield* fails(1)).toEqual(first)
      expect(yield* fails(2)).not.toEqual(first)
      const error = yield* Effect.flip(ask(make({ failureRate: 1 })))
      expect(error).toMatchObject({ _tag: "ProviderServerError", provider: "simulated", upstreamStatus: 500 })
    })
  )
})
