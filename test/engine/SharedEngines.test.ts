/**
 * Whole engines that share one Redis by their configuration alone: one upstream call for identical calls, circuits that open
 * everywhere, and what a call costs in round trips.
 */
import { Context, Effect, Exit, Fiber, Layer, type Scope } from "effect"
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest"
import { Breaker } from "../../engine/src/Breaker.ts"
import { Cache } from "../../engine/src/Cache.ts"
import type { Engine } from "../../engine/src/Engine.ts"
import { ProviderServerError } from "../../engine/src/Errors.ts"
import type { Services } from "../../engine/src/Live.ts"
import { Shared } from "../../engine/src/LiveShared.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { connected, Connections, engineLayer, finish, limits, paced, text } from "../support/engine.ts"
import { caller, gists, rowsOf } from "../support/flights.ts"
import { hasRedis, noRedis, type RedisServer, startRedis } from "../support/redis.ts"

if (!hasRedis) console.warn(noRedis)

describe.skipIf(!hasRedis)("engines of one Redis", () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.stop())
  beforeEach(async () => void (await redis.command("FLUSHALL")))

  const run = <A, E>(body: Effect.Effect<A, E, Scope.Scope>): Promise<A> => Effect.runPromise(Effect.scoped(body))

  const until = (what: string, holds: () => boolean | Promise<boolean>): Effect.Effect<void> =>
    Effect.promise(() => expect.poll(holds, { timeout: 10_000, interval: 5, message: what }).toBe(true))

  /** An engine of its own over the same Redis; `use` runs something in it. */
  const engine = (script: Parameters<typeof connected>[2], connections: Connections) =>
    Effect.gen(function* () {
      const context = yield* Layer.build(
        engineLayer({
          providers: [connected("a", connections, script, { rateLimits: limits({ concurrent: 64 }) })],
          config: {
            storage: { database: "memory", redis: redis.url, redisTimeout: 2000 },
            breaker: { failureRate: 0.5, minimumCalls: 4 },
            retry: { maxAttempts: 1 }
          }
        })
      )
      const { link } = Context.get(context, Shared)
      yield* until("it is connected", () => link!.up())
      return {
        link: link!,
        context,
        use: <A, E, R extends Engine | Services | Scope.Scope>(effect: Effect.Effect<A, E, R>) =>
          Effect.provideContext(effect, context) as Effect.Effect<A, E, Exclude<R, Engine | Services>>
      }
    })

  const streamed = () => Effect.succeed(Reply.parts(paced([text("one "), text("two"), finish()], Effect.sleep(60))))

  it("make one call for identical ones, whole and streamed; later ones are hits everywhere", () =>
    run(
      Effect.gen(function* () {
        const connections = new Connections()
        const [a, b, c] = yield* Effect.all([1, 2, 3].map(() => engine(streamed, connections)))
        const prompt = { prompt: "shared" }
        const first = yield* a!.use(caller({ stream: true, ...prompt }))
        yield* until("it is upstream", () => connections.opened === 1)
        const others = [
          yield* a!.use(caller({ stream: false, ...prompt })),
          yield* b!.use(caller({ stream: true, ...prompt })),
          yield* b!.use(caller({ stream: false, ...prompt })),
          yield* c!.use(caller({ stream: false, ...prompt }))
        ]
        expect(yield* gists([first, ...others])).toEqual(Array(5).fill("one two"))
        expect(connections.opened).toBe(1)
        const rows = [
          ...(yield* a!.use(rowsOf([first, others[0]!]))),
          ...(yield* b!.use(rowsOf(others.slice(1, 3)))),
          ...(yield* c!.use(rowsOf(others.slice(3))))
        ]
        expect(rows.map(({ attempts, cache, costUsd }) => [cache, attempts, costUsd === 0])).toEqual([
          ["miss", 1, false],
          ["coalesced", 0, true],
          ["coalesced", 0, true],
          ["coalesced", 0, true],
          ["coalesced", 0, true]
        ])
        for (const each of [a!, b!, c!]) {
          const trips = each.link.health().roundTrips
          const again = yield* each.use(caller({ stream: false, ...prompt }))
          expect(yield* gists([again])).toEqual(["one two"])
          expect((yield* each.use(rowsOf([again])))[0]!.cache).toBe("hit")
          expect(each.link.health().roundTrips - trips).toBeLessThanOrEqual(1)
        }
        const late = yield* engine(streamed, connections)
        // It trusts no entry before it knows what was taken out.
        yield* late.use(Effect.flatMap(Cache, ({ shared }) => shared!.store.flush))
        const found = yield* late.use(caller({ stream: false, ...prompt }))
        expect(yield* gists([found])).toEqual(["one two"])
        expect((yield* late.use(rowsOf([found])))[0]!.cache).toBe("hit")
        expect(connections.opened).toBe(1)
      })
    ))

  it("open a circuit everywhere", () =>
    run(
      Effect.gen(function* () {
        const connections = new Connections()
        const failing = () => Effect.fail(new ProviderServerError({ provider: "a", model: "scripted", detail: "500" }))
        const [a, b] = yield* Effect.all([engine(failing, connections), engine(failing, connections)])
        for (let i = 0; i < 4; i++) {
          const asked = yield* a!.use(caller({ prompt: `fails ${i}` }))
          expect(Exit.isFailure(yield* Fiber.await(asked.fiber))).toBe(true)
        }
        const state = Effect.map(Breaker, (breaker) => breaker.stateOfProvider("a", Date.now()))
        expect(yield* a!.use(state)).toBe("open")
        yield* until("it is open at the other", async () => (await Effect.runPromise(b!.use(state))) === "open")
        expect(yield* gists([yield* b!.use(caller({ prompt: "refused" }))])).toEqual(["CircuitOpen"])
        expect(connections.opened).toBe(4)
      })
    ))

  it("answer as before while Redis is away", () =>
    run(
      Effect.gen(function* () {
        const connections = new Connections()
        const whole = () => Effect.succeed(Reply.whole(completionOf("scripted", "whole")))
        const [a, b] = yield* Effect.all([engine(whole, connections), engine(whole, connections)])
        yield* Effect.promise(() => redis.kill())
        yield* until("both know", () => !a!.link.up() && !b!.link.up())
        const asked = [yield* a!.use(caller({ prompt: "alone" })), yield* b!.use(caller({ prompt: "alone" }))]
        expect(yield* gists(asked)).toEqual(["whole", "whole"])
        expect(connections.opened).toBe(2)
        yield* Effect.promise(() => redis.start())
      })
    ))
})
