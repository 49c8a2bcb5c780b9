/**
 * The shared link over Redis.
 *
 * It turns scripts into commands, and answers into what their readers make of them; that Redis is in reach is kept by
 * `RedisUplink.ts`. Each change is logged once. What it says of a failure never holds the password.
 */
import { Effect, type Scope } from "effect"
import { logOf, reasonOf } from "../Log.ts"
import { type SharedLink, SharedUnavailable } from "../SharedLink.ts"
import { RedisUplink, type RedisUplinkOptions } from "./RedisUplink.ts"

export const make = (options: RedisUplinkOptions): Effect.Effect<SharedLink, never, Scope.Scope> =>
  Effect.flatMap(Effect.context<never>(), (context) => {
    const run = Effect.runForkWith(context)
    const onChange = (up: boolean, reason: string) =>
      run(up ? log.info("Redis is in use") : log.warn("Redis is not used", { reason: reasonOf(reason) }))
    return Effect.map(
      Effect.acquireRelease(
        Effect.promise(() => RedisUplink.start(options, onChange)),
        (redis) => Effect.promise(() => redis.close())
      ),
      linkOf
    )
  })

const log = logOf("SharedLink")

const unavailable = (reason: string) => Effect.fail(new SharedUnavailable({ reason }))

const linkOf = (redis: RedisUplink): SharedLink => ({
  instance: redis.instance,
  up: () => redis.pair !== undefined,
  onChange: (told) => {
    redis.told.add(told)
    return () => void redis.told.delete(told)
  },
  run: (script, keys, args) =>
    Effect.callback((resume) => {
      const refusal = redis.refusal()
      const { pair } = redis
      if (refusal !== undefined || pair === undefined) return resume(unavailable(refusal ?? "not connected yet"))
      redis.send(
        pair,
        script,
        keys,
        args,
        (reply) => {
          try {
            resume(Effect.succeed(script.read(reply)))
          } catch (error) {
            resume(
              unavailable(
                `${script.name}: the answer can't be read (${error instanceof Error ? error.name : typeof error})`
              )
            )
          }
        },
        (reason, lost) => resume(unavailable(lost ? reason : `${script.name}: ${reason}`))
      )
    }),
  tell: (script, keys, args) => {
    const { pair } = redis
    if (pair === undefined || redis.refusal() !== undefined) {
      redis.dropped += 1
      return
    }
    redis.send(
      pair,
      script,
      keys,
      args,
      () => {},
      () => {
        redis.dropped += 1
      }
    )
  },
  listen: (channel, on) =>
    Effect.asVoid(
      Effect.acquireRelease(
        Effect.sync(() => redis.listen(channel, on)),
        (stop) => Effect.sync(stop)
      )
    ),
  publish: (channel, text) => redis.publish(channel, text),
  health: () => ({
    healthy: redis.pair !== undefined,
    reason: redis.reason,
    sinceMs: redis.sinceMs,
    roundTripMs: redis.roundTripMs,
    roundTrips: redis.roundTrips,
    dropped: redis.dropped
  })
})
