import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Breaker } from "../../engine/src/Breaker.ts"
import { makeCall } from "../../engine/src/Call.ts"
import { Engine } from "../../engine/src/Engine.ts"
import {
  CacheOnlyMiss,
  ProviderRateLimited,
  RateLimitExceeded,
  RequestRejected,
  StreamTruncated,
  UnsupportedAbility
} from "../../engine/src/Errors.ts"
import { fallback, retryAfterSeconds } from "../../engine/src/Fallback.ts"
import { Hedge } from "../../engine/src/Hedge.ts"
import { RateLimiter } from "../../engine/src/RateLimiter.ts"
import { Retry } from "../../engine/src/Retry.ts"
import { limits, requestOf, samples, withEngine } from "../support/engine.ts"
import {
  ask,
  type Asked,
  chainOf,
  contentOf,
  errorOf,
  rateLimited,
  sequence,
  serverError
} from "../support/sequence.ts"

const names = (asked: ReadonlyArray<Asked>): string => asked.map(({ provider }) => provider).join(" ")
const config = { retry: { maxAttempts: 3, baseDelay: 1000, maxDelay: 30_000 }, breaker: { minimumCalls: 1000 } }

describe("fallback", () => {
  it.effect("goes on when a provider lacks an ability, and names it when all do", () => {
    const asked: Array<Asked> = []
    const lacks = (provider: string) => new UnsupportedAbility({ provider, ability: "audio" })
    const providers = [sequence("a", asked, [lacks("a")]), sequence("b", asked, ["ok", lacks("b")])]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask())).toBe("answer of b")
      const error = errorOf(yield* ask())
      expect(error).toMatchObject({ _tag: "UnsupportedAbility", provider: "b", status: 400 })
      expect(names(asked)).toBe("a b a b")
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect(
    "leaves a provider at once that does not begin to answer, and comes back to it when nobody else is left",
    () => {
      const asked: Array<Asked> = []
      const slow = { timeoutMs: 10_000 }
      const providers = [
        sequence("a", asked, [Effect.never, Effect.never, "ok"], slow),
        sequence("b", asked, ["ok", Effect.never, serverError("b")], slow)
      ]
      return Effect.gen(function* () {
        expect(contentOf(yield* ask())).toBe("answer of b")
        expect(asked).toEqual([
          { provider: "a", atMs: 0 },
          { provider: "b", atMs: 10_000 }
        ])
        asked.length = 0
        expect(contentOf(yield* ask())).toBe("answer of a")
        expect(names(asked)).toBe("a b a")
      }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
    }
  )

  it.effect("fails with the open circuit that is tried again first, without asking anybody", () => {
    const asked: Array<Asked> = []
    const providers = ["a", "b"].map((name) => sequence(name, asked, ["ok"]))
    return Effect.gen(function* () {
      const breaker = yield* Breaker
      breaker.set("b", { state: "open" }, 0)
      yield* TestClock.adjust(5000)
      breaker.set("a", { state: "open" }, 5000)
      const error = errorOf(yield* ask({}, 1))
      expect(error).toMatchObject({ _tag: "CircuitOpen", provider: "b", retryAfterMs: 25_000, status: 503 })
      expect(asked).toEqual([])
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("does not keep an attempt for a candidate whose circuit is open", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [serverError("a"), "ok"]), sequence("b", asked, ["ok"])]
    return Effect.gen(function* () {
      ;(yield* Breaker).set("b", { state: "open" }, 0)
      expect(contentOf(yield* ask({}, 5000))).toBe("answer of a")
      expect(names(asked)).toBe("a a")
    }).pipe(withEngine({ providers, config: { ...config, retry: { maxAttempts: 2 }, aliases: chainOf(providers) } }))
  })

  it.effect("keeps an attempt for a candidate that has no room yet, and waits in its queue", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [serverError("a")]),
      sequence("b", asked, ["ok"], { rateLimits: limits({ requestsPerMinute: 60 }) })
    ]
    return Effect.gen(function* () {
      for (let i = 0; i < 10; i++) yield* Engine.generateText({ prompt: "x", model: "b/m", cache: { mode: "bypass" } })
      asked.length = 0
      const answer = yield* ask()
      expect(contentOf(answer)).toBe("answer of b")
      expect(names(asked)).toBe("a b")
      expect(asked[1]!.atMs).toBeGreaterThan(900)
    }).pipe(withEngine({ providers, config: { ...config, retry: { maxAttempts: 2 }, aliases: chainOf(providers) } }))
  })

  it.effect("comes back to a candidate when the next one has no place for it", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [serverError("a"), "ok"]),
      sequence("b", asked, ["ok"], { rateLimits: limits({ tokensPerMinute: 10 }) })
    ]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask({ maxTokens: 100 }, 5000))).toBe("answer of a")
      expect(names(asked)).toBe("a a")
    }).pipe(withEngine({ providers, config: { ...config, retry: { maxAttempts: 2 }, aliases: chainOf(providers) } }))
  })

  it.effect("fails with the last provider's error, and with our own limit when that was the only obstacle", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, ["ok"], { rateLimits: limits({ tokensPerMinute: 10 }) })]
    return Effect.gen(function* () {
      expect(errorOf(yield* ask({ maxTokens: 100 }, 1))).toMatchObject({ _tag: "RateLimitExceeded", fault: "policy" })
      expect(asked).toEqual([])
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("notes every attempt with its times and its error, and counts retries and fallbacks", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [serverError("a", 2000)]),
      sequence("b", asked, [serverError("b", 500), "ok"])
    ]
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "x", model: "chain" }))
      const fiber = yield* Effect.forkChild(Effect.scoped(engine.open(call)))
      yield* TestClock.adjust(5000)
      yield* Fiber.join(fiber)
      expect(call.journal.attempts).toMatchObject([
        {
          target: { provider: "a" },
          startedAtMs: 0,
          sentAtMs: 0,
          endedAtMs: 0,
          error: { _tag: "ProviderServerError" }
        },
        { target: { provider: "b" }, startedAtMs: 0, endedAtMs: 0, error: { _tag: "ProviderServerError" } },
        { target: { provider: "b" }, startedAtMs: 500, firstPartAtMs: 500, endedAtMs: 500, error: undefined }
      ])
      expect(call.journal.target).toEqual({ provider: "b", model: "m" })
      const counted = yield* samples
      expect(counted.get('ai_retries_total{provider="b",reason="ProviderServerError"}')).toBe(1)
      expect(counted.get('ai_fallbacks_total{from="a",to="b"}')).toBe(1)
      expect(counted.get('ai_attempts_total{provider="a",outcome="error"}')).toBe(1)
      expect(counted.get('ai_attempts_total{provider="b",outcome="error"}')).toBe(1)
      expect(counted.get('ai_attempts_total{provider="b",outcome="success"}')).toBe(1)
    }).pipe(
      withEngine({
        providers,
        config: { ...config, retry: { maxAttempts: 3, baseDelay: 500, maxDelay: 2000 }, aliases: chainOf(providers) }
      })
    )
  })

  it.effect("says that it has no candidate instead of waiting for one", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, ["ok"])]
    return Effect.gen(function* () {
      const services = {
        retry: yield* Retry,
        breaker: yield* Breaker,
        limiter: yield* RateLimiter,
        hedge: yield* Hedge,
        windowOf: () => undefined
      }
      const call = makeCall(yield* requestOf({ prompt: "x" }), yield* Clock.Clock)
      const open = fallback(services, () => Effect.die("nobody is asked"))
      expect(yield* Effect.flip(Effect.scoped(open(call)))).toMatchObject({ _tag: "InternalError" })
    }).pipe(withEngine({ providers }))
  })

  it.effect("probes an open circuit with one call while others go elsewhere", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [Effect.never]), sequence("b", asked, ["ok"])]
    return Effect.gen(function* () {
      const breaker = yield* Breaker
      breaker.set("a", { state: "open" }, 0)
      yield* TestClock.adjust(30_000)
      const probe = yield* Effect.forkChild(ask({}, 1))
      yield* TestClock.adjust(1)
      expect(names(asked)).toBe("a")
      for (let i = 0; i < 3; i++) expect(contentOf(yield* ask({}, 1))).toBe("answer of b")
      expect(names(asked)).toBe("a b b b")
      yield* Fiber.interrupt(probe)
      expect(breaker.retryAtMs({ provider: "a", model: "m" }, 30_010)).toBe(0)
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("waits within the backoff without holding a permit", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [serverError("a", 5000), "ok"], { rateLimits: limits({ concurrent: 1 }) })]
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(ask({}, 1))
      yield* TestClock.adjust(10)
      const second = yield* Effect.forkChild(Engine.generateText({ prompt: "second" }))
      yield* TestClock.adjust(10)
      expect((yield* Fiber.join(second)).content).toBe("answer of a")
      yield* TestClock.adjust(10_000)
      yield* Fiber.join(first)
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })
})

describe("a prompt that is too long", () => {
  const long = "many words ".repeat(3000)
  const tooLong = (provider: string) =>
    new RequestRejected({ provider, model: "m", kind: "context_length", detail: "too long", upstreamStatus: 400 })

  it.effect("goes to the candidate of the alias whose window holds it, and a short one to the first", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("small", asked, ["ok"], { contextWindow: 1000 }),
      sequence("medium", asked, ["ok"], { contextWindow: 4000 }),
      sequence("large", asked, ["ok"], { contextWindow: 100_000 })
    ]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask({ prompt: long }))).toBe("answer of large")
      expect(contentOf(yield* ask({ prompt: "short" }))).toBe("answer of small")
      expect(contentOf(yield* ask({ prompt: "short", maxTokens: 3000 }))).toBe("answer of medium")
      expect(names(asked)).toBe("large small medium")
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("is refused by the largest window when it fits none, and nobody is asked", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("small", asked, ["ok"], { contextWindow: 1000 }),
      sequence("large", asked, ["ok"], { contextWindow: 2000 }),
      sequence("medium", asked, ["ok"], { contextWindow: 1500 })
    ]
    return Effect.gen(function* () {
      expect(errorOf(yield* ask({ prompt: long }))).toMatchObject({
        _tag: "ContextWindowExceeded",
        provider: "large",
        allowedTokens: 2000,
        status: 400
      })
      expect(asked).toEqual([])
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("for a provider's own tokenizer goes on to a larger window, past those that are no larger", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [tooLong("a")], { contextWindow: 8000 }),
      sequence("same", asked, ["ok"], { contextWindow: 8000 }),
      sequence("smaller", asked, ["ok"], { contextWindow: 6000 }),
      sequence("larger", asked, ["ok"], { contextWindow: 32_000 })
    ]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask())).toBe("answer of larger")
      expect(names(asked)).toBe("a larger")
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("is the caller's error when no larger window is left, and says nothing against a provider", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [tooLong("a")], { contextWindow: 8000 }),
      sequence("b", asked, [tooLong("b")], { contextWindow: 16_000 })
    ]
    return Effect.gen(function* () {
      for (let i = 0; i < 30; i++) {
        expect(errorOf(yield* ask())).toMatchObject({ _tag: "RequestRejected", kind: "context_length", provider: "b" })
      }
      const breaker = yield* Breaker
      expect(breaker.stateOfProvider("a", yield* Clock.currentTimeMillis)).toBe("closed")
      expect(asked).toHaveLength(60)
    }).pipe(withEngine({ providers, config: { ...config, breaker: { minimumCalls: 5 }, aliases: chainOf(providers) } }))
  })

  it.effect("asks a window that nobody knows, once", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [tooLong("a")], { contextWindow: 8000 }), sequence("b", asked, ["ok"])]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask())).toBe("answer of b")
      expect(names(asked)).toBe("a b")
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })
})

describe("retryAfterSeconds", () => {
  it("rounds up to whole seconds, at least one, and is undefined when the error names no time", () => {
    const limited = (retryAfterMs?: number) =>
      new RateLimitExceeded({ limit: "x", detail: "", ...(retryAfterMs === undefined ? {} : { retryAfterMs }) })
    expect(retryAfterSeconds(limited(1))).toBe(1)
    expect(retryAfterSeconds(limited(1001))).toBe(2)
    expect(retryAfterSeconds(limited())).toBeUndefined()
    expect(retryAfterSeconds(new CacheOnlyMiss())).toBeUndefined()
    expect(retryAfterSeconds(rateLimited("a", 60_000))).toBe(60)
    expect(retryAfterSeconds(new StreamTruncated({ provider: "a", model: "m", detail: "" }))).toBeUndefined()
    expect(retryAfterSeconds(new ProviderRateLimited({ provider: "a", model: "m", detail: "" }))).toBeUndefined()
  })
})
