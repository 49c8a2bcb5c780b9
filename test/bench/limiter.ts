/**
 * Taking and giving back a provider's limits when there is room: what an idle limiter adds to a call. And when there is none:
 * the queue.
 */
import { Effect, Layer, Semaphore } from "effect"
import * as EffectRateLimiter from "effect/persistence/RateLimiter"
import PQueue from "p-queue"
import { RateLimiter } from "../../engine/src/RateLimiter.ts"
import { compare, type Entry } from "./measure.ts"
import { measureQueues } from "./queue.ts"
import { attemptOf, reply, requestOf, routed, success } from "./pipeline.ts"
import type { Options, Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

const perMinute = 100_000_000

/** The theoretical arrival time of the next request: the least that a rate limit can be. */
const gcra = () => {
  const everyMs = 60_000 / perMinute
  let nextMs = 0
  return (): boolean => {
    const now = performance.now()
    if (nextMs - now > 1000) return false
    nextMs = Math.max(nextMs, now) + everyMs
    return true
  }
}

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const admit = gcra()
  const semaphore = Semaphore.makeUnsafe(1000)
  const effectLimiter = await Effect.runPromise(
    Effect.provide(
      EffectRateLimiter.RateLimiter,
      EffectRateLimiter.layer.pipe(Layer.provide(EffectRateLimiter.layerStoreMemory))
    )
  )
  const queue = new PQueue({ concurrency: 1000, interval: 60_000, intervalCap: perMinute })
  const limiter = await Effect.runPromise(
    Effect.scoped(
      Effect.provide(
        RateLimiter,
        RateLimiter.layer({
          providers: [
            {
              name: "openai",
              maxTokens: undefined,
              rateLimits: {
                requestsPerMinute: perMinute,
                tokensPerMinute: perMinute * 1000,
                concurrent: 1000,
                windowMs: 60_000
              }
            }
          ],
          queue: { maxWaiting: 10_000, maxWaitMs: 60_000 }
        })
      )
    )
  )
  const open = limiter.stage(() => reply)
  const request = requestOf(samePrompt)
  const entries: ReadonlyArray<Entry> = [
    {
      name: "GCRA by hand",
      run: (count) => {
        for (let i = 0; i < count; i++) admit()
      }
    },
    {
      name: "Effect Semaphore",
      run: (count) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let i = 0; i < count; i++) yield* semaphore.withPermits(1)(reply)
          })
        )
    },
    {
      name: "Effect RateLimiter",
      run: (count) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let i = 0; i < count; i++) {
              yield* effectLimiter.consume({
                algorithm: "token-bucket",
                window: "1 minute",
                limit: perMinute,
                key: "openai"
              })
            }
          })
        )
    },
    {
      name: "p-queue",
      run: async (count) => {
        for (let i = 0; i < count; i++) await queue.add(() => true)
      }
    },
    {
      name: "Millrace",
      run: (count) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              for (let i = 0; i < count; i++) {
                const attempt = attemptOf(routed(request))
                yield* open(attempt)
                yield* attempt.settlement.run(success)
              }
            })
          )
        ),
      goals: [{ kind: "at-most", value: 3 }],
      note: "concurrency, requests and tokens; reserved and settled"
    }
  ]
  const idle = { title: "Limiter, room for all", unit: "µs", rows: await compare(entries, options) }
  return [idle, ...(await measureQueues(options))]
}
