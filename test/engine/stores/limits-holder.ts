/**
 * A process that takes places of a shared limit and holds them until it is killed: `limits-holder.ts url leaseMs places`.
 */
import { Effect, References } from "effect"
import { SharedBeat } from "../../../engine/src/SharedBeat.ts"
import * as LimiterRedis from "../../../engine/src/stores/LimiterRedis.ts"
import * as RedisLink from "../../../engine/src/stores/RedisLink.ts"

const [url = "", leaseMs = "", places = ""] = process.argv.slice(2)

const program = Effect.gen(function* () {
  const link = yield* RedisLink.make({ url, timeoutMs: 5000, startWaitMs: 10_000 })
  const members = LimiterRedis.makeMembers(link, { leaseMs: Number(leaseMs) })
  const beat = yield* SharedBeat.make({ instance: link.instance, store: members })
  const limits = LimiterRedis.make(link)
  for (let i = 0; i < Number(places); i++) {
    const ask = { member: beat.member(), places: [{ scope: "at p", concurrent: Number(places) }], rates: [] }
    const verdict = yield* limits.admit(ask)
    if (verdict._tag !== "Granted") throw new Error(verdict._tag)
  }
  process.stdout.write("held\n")
  yield* Effect.never
})

Effect.runFork(Effect.provideService(Effect.scoped(program), References.MinimumLogLevel, "None"))
