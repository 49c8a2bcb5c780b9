/**
 * Limits of several instances are those of one (law 5): in virtual time, against a provider that enforces them.
 */
import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, type Scope } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import type { RateLimitExceeded } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { LimiterMemory } from "../../engine/src/stores/LimiterMemory.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { EnforcingProvider, type EnforcingOptions } from "../support/EnforcingProvider.ts"
import { figure } from "../support/flow.ts"
import { attemptAt, type Instance, instanceOf } from "../support/instances.ts"
import { property } from "../support/property.ts"

const shares = [0.7, 0.2, 0.1]

interface World {
  readonly memory: LimiterMemory
  readonly instances: ReadonlyArray<Instance & { readonly reach: (up: boolean) => void }>
  readonly provider: EnforcingProvider
}

const world = (options: Omit<EnforcingOptions, "name">, count = 3): Effect.Effect<World, never, Scope.Scope> =>
  Effect.gen(function* () {
    const clock = yield* Clock.Clock
    const memory = new LimiterMemory({ nowMs: () => clock.currentTimeMillisUnsafe() })
    const provider = new EnforcingProvider({ name: "p", ...options })
    const { concurrent, requestsPerMinute, tokensPerMinute } = options
    const instances = yield* Effect.all(
      Array.from({ length: count }, (_, index) =>
        Effect.gen(function* () {
          const { limits, members, reach } = memory.open()
          const instance = yield* instanceOf({
            name: `i${index}`,
            limits,
            members,
            rateLimits: {
              requestsPerMinute,
              tokensPerMinute,
              ...(concurrent === undefined ? {} : { concurrent }),
              learn: "down"
            },
            provider: provider.provider.open
          })
          return { ...instance, reach }
        })
      )
    )
    // Two beats, so that everybody has counted everybody.
    yield* TestClock.adjust(2000)
    return { memory, instances, provider }
  })

/** Sends calls at an even rate to the instances, unevenly, until the time is over; counts what became of them. */
const traffic = (
  { instances }: World,
  perMinute: number,
  minutes: number,
  size: (i: number) => { prompt: number; output: number }
) =>
  Effect.gen(function* () {
    const ended = { answered: 0, failed: 0, waiting: 0 }
    const producer = Effect.gen(function* () {
      for (let i = 0; i < perMinute * minutes; i++) {
        const at = (i * 0.618_034) % 1
        const index = at < shares[0]! ? 0 : at < shares[0]! + shares[1]! ? 1 : 2
        ended.waiting++
        yield* Effect.forkDetach(
          Effect.onExit(attemptAt(instances[index % instances.length]!, size(i)), (exit) =>
            Effect.sync(() => {
              ended.waiting--
              if (Exit.isSuccess(exit)) ended.answered++
              else ended.failed++
            })
          ).pipe(Effect.exit)
        )
        yield* Effect.sleep(60_000 / perMinute)
      }
    })
    yield* Effect.forkChild(producer)
    return ended
  })

const used = ({ arrived }: EnforcingProvider, fromMs: number, toMs: number) => {
  const passed = arrived.filter(({ atMs, refused }) => !refused && atMs >= fromMs && atMs < toMs)
  return { requests: passed.length, tokens: passed.reduce((sum, { tokens }) => sum + tokens, 0) }
}

const alike = () => ({ prompt: 60, output: 40 })

describe("three instances with one store", () => {
  it.effect("never pass requests a minute, at 150 % load that is spread unevenly, and use 96 % of them", () =>
    Effect.gen(function* () {
      const it = yield* world({ requestsPerMinute: 600, concurrent: 40 })
      const ended = yield* traffic(it, 900, 6, alike)
      yield* TestClock.adjust("6 minutes")
      const share = used(it.provider, 60_000, 360_000).requests / (600 * 5)
      figure(`requests: ${it.provider.refused} 429s, ${(100 * share).toFixed(1)} % used, ${ended.failed} refused by us`)
      expect(it.provider.refused).toBe(0)
      expect(share).toBeGreaterThan(0.96)
      expect(it.provider.mostRunning).toBeLessThanOrEqual(40)
    })
  )

  it.effect("never pass tokens a minute of mixed sizes, nor calls at once, and use 95 % of them", () =>
    Effect.gen(function* () {
      const it = yield* world({ tokensPerMinute: 60_000, concurrent: 12, latencyMs: (output) => 300 + 5 * output })
      yield* traffic(it, 600, 6, (i) => ({ prompt: 20 + ((i * 7919) % 160), output: 10 + ((i * 104_729) % 120) }))
      yield* TestClock.adjust("6 minutes")
      const share = used(it.provider, 60_000, 360_000).tokens / (60_000 * 5)
      figure(`tokens: ${it.provider.refused} 429s, ${(100 * share).toFixed(1)} % used`)
      expect(it.provider.refused).toBe(0)
      expect(share).toBeGreaterThan(0.95)
    })
  )

  for (const lost of [false, true]) {
    it.effect(
      `keep within the limit while the store is away for two minutes and when it is back${lost ? " empty" : ""}`,
      () =>
        Effect.gen(function* () {
          const it = yield* world({ requestsPerMinute: 600, tokensPerMinute: 60_000, concurrent: 40 })
          yield* traffic(it, 900, 8, alike)
          yield* TestClock.adjust("3 minutes")
          for (const [index, { reach }] of it.instances.entries()) {
            yield* TestClock.adjust(30 * index)
            reach(false)
          }
          if (lost) it.memory.clear()
          yield* TestClock.adjust("2 minutes")
          expect(it.instances.map(({ shared }) => shared.status()?.mode)).toEqual(["share", "share", "share"])
          const nowMs = yield* Clock.currentTimeMillis
          const alone = used(it.provider, nowMs - 60_000, nowMs).requests
          for (const { reach } of it.instances) {
            yield* TestClock.adjust(700)
            reach(true)
          }
          yield* TestClock.adjust("3 minutes")
          expect(it.instances.map(({ shared }) => shared.status()?.mode)).toEqual(["shared", "shared", "shared"])
          const healed = used(it.provider, nowMs + 90_000, nowMs + 150_000).requests
          figure(
            `away${lost ? ", lost" : ""}: ${it.provider.refused} 429s, ${alone} of 600 a minute alone, ${healed} after it`
          )
          expect(it.provider.refused).toBe(0)
          // The first instance has 70 % of the calls and a third of the limit; the others send what comes.
          expect(alone).toBeGreaterThan(400)
          expect(healed).toBeGreaterThan(0.95 * 600)
        })
    )
  }

  it.effect("a store that is never away for longer than a beat costs no request", () =>
    Effect.gen(function* () {
      const it = yield* world({ requestsPerMinute: 600, concurrent: 40 })
      const ended = yield* traffic(it, 300, 3, alike)
      for (let i = 0; i < 30; i++) {
        yield* TestClock.adjust(5000)
        const { reach } = it.instances[i % 3]!
        reach(false)
        yield* TestClock.adjust(900)
        reach(true)
      }
      yield* TestClock.adjust("2 minutes")
      expect(ended).toEqual({ answered: 900, failed: 0, waiting: 0 })
      expect(it.provider.refused).toBe(0)
    })
  )

  it.effect("at half of the limit nobody waits, also while the store is away", () =>
    Effect.gen(function* () {
      const it = yield* world({ requestsPerMinute: 600, tokensPerMinute: 60_000, concurrent: 40 })
      const slow: Array<number> = []
      const send = Effect.gen(function* () {
        for (let i = 0; i < 300 * 5; i++) {
          const begunAt = yield* Clock.currentTimeMillis
          const ended = Effect.map(Clock.currentTimeMillis, (at) => {
            // The way there and the answer take 825 ms at most; a fiber may begin one step of the clock late.
            if (at - begunAt > 1030) slow.push(at - begunAt)
          })
          yield* Effect.forkDetach(Effect.ensuring(attemptAt(it.instances[i % 3]!, alike()), ended).pipe(Effect.exit))
          yield* Effect.sleep(200)
        }
      })
      yield* Effect.forkChild(send)
      yield* TestClock.adjust("2 minutes")
      for (const { reach } of it.instances) reach(false)
      yield* TestClock.adjust("2 minutes")
      for (const { reach } of it.instances) reach(true)
      yield* TestClock.adjust("2 minutes")
      expect(it.provider.accepted).toBe(1500)
      expect(it.provider.refused).toBe(0)
      expect(slow).toEqual([])
    })
  )

  it.effect("what an instance holds that has died is free after its lease", () =>
    Effect.gen(function* () {
      const it = yield* world({ concurrent: 4, latencyMs: () => 3_600_000 }, 2)
      const [dead, alive] = it.instances as [World["instances"][number], World["instances"][number]]
      for (let i = 0; i < 4; i++) yield* Effect.forkChild(Effect.exit(attemptAt(dead, alike())))
      yield* TestClock.adjust(100)
      expect(it.provider.running).toBe(4)
      // It does nothing any more; its calls end with its connections.
      dead.reach(false)
      it.provider.running = 0
      const fiber = yield* Effect.forkChild(attemptAt(alive, alike()))
      yield* TestClock.adjust(10_000)
      expect(it.provider.running).toBe(0)
      yield* TestClock.adjust(7000)
      expect(it.provider.running).toBe(1)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect("whoever can't be served in time is refused at once, with when to come again", () =>
    Effect.gen(function* () {
      const it = yield* world({ tokensPerMinute: 1000 }, 2)
      yield* Effect.forkChild(attemptAt(it.instances[0]!, { prompt: 900, output: 0 }))
      yield* TestClock.adjust(30_000)
      const hurried = attemptAt(it.instances[1]!, { prompt: 990, output: 0 }, 20_000)
      const refused = yield* Effect.forkChild(Effect.flip(hurried))
      yield* TestClock.adjust(0)
      const error = yield* Fiber.join(refused)
      expect(error).toMatchObject({ _tag: "RateLimitExceeded", limit: "p rate limit" })
      const { retryAfterMs } = error as RateLimitExceeded
      expect(retryAfterMs).toBeGreaterThan(29_000)
      expect(retryAfterMs).toBeLessThan(32_000)
      const patient = yield* Effect.forkChild(attemptAt(it.instances[1]!, { prompt: 990, output: 0 }, 40_000))
      yield* TestClock.adjust(retryAfterMs! + 2000)
      expect(yield* Fiber.join(patient)).toBeUndefined()
      expect(it.provider.refused).toBe(0)
    })
  )

  it.effect("a pause that a provider asks one instance for holds for all", () =>
    Effect.gen(function* () {
      const it = yield* world({ requestsPerMinute: 600, concurrent: 40, retryAfterSeconds: 20 }, 2)
      it.provider.limits.requestsPerMinute = 0
      const error = yield* Effect.forkChild(Effect.flip(attemptAt(it.instances[0]!, alike())))
      yield* TestClock.adjust(1000)
      expect((yield* Fiber.join(error))._tag).toBe("ProviderRateLimited")
      const nowMs = yield* Clock.currentTimeMillis
      const leftMs = it.instances[1]!.limiter.pausedUntilMs("p") - nowMs
      expect(leftMs).toBeGreaterThan(18_000)
      expect(leftMs).toBeLessThanOrEqual(20_000)
    })
  )
})

type Event =
  | {
      readonly do: "call"
      readonly at: number
      readonly tokens: number
      readonly lastsMs: number
      readonly leavesMs: number
    }
  | { readonly do: "wait"; readonly ms: number }
  | { readonly do: "reach"; readonly at: number; readonly up: boolean }

const event: fc.Arbitrary<Event> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant("call" as const),
      at: fc.nat({ max: 2 }),
      tokens: fc.integer({ min: 1, max: 300 }),
      lastsMs: fc.integer({ min: 0, max: 5000 }),
      leavesMs: fc.oneof(fc.constant(Infinity), fc.integer({ min: 0, max: 5000 }))
    })
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 1, max: 3000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("reach" as const), at: fc.nat({ max: 2 }), up: fc.boolean() })
  }
)

property(
  "whatever comes, leaves or is cut off: every call ends, and nothing stays held",
  fc.array(event, { minLength: 10, maxLength: 60 }),
  (events) =>
    Effect.gen(function* () {
      const clock = yield* Clock.Clock
      const memory = new LimiterMemory({ nowMs: () => clock.currentTimeMillisUnsafe() })
      const instances = yield* Effect.all(
        [0, 1, 2].map((index) =>
          Effect.gen(function* () {
            const { limits, members, reach } = memory.open()
            const instance = yield* instanceOf({
              name: `i${index}`,
              limits,
              members,
              rateLimits: { requestsPerMinute: 60, tokensPerMinute: 3000, concurrent: 4 },
              provider: (call) =>
                Effect.as(
                  Effect.sleep(Number(call.request.metadata?.["output"])),
                  Reply.whole(completionOf("m", "x", { uncachedInput: 1, output: 0 }))
                )
            })
            return { ...instance, limits, reach }
          })
        )
      )
      let open = 0
      for (const each of events) {
        if (each.do === "wait") yield* TestClock.adjust(each.ms)
        else if (each.do === "reach") instances[each.at]!.reach(each.up)
        else {
          open++
          const asked = { prompt: each.tokens, output: each.lastsMs, maxTokens: 10 }
          const fiber = yield* Effect.forkDetach(
            Effect.onExit(attemptAt(instances[each.at]!, asked), () => Effect.sync(() => open--)).pipe(Effect.exit)
          )
          if (each.leavesMs !== Infinity) {
            yield* Effect.forkDetach(Effect.andThen(Effect.sleep(each.leavesMs), Fiber.interrupt(fiber)))
          }
        }
      }
      for (const { reach } of instances) reach(true)
      yield* TestClock.adjust("5 minutes")
      expect(open).toBe(0)
      for (const { limits, limiter, shared } of instances) {
        expect(limiter.status("p", clock.currentTimeMillisUnsafe())).toMatchObject({ active: 0, queued: 0 })
        expect(shared.status()).toMatchObject({ mode: "shared", waiting: 0, instances: 3 })
        const member = instances[0]!.beat.member()
        const verdict = yield* limits.admit({ member, places: [{ scope: "at p", concurrent: 4 }], rates: [] })
        expect(verdict).toMatchObject({ _tag: "Granted", active: [1] })
        limits.giveBack({ member, places: ["at p"], rates: [], scopes: [] })
      }
    }),
  { runs: 40, timeout: 120_000 }
)
