/**
 * Law 11, for the cache that instances share: Redis dies, stands still, answers late or is cut off while calls are under way;
 * no call fails, whoever comes after it was found out does not wait for it, the status says so, and all heals. How long calls
 * took is printed, not asserted: the machine has other work.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { afterAll, beforeAll } from "vitest"
import { Engine } from "../../engine/src/Engine.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { engineLayer, status } from "../support/engine.ts"
import { type Proxy, startProxy } from "../support/proxy.ts"
import { hasRedis, noRedis, type RedisServer, startRedis } from "../support/redis.ts"

if (!hasRedis) console.warn(noRedis)

let redis: RedisServer
let proxy: Proxy
beforeAll(async () => {
  if (!hasRedis) return
  redis = await startRedis()
  proxy = await startProxy(redis.port)
})
afterAll(async () => {
  await proxy?.stop()
  await redis?.stop()
})

/** An instance that gives Redis half a second: what is late on a busy machine is not what is told apart here. */
const instance = Effect.map(
  Effect.suspend(() =>
    Layer.build(
      Layer.fresh(
        engineLayer({
          providers: [scriptedProvider("a", (_, index) => `answer ${index}`, { model: "m" })],
          config: {
            storage: { redis: redis.url.replace(String(redis.port), String(proxy.port)), redisTimeout: 500 }
          }
        })
      )
    )
  ),
  (context) =>
    <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.provideContext(effect, context as never) as Effect.Effect<A, E>
)

type On = Effect.Success<typeof instance>

const ask = (prompt: string) => Engine.generateText({ prompt })

const health = (on: On) => Effect.map(on(status), ({ stores }) => stores.redis!)

const becomes = (on: On, healthy: boolean) =>
  Effect.promise(() =>
    expect
      .poll(() => Effect.runPromise(Effect.map(health(on), (found) => found.healthy)), {
        timeout: 15_000,
        interval: 20
      })
      .toBe(healthy)
  )

/** Calls of ten callers, of which every other one asks what somebody has asked before. */
const load = (on: On, name: string, during: Effect.Effect<unknown>) =>
  Effect.gen(function* () {
    const times: Array<number> = []
    const call = (index: number) =>
      Effect.gen(function* () {
        if (index === 100) yield* during
        const startedMs = performance.now()
        const { content } = yield* on(ask(`${name} ${index % 2 === 0 ? index : index >> 2}`))
        times.push(performance.now() - startedMs)
        return content
      })
    const answers = yield* Effect.forEach(Array.from({ length: 300 }), (_, index) => call(index), { concurrency: 10 })
    expect(answers.every((content) => content.startsWith("answer "))).toBe(true)
    return times
  })

const quantile = (times: ReadonlyArray<number>, share: number) =>
  times.toSorted((a, b) => a - b)[Math.min(times.length - 1, Math.floor(times.length * share))]!.toFixed(1)

const troubles: ReadonlyArray<readonly [string, () => Promise<unknown> | void, () => Promise<unknown> | void]> = [
  ["dies", () => redis.kill(), () => redis.start()],
  ["stands still", () => redis.stall(), () => redis.resume()],
  ["answers 2 s late", () => proxy.delay(2000), () => proxy.delay(0)],
  [
    "is cut off without a word",
    () => proxy.delay(Number.POSITIVE_INFINITY),
    () => {
      proxy.delay(0)
      proxy.cut()
    }
  ]
]

describe.skipIf(!hasRedis)("law 11: Redis", () => {
  it.live.each(troubles)(
    "%s in the middle of load: no call fails, later ones don't wait, and instances share again when it is back",
    ([name, begin, end]) =>
      Effect.gen(function* () {
        const [a, b] = [yield* instance, yield* instance]
        yield* becomes(a, true)
        yield* becomes(b, true)
        const during = yield* load(
          a,
          name,
          Effect.promise(async () => begin())
        )
        yield* becomes(a, false)
        expect((yield* health(a)).reason).not.toBeNull()
        const { roundTrips } = yield* health(a)
        const after = yield* load(a, `after ${name}`, Effect.void)
        // Nobody has asked Redis for anything, so nobody has waited for it.
        expect((yield* health(a)).roundTrips).toBe(roundTrips)
        console.info(
          `Redis ${name}: p50 ${quantile(during, 0.5)} ms, longest ${quantile(during, 1)} ms until it was found out; ` +
            `then p50 ${quantile(after, 0.5)} ms, p99 ${quantile(after, 0.99)} ms`
        )
        yield* Effect.promise(async () => end())
        yield* becomes(a, true)
        yield* becomes(b, true)
        // What was made meanwhile was not shared; what is made now is.
        yield* a(ask(`healed ${name}`))
        yield* Effect.promise(() =>
          expect
            .poll(() => Effect.runPromise(Effect.map(b(ask(`healed ${name}`)), ({ cached }) => cached)), {
              timeout: 15_000
            })
            .toBe(true)
        )
      }).pipe(Effect.scoped)
  )
})
