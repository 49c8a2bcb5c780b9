/**
 * The contract of stores of shared limits on memory and on a real Redis, whose scripts are given the test's time.
 */
import { Effect, References } from "effect"
import { afterAll, beforeAll, describe } from "vitest"
import { LimiterMemory } from "../../../engine/src/stores/LimiterMemory.ts"
import * as LimiterRedis from "../../../engine/src/stores/LimiterRedis.ts"
import * as RedisLink from "../../../engine/src/stores/RedisLink.ts"
import { leaseMs, limiterStoreContract, type OpenLimits, startMs } from "../../contracts/LimiterStore.ts"
import { hasRedis, noRedis, type RedisServer, startRedis } from "../../support/redis.ts"

limiterStoreContract(
  "memory",
  Effect.sync((): OpenLimits => {
    let atMs = 0
    const memory = new LimiterMemory({ nowMs: () => startMs + atMs, leaseMs })
    return {
      access: Effect.sync(() => memory.open()),
      setClock: (to) => {
        atMs = to
      }
    }
  })
)

describe.skipIf(!hasRedis)(`on Redis${hasRedis ? "" : ` (${noRedis})`}`, () => {
  let server: RedisServer
  beforeAll(async () => {
    // In cluster mode, so that keys of several slots are refused.
    server = await startRedis({ cluster: true })
  }, 30_000)
  afterAll(() => server.stop())

  limiterStoreContract(
    "Redis",
    Effect.gen(function* () {
      yield* Effect.promise(() => server.command("FLUSHALL"))
      let atMs = 0
      const nowMs = () => startMs + atMs
      return {
        access: RedisLink.make({ url: server.url, timeoutMs: 10_000, startWaitMs: 10_000 }).pipe(
          Effect.provideService(References.MinimumLogLevel, "None"),
          Effect.map((link) => ({
            limits: LimiterRedis.make(link, { nowMs }),
            members: LimiterRedis.makeMembers(link, { nowMs, leaseMs })
          }))
        ),
        setClock: (to: number) => {
          atMs = to
        }
      } satisfies OpenLimits
    })
  )
})
