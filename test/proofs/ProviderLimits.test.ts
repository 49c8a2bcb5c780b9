/**
 * No provider limit is ever broken (issue 4, "shown by" 1): 24 virtual hours of real arrivals through the whole engine.
 *
 * `MILLRACE_LONG=1` runs the larger traces as well.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect } from "effect"
import { type Counting, EnforcingProvider } from "../support/EnforcingProvider.ts"
import { status } from "../support/engine.ts"
import { type Ask, type ConfiguredLimits, figure, flowLayer, run, steady } from "../support/flow.ts"
import { arrivals, hasTraces, tokensPerMinute } from "../support/traces.ts"

/** Half of the callers name a bound, the power of two over what comes; every fifth call is batch work. */
const asksOf = (list: ReadonlyArray<Omit<Ask, "maxTokens" | "priority">>): ReadonlyArray<Ask> =>
  list.map((arrival, index) => ({
    ...arrival,
    ...(index % 2 === 0 ? {} : { maxTokens: 2 ** Math.ceil(Math.log2(arrival.outputTokens + 1)) }),
    priority: index % 5 === 0 ? "batch" : "interactive"
  }))

/** The order in which calls of a class are sent is the order in which they came. */
const expectFirstComeFirstServed = (provider: EnforcingProvider, classOf: (index: number) => string): void => {
  const last = new Map<string, number>()
  for (const index of provider.sent) {
    const name = classOf(index)
    expect(index).toBeGreaterThan(last.get(name) ?? -1)
    last.set(name, index)
  }
}

const expectNothingHeld = Effect.gen(function* () {
  const { providers, queue } = yield* status
  expect(queue.waiting).toBe(0)
  expect(providers[0]!.active).toBe(0)
  const { concurrent } = providers[0]!.limits
  expect(concurrent.available).toBe(concurrent.configured)
})

interface Day {
  readonly trace: "code" | "conv"
  readonly hours: number
  readonly stretch: number
  readonly load: number
  readonly headers: boolean
}

const day = ({ headers, hours, load, stretch, trace }: Day) =>
  Effect.gen(function* () {
    const list = arrivals(trace, { hours, stretch })
    const limit = Math.round(tokensPerMinute(list, hours) / load)
    const provider = new EnforcingProvider({
      name: "p",
      tokensPerMinute: limit,
      concurrent: 64,
      headers,
      // 500 tokens a second.
      latencyMs: (outputTokens) => 300 + 2 * outputTokens
    })
    const configured: ConfiguredLimits = { tokensPerMinute: limit, concurrent: 64, learn: headers ? true : "down" }
    yield* Effect.gen(function* () {
      const asks = asksOf(list)
      const flow = yield* run(asks, hours)
      const failed = [...flow.failed.values()].reduce((sum, count) => sum + count, 0)
      const used = provider.arrived.reduce((sum, { atMs, tokens }) => sum + (atMs < hours * 3_600_000 ? tokens : 0), 0)
      const share = used / (limit * hours * 60)
      figure(
        `${trace} ${load * 100} %: ${list.length} calls, ${provider.refused} 429s, ${(100 * share).toFixed(2)} % of ${limit} tokens a minute`
      )
      expect(provider.refused).toBe(0)
      expect(flow.answered + failed).toBe(list.length)
      expect([...flow.failed.keys()].filter((tag) => tag !== "RateLimitExceeded")).toEqual([])
      expectFirstComeFirstServed(provider, (index) => asks[index]!.priority!)
      expect(provider.mostRunning).toBeLessThanOrEqual(64)
      if (load > 1) expect(share).toBeGreaterThanOrEqual(0.97)
      if (load < 1) expect(flow.failed.size).toBe(0)
      yield* expectNothingHeld
    }).pipe(Effect.provide(flowLayer(provider, configured, 600_000)))
  })

const long = process.env["MILLRACE_LONG"] === "1"

describe.skipIf(!hasTraces)("24 hours of real arrivals", () => {
  const days: ReadonlyArray<Day> = [
    { trace: "conv", hours: 24, stretch: 24, load: 0.5, headers: false },
    { trace: "code", hours: 24, stretch: 12, load: 1, headers: true },
    { trace: "conv", hours: 24, stretch: 4, load: 1.5, headers: true },
    ...(long
      ? [
          { trace: "conv", hours: 24, stretch: 2, load: 0.5, headers: false } as const,
          { trace: "conv", hours: 24, stretch: 2, load: 1, headers: false } as const,
          { trace: "conv", hours: 24, stretch: 2, load: 1.5, headers: false } as const,
          { trace: "code", hours: 24, stretch: 1, load: 1.5, headers: true } as const
        ]
      : [])
  ]
  for (const one of days) {
    it.effect(
      `${one.trace} at ${one.load * 100} % of the limit: no 429, nobody lost, first come first served`,
      () => day(one),
      600_000
    )
  }
})

describe("however the provider counts", () => {
  const countings: ReadonlyArray<readonly [Counting, string]> = [
    ["sliding", "any minute"],
    ["seconds", "a bucket of two seconds"],
    ["bucket", "a bucket of a minute"],
    ["minutes", "calendar minutes"]
  ]
  for (const [counting, name] of countings) {
    for (const learn of counting === "sliding" ? (["down", true] as const) : (["down"] as const)) {
      it.effect(
        `600 requests a minute at 150 % by ${name}, learn ${learn}: no 429, 97 % used`,
        () =>
          Effect.gen(function* () {
            const provider = new EnforcingProvider({
              name: "p",
              requestsPerMinute: 600,
              tokensPerMinute: 600_000,
              counting,
              headers: learn === true
            })
            const minutes = 10
            yield* Effect.gen(function* () {
              yield* run(steady(900, minutes, { promptTokens: 80, outputTokens: 20, maxTokens: 20 }), minutes / 60)
              const within = provider.arrived.filter(({ atMs }) => atMs < minutes * 60_000).length
              expect(provider.refused).toBe(0)
              expect(within / (600 * minutes)).toBeGreaterThanOrEqual(0.97)
              yield* expectNothingHeld
            }).pipe(
              Effect.provide(flowLayer(provider, { requestsPerMinute: 600, tokensPerMinute: 600_000, learn }, 5000))
            )
          }),
        120_000
      )
    }
  }

  it.effect(
    "600 requests a minute at 150 % by calendar seconds: bursts are learned to be smaller",
    () =>
      Effect.gen(function* () {
        const provider = new EnforcingProvider({ name: "p", requestsPerMinute: 600, counting: "calendar seconds" })
        const minutes = 10
        yield* Effect.gen(function* () {
          yield* run(steady(900, minutes, { promptTokens: 80, outputTokens: 20, maxTokens: 20 }), minutes / 60)
          const within = provider.arrived.filter(({ atMs, refused }) => !refused && atMs < minutes * 60_000).length
          expect(provider.refused / within).toBeLessThanOrEqual(0.005)
          expect(within / (600 * minutes)).toBeGreaterThanOrEqual(0.85)
        }).pipe(Effect.provide(flowLayer(provider, { requestsPerMinute: 600, learn: "down" }, 5000)))
      }),
    120_000
  )
})
