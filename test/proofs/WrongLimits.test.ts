/**
 * Limits that are configured wrong heal by themselves (issue 4, "shown by" 2): through the whole engine, in virtual time.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { EnforcingProvider, type EnforcingOptions } from "../support/EnforcingProvider.ts"
import { status } from "../support/engine.ts"
import { type ConfiguredLimits, figure, flowLayer, run, steady } from "../support/flow.ts"

const minuteMs = 60_000
const minutes = 30

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`

interface Case {
  readonly name: string
  readonly provider: Omit<EnforcingOptions, "name">
  readonly configured: ConfiguredLimits
  /** True limit of requests per minute, the one that binds. */
  readonly truth: number
  readonly tokens?: number
  /** Changes the provider while it runs. */
  readonly meanwhile?: (provider: EnforcingProvider) => Effect.Effect<unknown>
}

/** Twice of what is allowed is asked for, for half an hour. */
const outcome = ({ configured, meanwhile, provider: options, tokens = 100, truth }: Case) =>
  Effect.gen(function* () {
    const provider = new EnforcingProvider({ name: "p", ...options })
    return yield* Effect.gen(function* () {
      const asks = steady(2 * truth, minutes, { promptTokens: tokens - 20, outputTokens: 20, maxTokens: 20 })
      const other = meanwhile === undefined ? undefined : yield* Effect.forkChild(meanwhile(provider))
      yield* run(asks, minutes / 60)
      if (other !== undefined) yield* Fiber.interrupt(other)
      const within = provider.arrived.filter(({ atMs }) => atMs < minutes * minuteMs)
      const perMinute = Array.from({ length: minutes }, () => 0)
      for (const { atMs, refused } of within) if (!refused) perMinute[Math.floor(atMs / minuteMs)]!++
      const settled = perMinute.slice(3)
      return {
        provider,
        refusedShare: within.filter(({ refused }) => refused).length / within.length,
        /** Of what is allowed, from the end of the third minute on. */
        share: settled.reduce((sum, count) => sum + count, 0) / (settled.length * truth),
        perMinute,
        limits: (yield* status).providers[0]!.limits
      }
    }).pipe(Effect.provide(flowLayer(provider, configured, 10_000)))
  })

const heals = (scenario: Case, refusedMost = 0.005) =>
  it.effect(
    scenario.name,
    () =>
      Effect.gen(function* () {
        const { refusedShare, share } = yield* outcome(scenario)
        figure(`${scenario.name}: ${percent(refusedShare)} 429s, ${percent(share)} of the limit after three minutes`)
        expect(refusedShare).toBeLessThanOrEqual(refusedMost)
        expect(share).toBeGreaterThanOrEqual(0.95)
      }),
    60_000
  )

describe("limits that are configured wrong", () => {
  for (const headers of [true, false]) {
    const told = headers ? "the provider tells its limits" : "the provider tells nothing"
    for (const retryAfterSeconds of headers ? [undefined] : [undefined, 1]) {
      const asks = retryAfterSeconds === undefined ? "" : ` but Retry-After`
      const provider = { headers, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
      for (const [factor, how] of [
        [2, "twice"],
        [0.5, "half"]
      ] as const) {
        heals({
          name: `requests: ${how} the true limit, ${told}${asks}`,
          provider: { ...provider, requestsPerMinute: 60 },
          configured: { requestsPerMinute: 60 * factor, learn: headers ? true : "probe" },
          truth: 60
        })
        heals({
          name: `tokens: ${how} the true limit, ${told}${asks}`,
          provider: { ...provider, tokensPerMinute: 60_000 },
          configured: { tokensPerMinute: 60_000 * factor, learn: headers ? true : "probe" },
          truth: 60,
          tokens: 1000
        })
      }
    }
    heals({
      name: `no limit is configured, ${told}`,
      provider: { headers, requestsPerMinute: 60 },
      configured: {},
      truth: 60
    })
  }

  heals({
    name: "calls at once: 64 are configured, 4 are allowed",
    provider: { concurrent: 4, latencyMs: () => 2000 },
    configured: { concurrent: 64 },
    truth: 118
  })

  for (const headers of [true, false]) {
    heals({
      name: `the limit falls by a third in the middle of a run, ${headers ? "with" : "without"} headers`,
      provider: { headers, requestsPerMinute: 90 },
      configured: { requestsPerMinute: 90 },
      truth: 60,
      meanwhile: (provider) =>
        Effect.andThen(
          Effect.sleep("2 minutes"),
          Effect.sync(() => (provider.limits = { ...provider.limits, requestsPerMinute: 60 }))
        )
    })
  }

  heals({
    name: "the limit rises in the middle of a run, with headers",
    provider: { headers: true, requestsPerMinute: 30 },
    configured: { requestsPerMinute: 30 },
    truth: 60,
    meanwhile: (provider) =>
      Effect.andThen(
        Effect.sleep("2 minutes"),
        Effect.sync(() => (provider.limits = { ...provider.limits, requestsPerMinute: 60 }))
      )
  })

  for (const share of [0.3, 0.5]) {
    it.effect(
      `a key that another client uses to ${100 * share} %: what it leaves is used, and hardly anything refused`,
      () =>
        Effect.gen(function* () {
          let taken = 0
          const { refusedShare, share: own } = yield* outcome({
            name: "shared",
            provider: { headers: true, requestsPerMinute: 120 },
            configured: { requestsPerMinute: 120 },
            truth: 120,
            meanwhile: (provider) =>
              Effect.gen(function* () {
                for (;;) {
                  yield* Effect.sleep(60_000 / (120 * share))
                  if (provider.useElsewhere(0, yield* Clock.currentTimeMillis)) taken++
                }
              })
          })
          const others = taken / (minutes * 120)
          figure(
            `key shared with a client that wants ${percent(share)}: ${percent(refusedShare)} 429s, it gets ${percent(others)}, we ${percent(own)}`
          )
          // Of half a key the other client takes in bursts what nobody could know of.
          expect(refusedShare).toBeLessThanOrEqual(share > 0.3 ? 0.0075 : 0.005)
          expect(others).toBeGreaterThanOrEqual(0.95 * share)
          expect(others + own).toBeGreaterThanOrEqual(0.9)
        }),
      60_000
    )
  }

  it.effect("down: a configured limit is never exceeded, whatever the provider allows", () =>
    Effect.gen(function* () {
      const half = yield* outcome({
        name: "half",
        provider: { headers: true, requestsPerMinute: 60 },
        configured: { requestsPerMinute: 30, learn: "down" },
        truth: 60
      })
      expect(half.refusedShare).toBe(0)
      expect(Math.max(...half.perMinute)).toBeLessThanOrEqual(30)
    })
  )

  it.effect("down: refusals still lower a configured limit", () =>
    Effect.gen(function* () {
      const twice = yield* outcome({
        name: "twice",
        provider: { requestsPerMinute: 60 },
        configured: { requestsPerMinute: 120, learn: "down" },
        truth: 60
      })
      expect(twice.refusedShare).toBeLessThanOrEqual(0.005)
      expect(twice.share).toBeGreaterThanOrEqual(0.95)
    })
  )

  it.effect("off: the configured limit stands, whatever the provider says", () =>
    Effect.gen(function* () {
      const { limits, provider } = yield* outcome({
        name: "off",
        provider: { headers: true, requestsPerMinute: 60 },
        configured: { requestsPerMinute: 30, learn: false },
        truth: 60
      })
      expect(provider.refused).toBe(0)
      expect(limits.requestsPerMinute).toMatchObject({ configured: 30, learned: null })
    })
  )
})
