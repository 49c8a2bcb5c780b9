/**
 * Hedging: a second attempt beside one that is late. The first to answer is the call's, the other one is closed at once and
 * its bill is recorded; never more than the share of calls, never behind our own limits, never after the first part.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { type Attempt, type Call, upstreamAttempts } from "../../engine/src/Call.ts"
import { Breaker } from "../../engine/src/Breaker.ts"
import { decode } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import { ProviderRateLimited, ProviderServerError, RequestRejected } from "../../engine/src/Errors.ts"
import { Hedge, type HedgeOptions } from "../../engine/src/Hedge.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { AIRequest } from "../../engine/src/Request.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import {
  connected,
  Connections,
  finish,
  limits,
  paced,
  requestOf,
  samples,
  status,
  text,
  withEngine
} from "../support/engine.ts"
import { answer, startUpstream } from "../support/upstream.ts"
import { makeRequest } from "./requests.ts"

const target = { provider: "a", model: "scripted" }
const serverError = (provider: string) => new ProviderServerError({ provider, model: "scripted", detail: "500" })

describe("Hedge", () => {
  const layer = (options: Partial<HedgeOptions> = {}) =>
    Hedge.layer({ enabled: true, afterPercentile: 95, maxShare: 0.05, ...options })
  const took = (ms: number, more: Partial<Attempt> = {}): Attempt => ({
    target,
    startedAtMs: 0,
    queueMs: 0,
    sentAtMs: 100,
    firstPartAtMs: 100 + ms,
    endedAtMs: 100 + ms,
    error: undefined,
    ...more
  })
  const cut = (ms: number) => took(ms, { firstPartAtMs: undefined })

  it.effect("gives the percentile of what it has seen, once that is enough", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge
      for (let ms = 1; ms <= 31; ms++) hedge.learn(took(ms), makeRequest())
      expect(hedge.delayMs(target, makeRequest())).toBeUndefined()
      for (let ms = 32; ms <= 100; ms++) hedge.learn(took(ms), makeRequest())
      expect(hedge.delayMs(target, makeRequest())).toBeGreaterThanOrEqual(90)
      expect(hedge.delayMs(target, makeRequest())).toBeLessThanOrEqual(96)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("forgets old times, and keeps those of other targets and of streams apart", () =>
    Effect.gen(function* () {
      const hedge = yield* Hedge
      const streamed = { ...makeRequest(), stream: true }
      for (let i = 0; i < 300; i++) hedge.learn(took(5000), makeRequest())
      for (let i = 0; i < 300; i++) hedge.learn(took(50), streamed)
      expect(hedge.delayMs(target, makeRequest())).toBe(5000)
      expect(hedge.delayMs(target, streamed)).toBe(50)
      expect(hedge.delayMs({ provider: "b", model: "scripted" }, streamed)).toBeUndefined()
      for (let i = 0; i < 256; i++) hedge.learn(took(10), makeRequest())
      expect(hedge.delayMs(target, makeRequest())).toBe(10)
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "counts one that was cut off as long as it lasted, when that was late already, so that winning does not lower the bar",
    () =>
      Effect.gen(function* () {
        const hedge = yield* Hedge
        for (let i = 0; i < 256; i++) hedge.learn(took(100), makeRequest())
        for (let i = 0; i < 64; i++) hedge.learn(cut(5), makeRequest())
        expect(hedge.delayMs(target, makeRequest())).toBe(100)
        for (let i = 0; i < 64; i++) hedge.learn(cut(400), makeRequest())
        expect(hedge.delayMs(target, makeRequest())).toBe(400)
        hedge.learn(took(1, { sentAtMs: undefined }), makeRequest())
      }).pipe(Effect.provide(layer()))
  )

  it("never gives credit for more than the share of calls, nor for a burst after a quiet night", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ calls: fc.nat({ max: 400 }), tries: fc.nat({ max: 50 }) }), {
          minLength: 1,
          maxLength: 40
        }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (steps, maxShare) => {
          const hedge = Effect.runSync(Effect.provide(Hedge, layer({ maxShare })))
          let calls = 0
          let spent = 0
          for (const step of steps) {
            let burst = 0
            for (let i = 0; i < step.calls; i++) hedge.onCall()
            calls += step.calls
            for (let i = 0; i < step.tries; i++) if (hedge.spend()) burst++
            spent += burst
            expect(burst).toBeLessThanOrEqual(Math.max(1, maxShare * 200) + 1e-6)
            expect(spent).toBeLessThanOrEqual(calls * maxShare + 1e-6)
          }
        }
      )
    )
  })
})

/** Milliseconds that calls of a provider take, one after the other; the last one stays. */
type Times = ReadonlyArray<number>

const timed = (name: string, connections: Connections, times: Times, options?: Parameters<typeof connected>[3]) =>
  connected(
    name,
    connections,
    (call, index) => {
      const pause = Effect.sleep(times[Math.min(index, times.length - 1)]!)
      const answer = call.request.stream
        ? Reply.parts(paced([text(`from ${name}`), finish()]))
        : Reply.whole(completionOf("scripted", `from ${name}`))
      return Effect.as(pause, answer)
    },
    options
  )

const chain = { aliases: { chain: ["a/scripted", "b/scripted"] } }
const config = (more: object = {}) => ({
  ...chain,
  hedge: { enabled: true, afterPercentile: 95, maxShare: 1 },
  retry: { maxAttempts: 3, baseDelay: 1000 },
  breaker: { minimumCalls: 1000 },
  ...more
})

const fresh = { model: "chain", cache: { mode: "bypass" } } as const
const usual: Times = Array.from({ length: 40 }, () => 100)

/** Forty usual answers, so that the percentile is known; they take 100 ms each. */
const learned = Effect.fnUntraced(function* (fields: Partial<AIRequest> = {}, calls = 40) {
  for (let i = 0; i < calls; i++) {
    const fiber = yield* Effect.forkChild(Engine.generateText({ prompt: "x", ...fresh, ...fields }))
    yield* TestClock.adjust(100)
    yield* Fiber.join(fiber)
  }
  return yield* Clock.currentTimeMillis
})

/** Opens a call, and lets time pass. */
const opened = Effect.fnUntraced(function* (fields: Partial<AIRequest>, within: number) {
  const engine = yield* Engine
  const call = yield* engine.call(yield* requestOf({ prompt: "x", ...fresh, ...fields }))
  const fiber = yield* Effect.forkChild(Effect.result(Effect.scoped(Effect.flatMap(engine.open(call), Reply.collect))))
  yield* TestClock.adjust(within)
  return { call, fiber }
})

const attemptsOf = ({ journal }: Call) =>
  journal.attempts.map(
    ({ hedge, lost, target }) => `${target.provider}${hedge === true ? "+" : ""}${lost === undefined ? "" : "-"}`
  )

describe("a second attempt", () => {
  it.effect(
    "is made when the first part is late, and its answer is the call's; the other connection is closed at once",
    () => {
      const connections = new Connections()
      const providers = [timed("a", connections, [...usual, 60_000]), timed("b", connections, [50])]
      return Effect.gen(function* () {
        const start = yield* learned()
        const { call, fiber } = yield* opened({}, 100)
        expect(connections.open).toBe(2)
        yield* TestClock.adjust(50)
        expect(connections.open).toBe(0)
        const answer = yield* Fiber.join(fiber)
        expect(answer).toMatchObject({ success: { content: [{ text: "from b" }] } })
        expect(attemptsOf(call)).toEqual(["a-", "b+"])
        expect(call.journal.target).toEqual({ provider: "b", model: "scripted" })
        expect(call.journal.attempts.map(({ endedAtMs }) => endedAtMs! - start)).toEqual([150, 150])
        expect((yield* status).providers.map(({ active }) => active)).toEqual([0, 0])
      }).pipe(withEngine({ providers, config: config() }))
    }
  )

  it.effect("loses when the first one answers after all", () => {
    const connections = new Connections()
    const providers = [timed("a", connections, [...usual, 130]), timed("b", connections, [500])]
    return Effect.gen(function* () {
      yield* learned()
      const { call, fiber } = yield* opened({}, 130)
      expect(yield* Fiber.join(fiber)).toMatchObject({ success: { content: [{ text: "from a" }] } })
      expect(attemptsOf(call)).toEqual(["a", "b+-"])
      expect(connections.open).toBe(0)
      const counted = yield* samples
      expect(counted.get('ai_hedges_total{provider="b",outcome="lost"}')).toBe(1)
      expect(counted.get('ai_attempts_total{provider="a",outcome="success"}')).toBe(41)
      expect(counted.get('ai_attempts_total{provider="b",outcome="lost"}')).toBe(1)
      expect([...counted.keys()].filter((name) => /^ai_(retries|fallbacks)_total/.test(name))).toEqual([])
    }).pipe(withEngine({ providers, config: config() }))
  })

  it.effect("is not made without enough experience, nor while hedging is off", () => {
    const connections = new Connections()
    const providers = [timed("a", connections, [...usual, 60_000]), timed("b", connections, [50])]
    return Effect.gen(function* () {
      yield* learned()
      const { fiber } = yield* opened({}, 10_000)
      expect(connections.open).toBe(1)
      yield* Fiber.interrupt(fiber)
    }).pipe(withEngine({ providers, config: config({ hedge: { enabled: false } }) }))
  })

  it.effect("is made at most for the share of calls", () => {
    const connections = new Connections()
    const slow: Times = Array.from({ length: 200 }, () => 400)
    const providers = [timed("a", connections, [...usual, ...slow]), timed("b", connections, [50])]
    return Effect.gen(function* () {
      yield* learned()
      const fibers = yield* Effect.forEach(Array.from({ length: 60 }), () =>
        Effect.forkChild(Engine.generateText({ prompt: "x", ...fresh }))
      )
      yield* TestClock.adjust(1000)
      yield* Fiber.joinAll(fibers)
      const counted = yield* samples
      expect(counted.get('ai_hedges_total{provider="b",outcome="won"}')).toBe(10)
    }).pipe(withEngine({ providers, config: config({ hedge: { enabled: true, maxShare: 0.1 } }) }))
  })

  it.effect("goes to the same provider when no other is ready and an attempt is left over", () => {
    const connections = new Connections()
    const providers = [timed("a", connections, [...usual, 60_000, 50])]
    return Effect.gen(function* () {
      yield* learned({ model: "a/scripted" })
      const { call, fiber } = yield* opened({ model: "a/scripted" }, 150)
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "Success" })
      expect(attemptsOf(call)).toEqual(["a-", "a+"])
    }).pipe(withEngine({ providers, config: config({ aliases: {} }) }))
  })

  it.effect("is not made when the attempt budget has no place for it", () => {
    const connections = new Connections()
    const providers = [timed("a", connections, [...usual, 300])]
    return Effect.gen(function* () {
      yield* learned({ model: "a/scripted" })
      const { call, fiber } = yield* opened({ model: "a/scripted" }, 300)
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "Success" })
      expect(attemptsOf(call)).toEqual(["a"])
    }).pipe(withEngine({ providers, config: config({ aliases: {}, retry: { maxAttempts: 1 } }) }))
  })

  it.effect("never stands in a queue of ours, and is not made for a call that stands in one", () => {
    const connections = new Connections()
    const providers = [
      timed("a", connections, [...usual, 1000, 100], { rateLimits: limits({ concurrent: 1 }) }),
      timed("b", connections, [100], { rateLimits: limits({ concurrent: 1 }) })
    ]
    return Effect.gen(function* () {
      yield* learned()
      const busyB = yield* Effect.forkChild(Engine.generateText({ prompt: "x", ...fresh, model: "b/scripted" }))
      yield* TestClock.adjust(1)
      const late = yield* opened({}, 90)
      const busyB2 = yield* Effect.forkChild(Engine.generateText({ prompt: "x", ...fresh, model: "b/scripted" }))
      const queued = yield* opened({ model: "a/scripted" }, 2000)
      yield* Fiber.joinAll([busyB, busyB2])
      expect(attemptsOf(late.call)).toEqual(["a"])
      expect(yield* Fiber.join(queued.fiber)).toMatchObject({ _tag: "Success" })
      expect(attemptsOf(queued.call)).toEqual(["a"])
      expect(queued.call.journal.queueMs).toBeGreaterThan(500)
    }).pipe(withEngine({ providers, config: config() }))
  })

  it.effect("is not made at a provider whose circuit is open", () => {
    const connections = new Connections()
    const providers = [timed("a", connections, [...usual, 300]), timed("b", connections, [10])]
    return Effect.gen(function* () {
      const now = yield* learned()
      ;(yield* Breaker).set("b", { state: "open" }, now)
      const { call, fiber } = yield* opened({ model: "chain" }, 300)
      expect(yield* Fiber.join(fiber)).toMatchObject({ success: { content: [{ text: "from a" }] } })
      expect(attemptsOf(call).filter((attempt) => attempt.startsWith("b"))).toEqual([])
    }).pipe(withEngine({ providers, config: config({ retry: { maxAttempts: 2 } }) }))
  })

  it.effect("is not made after the first part, however long the rest takes", () => {
    const connections = new Connections()
    const provider = (name: string) =>
      connected(name, connections, () =>
        Effect.as(Effect.sleep(100), Reply.parts(paced([text("one"), text("two"), finish()], Effect.sleep(5000))))
      )
    const providers = [provider("a"), provider("b")]
    return Effect.gen(function* () {
      const fibers = yield* Effect.forEach(Array.from({ length: 40 }), () =>
        Effect.forkChild(Stream.runCollect(Engine.streamText({ prompt: "x", ...fresh })))
      )
      yield* TestClock.adjust(20_000)
      yield* Fiber.joinAll(fibers)
      const last = yield* Effect.forkChild(Stream.runCollect(Engine.streamText({ prompt: "x", ...fresh })))
      yield* TestClock.adjust(20_000)
      yield* Fiber.join(last)
      expect(providers[1]!.calls).toHaveLength(0)
    }).pipe(withEngine({ providers, config: config() }))
  })

  it.effect("closes both connections when the caller leaves", () => {
    const connections = new Connections()
    const providers = [timed("a", connections, [...usual, 60_000]), timed("b", connections, [60_000])]
    return Effect.gen(function* () {
      yield* learned()
      const { fiber } = yield* opened({}, 150)
      expect(connections.open).toBe(2)
      yield* Fiber.interrupt(fiber)
      expect(connections.open).toBe(0)
      const now = yield* status
      expect(now.providers.map(({ active }) => active)).toEqual([0, 0])
      expect(now.totals.requests).toBe(41)
    }).pipe(withEngine({ providers, config: config() }))
  })
})

describe("when one of the two fails", () => {
  const failing = (
    name: string,
    connections: Connections,
    times: Times,
    error: () => Parameters<typeof Effect.fail>[0]
  ) =>
    connected(name, connections, (_, index) => {
      const pause = Effect.sleep(times[Math.min(index, times.length - 1)]!)
      return index < times.length - 1
        ? Effect.as(pause, Reply.whole(completionOf("scripted", `from ${name}`)))
        : Effect.andThen(pause, Effect.fail(error() as ProviderServerError))
    })

  it.effect("the other one is waited for, and nothing is retried meanwhile", () => {
    const connections = new Connections()
    const providers = [
      failing("a", connections, [...usual, 200], () => serverError("a")),
      timed("b", connections, [5000])
    ]
    return Effect.gen(function* () {
      yield* learned()
      const { call, fiber } = yield* opened({}, 6000)
      expect(yield* Fiber.join(fiber)).toMatchObject({ success: { content: [{ text: "from b" }] } })
      expect(attemptsOf(call)).toEqual(["a", "b+"])
      expect(call.journal.attempts[0]!.error?._tag).toBe("ProviderServerError")
    }).pipe(withEngine({ providers, config: config() }))
  })

  it.effect("the second one's failure says nothing to the caller while the first may answer", () => {
    const connections = new Connections()
    const providers = [
      timed("a", connections, [...usual, 500]),
      failing(
        "b",
        connections,
        [10],
        () => new RequestRejected({ provider: "b", model: "scripted", kind: "invalid_request", detail: "" })
      )
    ]
    return Effect.gen(function* () {
      yield* learned()
      const { call, fiber } = yield* opened({}, 500)
      expect(yield* Fiber.join(fiber)).toMatchObject({ success: { content: [{ text: "from a" }] } })
      expect(attemptsOf(call)).toEqual(["a", "b+"])
      expect((yield* samples).get('ai_hedges_total{provider="b",outcome="error"}')).toBe(1)
    }).pipe(withEngine({ providers, config: config() }))
  })

  it.effect("the call goes on as after any failure when both have failed, within the attempt budget", () => {
    const connections = new Connections()
    const providers = [
      failing("a", connections, [...usual, 200], () => serverError("a")),
      failing(
        "b",
        connections,
        [300],
        () => new ProviderRateLimited({ provider: "b", model: "scripted", detail: "", retryAfterMs: 20_000 })
      )
    ]
    return Effect.gen(function* () {
      yield* learned()
      const { call, fiber } = yield* opened({}, 60_000)
      const r = yield* Fiber.join(fiber)
      console.log(
        "DBG",
        JSON.stringify(attemptsOf(call)),
        JSON.stringify(
          call.journal.attempts.map((x: any) => [x.target.provider, x.startedAtMs, x.endedAtMs, x.error?._tag])
        )
      )
      expect(r).toMatchObject({ failure: { _tag: "ProviderServerError", provider: "a" } })
      expect(upstreamAttempts(call.journal)).toBe(3)
      expect(attemptsOf(call).slice(0, 2)).toEqual(["a", "b+"])
    }).pipe(withEngine({ providers, config: config() }))
  })

  it.effect("a caller's fault ends the call at once, and the other connection with it", () => {
    const connections = new Connections()
    const rejected = () =>
      new RequestRejected({ provider: "a", model: "scripted", kind: "invalid_request", detail: "" })
    const providers = [failing("a", connections, [...usual, 200], rejected), timed("b", connections, [5000])]
    return Effect.gen(function* () {
      yield* learned()
      const { fiber } = yield* opened({}, 200)
      expect(yield* Fiber.join(fiber)).toMatchObject({ failure: { _tag: "RequestRejected" } })
      expect(connections.open).toBe(0)
    }).pipe(withEngine({ providers, config: config() }))
  })
})

describe("the bill", () => {
  const pricing = { input: 1_000_000, output: 2_000_000 }
  const priced = (name: string) => ({
    name,
    kind: "openai-compatible" as const,
    baseUrl: "http://127.0.0.1:9",
    model: "scripted",
    rateLimits: { tokensPerMinute: 100_000, learn: false },
    pricing
  })

  it.effect("of both attempts is in the usage row, in the metrics and in the provider's token window", () => {
    const connections = new Connections()
    const providers = [timed("a", connections, [...usual, 60_000]), timed("b", connections, [50])]
    return Effect.gen(function* () {
      yield* learned()
      const before = yield* samples
      const { call, fiber } = yield* opened({}, 150)
      yield* Fiber.join(fiber)
      const prompt = Math.ceil(call.journal.promptTokens!)
      const detail = (yield* (yield* UsageLog).request(call.request.id))!
      expect(detail.attemptDetails).toMatchObject([
        { provider: "a", reason: "first", lost: true, lostUsd: prompt, error: null },
        { provider: "b", reason: "hedge", lost: false, lostUsd: null, error: null }
      ])
      // The winner's own usage is one token in and two out.
      expect(detail).toMatchObject({ attempts: 2, promptTokens: 1, completionTokens: 2, costUsd: 5 + prompt })
      const after = yield* samples
      const grown = (name: string) => after.get(name)! - (before.get(name) ?? 0)
      expect(grown('ai_cost_usd_total{provider="a",model="scripted"}')).toBe(prompt)
      expect(grown('ai_cost_usd_total{provider="b",model="scripted"}')).toBe(5)
      expect(grown('ai_tokens_used_total{provider="a",model="scripted",type="prompt"}')).toBe(prompt)
      expect(after.get('ai_hedges_total{provider="b",outcome="won"}')).toBe(1)
      // Forty answers of three tokens, and the prompt of the one that lost: its requested answer was given back.
      expect((yield* status).providers[0]!.limits.tokensPerMinute.available).toBe(100_000 - 120 - prompt)
      expect((yield* status).totals.costUsd).toBeCloseTo(40 * 5 + 5 + prompt)
    }).pipe(withEngine({ providers, config: { ...config(), providers: ["a", "b"].map(priced) } }))
  })
})

describe("a call", () => {
  it.effect("that is cut off by its own deadline leaves nothing behind", () => {
    const connections = new Connections()
    const providers = [timed("a", connections, [...usual, 60_000]), timed("b", connections, [60_000])]
    return Effect.gen(function* () {
      yield* learned()
      const { fiber } = yield* opened({ timeout: 500 }, 500)
      expect(yield* Fiber.join(fiber)).toMatchObject({ failure: { _tag: "DeadlineExceeded" } })
      expect(connections.open).toBe(0)
      expect((yield* status).providers.map(({ active }) => active)).toEqual([0, 0])
    }).pipe(withEngine({ providers, config: config() }))
  })
})

describe("on the wire", () => {
  it.live("the connection of the one that lost is closed, streamed or not", () =>
    Effect.gen(function* () {
      const [a, b] = yield* Effect.forEach(["a", "b"], (name) =>
        Effect.acquireRelease(
          Effect.promise(() => startUpstream(answer(`from ${name}`))),
          (server) => Effect.promise(server.close)
        )
      )
      const providerAt = (name: string, baseUrl: string) => ({
        name,
        kind: "openai-compatible" as const,
        baseUrl,
        model: "scripted"
      })
      const decoded = yield* decode({
        ...config({ cache: { enabled: false } }),
        providers: [providerAt("a", a!.url), providerAt("b", b!.url)],
        logging: { level: "none" }
      })
      yield* Effect.gen(function* () {
        for (const stream of [false, true]) {
          const ask = stream
            ? Effect.map(Stream.runCollect(Engine.streamText({ prompt: "x", model: "chain" })), (parts) =>
                parts.map((part) => (part.type === "text" ? part.text : "")).join("")
              )
            : Effect.map(Engine.generateText({ prompt: "x", model: "chain" }), ({ content }) => content)
          a!.respond = answer("from a")
          for (let i = 0; i < 40; i++) yield* ask
          a!.respond = () => undefined
          const asked = a!.next()
          expect(yield* ask).toBe("from b")
          yield* Effect.promise(async () => (await asked).aborted)
          expect((yield* status).providers.map(({ active }) => active)).toEqual([0, 0])
        }
      }).pipe(Effect.provide(Engine.layerOf(decoded)))
    }).pipe(Effect.scoped)
  )
})
