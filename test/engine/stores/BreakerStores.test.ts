/**
 * The contract of stores of circuits, on memory and on a real Redis.
 */
import { Effect, References } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import * as BreakerRedis from "../../../engine/src/stores/BreakerRedis.ts"
import { BreakerMemory } from "../../../engine/src/stores/BreakerMemory.ts"
import * as RedisLink from "../../../engine/src/stores/RedisLink.ts"
import { breakerStoreContract } from "../../contracts/BreakerStore.ts"
import { severable } from "../../support/shared-flights.ts"
import { hasRedis, noRedis, type RedisServer, startRedis } from "../../support/redis.ts"

breakerStoreContract(
  "memory",
  Effect.sync(() => {
    const memory = new BreakerMemory({ nowMs: () => performance.now() })
    return {
      access: Effect.sync(() => {
        const { reach, store } = memory.access()
        return { store, reach: (up) => Effect.sync(() => reach(up)) }
      }),
      clear: Effect.sync(() => memory.clear())
    }
  }),
  { runs: 100 }
)

if (!hasRedis) console.warn(noRedis)

describe.skipIf(!hasRedis)("Redis", () => {
  let redis: RedisServer
  beforeAll(async () => {
    redis = await startRedis({ cluster: true })
  })
  afterAll(() => redis.stop())

  breakerStoreContract(
    "one node of a cluster",
    Effect.gen(function* () {
      yield* Effect.promise(() => redis.command("FLUSHALL"))
      return {
        access: Effect.gen(function* () {
          const link = yield* RedisLink.make({ url: redis.url, timeoutMs: 2000, startWaitMs: 5000, retryMs: 50 })
          const { link: severed, reach } = severable(link)
          return { store: BreakerRedis.make(severed), reach: (up: boolean) => Effect.sync(() => reach(up)) }
        }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
        clear: Effect.promise(async () => {
          await redis.kill()
          await redis.start()
        })
      }
    }),
    { runs: 15 }
  )
})
