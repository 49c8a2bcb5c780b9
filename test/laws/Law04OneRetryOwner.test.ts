/**
 * Law 4, one retry owner: one attempt budget and one deadline over all candidates of a request, a process-wide budget of
 * retries, Retry-After honoured, and nothing that retries beside it.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { upstreamAttempts } from "../../engine/src/Call.ts"
import { decode } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import {
  ProviderAuthFailed,
  ProviderQuotaExceeded,
  ProviderUnreachable,
  RequestRejected
} from "../../engine/src/Errors.ts"
import { Retry } from "../../engine/src/Retry.ts"
import { limits, requestOf, samples, status, withEngine } from "../support/engine.ts"
import { property } from "../support/property.ts"
import {
  ask,
  type Asked,
  chainOf,
  contentOf,
  errorOf,
  rateLimited,
  sequence,
  serverError,
  type Step
} from "../support/sequence.ts"
import { startUpstream } from "../support/upstream.ts"

const names = (asked: ReadonlyArray<Asked>): string => asked.map(({ provider }) => provider).join(" ")
const config = { retry: { maxAttempts: 3, baseDelay: 1000, maxDelay: 30_000 }, breaker: { minimumCalls: 1000 } }

describe("the attempt budget", () => {
  it.effect("counts over all candidates and keeps one for each that is left", () => {
    const asked: Array<Asked> = []
    const providers = ["a", "b"].map((name) => sequence(name, asked, [serverError(name)]))
    return Effect.gen(function* () {
      expect(errorOf(yield* ask())).toMatchObject({ _tag: "ProviderServerError" })
      expect(names(asked.slice(0, 2))).toBe("a b")
      expect(asked).toHaveLength(3)
      expect(asked[1]!.atMs).toBe(0)
      expect(asked[2]!.atMs).toBeGreaterThanOrEqual(1000)
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("lets every candidate have its attempt, also when there are more of them than attempts", () => {
    const asked: Array<Asked> = []
    const providers = ["a", "b", "c"].map((name) => sequence(name, asked, [name === "c" ? "ok" : serverError(name)]))
    return Effect.gen(function* () {
      expect(contentOf(yield* ask())).toBe("answer of c")
      expect(asked).toEqual(["a", "b", "c"].map((provider) => ({ provider, atMs: 0 })))
    }).pipe(withEngine({ providers, config: { ...config, retry: { maxAttempts: 1 }, aliases: chainOf(providers) } }))
  })

  const step: fc.Arbitrary<(name: string) => Step> = fc.oneof(
    { weight: 2, arbitrary: fc.constant(() => "ok" as const) },
    { weight: 4, arbitrary: fc.constant((name: string) => serverError(name)) },
    {
      weight: 3,
      arbitrary: fc
        .option(fc.nat({ max: 40_000 }), { nil: undefined })
        .map((ms) => (name: string) => rateLimited(name, ms))
    },
    {
      weight: 1,
      arbitrary: fc.constant((name: string) => new ProviderQuotaExceeded({ provider: name, model: "m", detail: "" }))
    }
  )

  property(
    "is never exceeded, whatever the candidates do; nobody is left out while another could answer",
    fc.record({
      scripts: fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 5 }),
      maxAttempts: fc.integer({ min: 1, max: 6 }),
      timeout: fc.option(fc.integer({ min: 1, max: 60_000 }), { nil: undefined })
    }),
    ({ maxAttempts, scripts, timeout }) => {
      const asked: Array<Asked> = []
      const providers = scripts.map((steps, index) =>
        sequence(
          `p${index}`,
          asked,
          steps.map((make) => make(`p${index}`))
        )
      )
      return Effect.gen(function* () {
        const answer = yield* ask(timeout === undefined ? {} : { timeout }, 400_000)
        expect(asked.length).toBeLessThanOrEqual(Math.max(maxAttempts, providers.length))
        const perProvider = providers.map(({ calls }) => calls.length)
        if (timeout === undefined && answer._tag === "Failure")
          expect(Math.min(...perProvider)).toBeGreaterThanOrEqual(1)
        for (const { atMs } of asked) expect(atMs).toBeLessThanOrEqual(timeout ?? Number.POSITIVE_INFINITY)
        if (answer._tag === "Success") expect((yield* status).totals.errors).toBe(0)
        expect((yield* samples).get('ai_active_requests{provider="p0"}')).toBe(0)
      }).pipe(
        withEngine({
          providers,
          config: { ...config, retry: { ...config.retry, maxAttempts }, aliases: chainOf(providers) }
        })
      )
    },
    { runs: 150, timeout: 120_000 }
  )
})

describe("moving on", () => {
  it.effect.each([
    ["a 429", rateLimited("a", 20_000)],
    ["a 429 without a Retry-After", rateLimited("a")],
    ["a 500", serverError("a")],
    ["a 503 with a Retry-After", serverError("a", 2000)],
    ["a broken connection", new ProviderUnreachable({ provider: "a", model: "m", detail: "ECONNRESET" })]
  ] as const)("goes to the next ready candidate at once after %s, without a pause", ([, fault]) => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [fault]), sequence("b", asked, ["ok"])]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask())).toBe("answer of b")
      expect(asked).toEqual([
        { provider: "a", atMs: 0 },
        { provider: "b", atMs: 0 }
      ])
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("leaves out a candidate whose circuit is open, and one that the provider has paused", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [serverError("a")]),
      sequence("b", asked, [rateLimited("b", 30_000)]),
      sequence("c", asked, ["ok"])
    ]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask({}, 10))).toBe("answer of c")
      expect(names(asked)).toBe("a b c")
      expect(contentOf(yield* ask({}, 10))).toBe("answer of c")
      expect(names(asked)).toBe("a b c c")
    }).pipe(
      withEngine({
        providers,
        config: { ...config, breaker: { minimumCalls: 1 }, retry: { maxAttempts: 1 }, aliases: chainOf(providers) }
      })
    )
  })

  it.effect("leaves out a candidate without room when another has some", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [Effect.never], { rateLimits: limits({ concurrent: 1 }) }),
      sequence("b", asked, ["ok"])
    ]
    return Effect.gen(function* () {
      const engine = yield* Engine
      const busy = yield* Effect.forkChild(engine.generateText({ prompt: "x", model: "a/m" }))
      yield* TestClock.adjust(1)
      expect(contentOf(yield* ask({}, 10))).toBe("answer of b")
      yield* Fiber.interrupt(busy)
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("waits when nobody is ready, for whoever is ready first", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [rateLimited("a", 9000), "ok"]),
      sequence("b", asked, [rateLimited("b", 4000), "ok"])
    ]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask())).toBe("answer of b")
      expect(asked).toEqual([
        { provider: "a", atMs: 0 },
        { provider: "b", atMs: 0 },
        { provider: "b", atMs: 4000 }
      ])
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("gives up on a provider for good when waiting can't help", () => {
    const asked: Array<Asked> = []
    const at = { model: "m", detail: "" }
    const providers = [
      sequence("a", asked, [new ProviderAuthFailed({ provider: "a", ...at })]),
      sequence("b", asked, [new RequestRejected({ provider: "b", kind: "not_found", ...at })]),
      sequence("c", asked, [rateLimited("c", 31_000)]),
      sequence("d", asked, ["ok"])
    ]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask())).toBe("answer of d")
      expect(names(asked)).toBe("a b c d")
    }).pipe(withEngine({ providers, config: { ...config, retry: { maxAttempts: 9 }, aliases: chainOf(providers) } }))
  })

  it.effect("ends at once with the caller's own fault", () => {
    const asked: Array<Asked> = []
    const rejected = new RequestRejected({ provider: "a", model: "m", kind: "invalid_request", detail: "bad" })
    const providers = [sequence("a", asked, [rejected]), sequence("b", asked, ["ok"])]
    return Effect.gen(function* () {
      expect(errorOf(yield* ask())).toMatchObject({ _tag: "RequestRejected", fault: "caller" })
      expect(names(asked)).toBe("a")
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("never leaves a provider that was named", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [serverError("a")]), sequence("b", asked, ["ok"])]
    return Effect.gen(function* () {
      expect(errorOf(yield* ask({ model: "a/m" }))).toMatchObject({ provider: "a" })
      expect(names(asked)).toBe("a a a")
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })
})

describe("Retry-After", () => {
  it.effect("is waited for exactly, and pauses the provider for everybody", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [rateLimited("a", 7000), "ok"])]
    return Effect.gen(function* () {
      const first = yield* Effect.forkChild(ask({}, 1))
      yield* TestClock.adjust(2000)
      const second = yield* Effect.forkChild(Engine.generateText({ prompt: "other", cache: { mode: "bypass" } }))
      yield* TestClock.adjust(10_000)
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      expect(asked.map(({ atMs }) => atMs)).toEqual([0, 7000, 7000])
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("counts for a 5xx too, and is not waited for beyond the longest delay", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [serverError("a", 5000), serverError("a", 30_001), "ok"])]
    return Effect.gen(function* () {
      expect(errorOf(yield* ask())).toMatchObject({ _tag: "ProviderServerError", retryAfterMs: 30_001 })
      expect(asked.map(({ atMs }) => atMs)).toEqual([0, 5000])
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })
})

describe("the deadline", () => {
  it.effect("leaves out a retry that would come too late, and says what really failed", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [rateLimited("a", 7000), "ok"])]
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(Engine.generateText({ prompt: "x", timeout: 7000 })))
      yield* TestClock.adjust(1)
      expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "ProviderRateLimited" })
      expect(yield* Clock.currentTimeMillis).toBe(1)
    }).pipe(withEngine({ providers, config }))
  })

  it.effect("goes to another candidate when a retry in place would come too late", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [serverError("a", 5000)]), sequence("b", asked, ["ok"])]
    return Effect.gen(function* () {
      expect(contentOf(yield* ask({ timeout: 3000 }))).toBe("answer of b")
      expect(asked).toEqual([
        { provider: "a", atMs: 0 },
        { provider: "b", atMs: 0 }
      ])
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })
})

describe("the retry budget", () => {
  const storm = Effect.fnUntraced(function* (calls: number) {
    const fibers = yield* Effect.forEach(Array.from({ length: calls }), () =>
      Effect.forkChild(Effect.result(Engine.generateText({ prompt: "x", model: "chain", cache: { mode: "bypass" } })))
    )
    yield* TestClock.adjust(60_000)
    return yield* Fiber.joinAll(fibers)
  })

  it.effect("is a share of recent calls: a bad day can't multiply load", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [serverError("a")], { rateLimits: limits({ concurrent: 2000, learn: false }) })
    ]
    return Effect.gen(function* () {
      yield* storm(500)
      expect(asked.length).toBeLessThanOrEqual(600)
      expect(asked.length).toBeGreaterThan(560)
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("has a floor of ten retries in ten seconds", () => {
    const asked: Array<Asked> = []
    const providers = [sequence("a", asked, [serverError("a")])]
    return Effect.gen(function* () {
      yield* storm(8)
      expect(asked.length).toBe(18)
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("is not drawn on by going to another provider, and does not stop it when it is spent", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [serverError("a")], { rateLimits: limits({ concurrent: 2000, learn: false }) }),
      sequence("b", asked, ["ok"], { rateLimits: limits({ concurrent: 2000, learn: false }) })
    ]
    return Effect.gen(function* () {
      const answers = yield* storm(200)
      expect(answers.every((answer) => answer._tag === "Success")).toBe(true)
      expect((yield* Retry).recent(0).retries).toBeLessThanOrEqual(40)
      expect(asked.length).toBeLessThanOrEqual(200 + 40 + 200)
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })

  it.effect("is not drawn on by coming back when the provider said to", () => {
    const asked: Array<Asked> = []
    const steps: Array<Step> = [...Array.from({ length: 50 }, () => rateLimited("a", 1000)), "ok"]
    const providers = [sequence("a", asked, steps, { rateLimits: limits({ concurrent: 2000, learn: false }) })]
    return Effect.gen(function* () {
      const answers = yield* storm(50)
      expect(answers.every((answer) => answer._tag === "Success")).toBe(true)
      expect(asked.length).toBe(100)
    }).pipe(withEngine({ providers, config: { ...config, aliases: chainOf(providers) } }))
  })
})

describe("what counts as an attempt", () => {
  it.effect("is a call that reached a provider: refusals by our own limits and open circuits don't", () => {
    const asked: Array<Asked> = []
    const providers = [
      sequence("a", asked, [Effect.never], { rateLimits: limits({ concurrent: 1 }) }),
      sequence("b", asked, [serverError("b")])
    ]
    return Effect.gen(function* () {
      const engine = yield* Engine
      yield* Effect.forkChild(engine.generateText({ prompt: "x", model: "a/m" }))
      yield* TestClock.adjust(1)
      const queued = yield* engine.call(yield* requestOf({ prompt: "y", model: "a/m", timeout: 500 }))
      const waiting = yield* Effect.forkChild(Effect.exit(Effect.scoped(engine.open(queued))))
      yield* TestClock.adjust(500)
      yield* Fiber.join(waiting)
      expect(upstreamAttempts(queued.journal)).toBe(0)
      yield* ask({ model: "b/m" }, 10)
      const open = yield* engine.call(yield* requestOf({ prompt: "z", model: "b/m" }))
      yield* Effect.exit(Effect.scoped(engine.open(open)))
      expect(upstreamAttempts(open.journal)).toBe(0)
      const counted = yield* samples
      expect(counted.get('ai_attempts_total{provider="a",outcome="error"}')).toBe(0)
      expect(counted.get('ai_attempts_total{provider="b",outcome="error"}')).toBe(1)
    }).pipe(withEngine({ providers, config: { breaker: { minimumCalls: 1 }, retry: { maxAttempts: 1 } } }))
  })

  it.live("is one request on the wire: nothing below retries, whatever the upstream does", () =>
    Effect.gen(function* () {
      const responses: ReadonlyArray<Parameters<typeof startUpstream>[0]> = [
        (response) => {
          response.writeHead(500, { "content-type": "application/json" })
          response.end("{}")
        },
        (response) => {
          response.writeHead(503, { "retry-after": "0" })
          response.end()
        },
        (response) => void response.destroy(),
        (response) => {
          response.writeHead(302, { location: "http://127.0.0.1:1/" })
          response.end()
        },
        (response) => {
          response.writeHead(200, { "content-type": "text/html" })
          response.end("<html>")
        }
      ]
      for (const respond of responses) {
        const upstream = yield* Effect.acquireRelease(
          Effect.promise(() => startUpstream(respond)),
          (server) => Effect.promise(server.close)
        )
        const decoded = yield* decode({
          providers: [{ name: "a", kind: "openai-compatible", baseUrl: upstream.url, model: "m" }],
          retry: { maxAttempts: 1 },
          logging: { level: "none" }
        })
        const exit = yield* Effect.exit(
          Effect.provide(Engine.generateText({ prompt: "hello" }), Engine.layerOf(decoded))
        )
        expect(exit._tag).toBe("Failure")
        expect(upstream.requests).toHaveLength(1)
      }
      expect(new ProviderUnreachable({ provider: "a", model: "m", detail: "" }).retryable).toBe(true)
    }).pipe(Effect.scoped)
  )
})
