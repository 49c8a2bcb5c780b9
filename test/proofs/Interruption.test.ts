/**
 * Whoever leaves, whenever: permits and reservations come back (issue 4, "shown by" 1; laws 1 and 5).
 *
 * Thousands of random schedules of calls, whole and interrupted at any time, in the queue, on the way or while the answer
 * comes, over a provider that refuses, fails and takes its time.
 */
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { expect } from "vitest"
import { Engine } from "../../engine/src/Engine.ts"
import { type EngineError, ProviderRateLimited, ProviderServerError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { limits, status, withEngine } from "../support/engine.ts"
import { property } from "../support/property.ts"

const schedule = fc.array(
  fc.record({
    afterMs: fc.nat({ max: 2000 }),
    leavesAfterMs: fc.option(fc.nat({ max: 8000 }), { nil: undefined }),
    tookMs: fc.nat({ max: 4000 }),
    ends: fc.constantFrom("well", "well", "well", "429", "500", "never"),
    maxTokens: fc.option(fc.integer({ min: 1, max: 200 }), { nil: undefined }),
    priority: fc.integer({ min: 0, max: 9 })
  }),
  { minLength: 1, maxLength: 14 }
)

/** Schedules that follow each other in one engine. */
const schedulesPerEngine = 25

const engines = fc.record({
  concurrent: fc.integer({ min: 1, max: 4 }),
  requestsPerMinute: fc.integer({ min: 2, max: 40 }),
  tokensPerMinute: fc.integer({ min: 300, max: 2000 }),
  schedules: fc.array(schedule, { minLength: schedulesPerEngine, maxLength: schedulesPerEngine })
})

const target = { provider: "p", model: "m" }

const endings: { readonly [ends: string]: Effect.Effect<Reply.Reply, EngineError> } = {
  well: Effect.succeed(Reply.whole(completionOf("m", "a b"))),
  "429": Effect.fail(new ProviderRateLimited({ ...target, detail: "429" })),
  "500": Effect.fail(new ProviderServerError({ ...target, detail: "500" }))
}

property(
  "nothing is held when everybody has gone, whenever they left",
  engines,
  ({ schedules, ...rateLimits }) =>
    Effect.gen(function* () {
      let running = 0
      let mostRunning = 0
      const provider = scriptedProvider(
        "p",
        ({ request }) => {
          const { call = "", schedule: number = "" } = request.metadata ?? {}
          const { ends, tookMs } = schedules[Number(number)]![Number(call)]!
          running++
          mostRunning = Math.max(mostRunning, running)
          return Effect.ensuring(
            ends === "never" ? Effect.never : Effect.andThen(Effect.sleep(tookMs), endings[ends]!),
            Effect.sync(() => running--)
          )
        },
        { model: "m", rateLimits: limits({ ...rateLimits, learn: true }), timeoutMs: 5000 }
      )
      yield* Effect.gen(function* () {
        const engine = yield* Engine
        for (const [schedule, calls] of schedules.entries()) {
          const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
          for (const [call, { afterMs, leavesAfterMs, maxTokens, priority }] of calls.entries()) {
            yield* TestClock.adjust(afterMs)
            const generate = engine.generateText({
              prompt: "a few words",
              metadata: { schedule: `${schedule}`, call: `${call}` },
              priority,
              ...(maxTokens === undefined ? {} : { maxTokens })
            })
            const fiber = yield* Effect.forkChild(Effect.exit(generate))
            fibers.push(fiber)
            if (leavesAfterMs !== undefined) {
              yield* Effect.forkChild(Effect.andThen(Effect.sleep(leavesAfterMs), Fiber.interrupt(fiber)))
            }
          }
          for (let i = 0; i < 4; i++) yield* TestClock.adjust(60_000)
          for (const fiber of fibers) yield* Fiber.await(fiber)
          yield* TestClock.adjust("2 minutes")
          const { providers, queue } = yield* status
          const { active, limits: now, queued } = providers[0]!
          expect([active, queued, running, queue.waiting]).toEqual([0, 0, 0, 0])
          expect(mostRunning).toBeLessThanOrEqual(rateLimits.concurrent)
          for (const { available, configured, learned } of Object.values(now)) {
            expect(available).toBe(learned ?? configured)
          }
        }
      }).pipe(withEngine({ providers: [provider], config: { cache: { enabled: false } } }))
    }),
  { runs: 80, timeout: 300_000 }
)
