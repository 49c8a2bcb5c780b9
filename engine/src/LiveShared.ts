/**
 * The state that instances share, as the configuration asks for it: a link to Redis with its beat, or none.
 *
 * Whatever is made over the link is made anew with it, so its part of the configuration, by which it is kept over a reload,
 * holds `redisPart` too.
 */
import { Context, Effect, Layer } from "effect"
import type { RedisStatus } from "./AdminAnswers.ts"
import type { EngineConfig } from "./Config.ts"
import { Metrics } from "./Metrics.ts"
import { RateLimiter } from "./RateLimiter.ts"
import { SharedBeat } from "./SharedBeat.ts"
import { SharedLimits } from "./SharedLimits.ts"
import type { SharedLink } from "./SharedLink.ts"
import * as LimiterRedis from "./stores/LimiterRedis.ts"
import * as RedisLink from "./stores/RedisLink.ts"

export class Shared extends Context.Service<
  Shared,
  {
    /** Undefined where the configuration names no Redis: then nothing is shared and nothing is asked. */
    readonly link: SharedLink | undefined
    /** Where concerns say and hear what they have to once a second; undefined without a link. */
    readonly beat: SharedBeat["Service"] | undefined
  }
>()("millrace/Shared") {}

/** The part of the configuration that makes a link what it is. */
export const redisPart = ({ redis, redisTimeoutMs }: EngineConfig["storage"]) => [redis, redisTimeoutMs]

export const sharedLayer = ({ redis, redisTimeoutMs }: EngineConfig["storage"]): Layer.Layer<Shared> =>
  redis === undefined
    ? Layer.succeed(Shared, { link: undefined, beat: undefined })
    : Layer.effect(
        Shared,
        Effect.gen(function* () {
          const link = yield* RedisLink.make({ url: redis, timeoutMs: redisTimeoutMs })
          const beat = yield* SharedBeat.make({ instance: link.instance, store: LimiterRedis.makeMembers(link) })
          return { link, beat }
        })
      )

export interface LiveLimitsOptions {
  /** The configuration in force. */
  readonly config: () => EngineConfig
}

/** Limits over all instances where there is a link, and nothing where there is none. */
export const sharedLimitsLayer = ({
  config
}: LiveLimitsOptions): Layer.Layer<SharedLimits, never, Metrics | RateLimiter | Shared> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { beat, link } = yield* Shared
      if (link === undefined || beat === undefined) return SharedLimits.layerNone
      const limiter = yield* RateLimiter
      const metrics = yield* Metrics
      return SharedLimits.layer({
        store: LimiterRedis.make(link),
        beat,
        maxWaitMs: () => config().queue.maxWaitMs,
        onWait: metrics.waited,
        onPause: limiter.pause
      })
    })
  )

/** What the status says of a link. */
export const redisStatus = (link: SharedLink | undefined): RedisStatus | null => {
  if (link === undefined) return null
  const { sinceMs, ...health } = link.health()
  return { ...health, since: new Date(sinceMs).toISOString() }
}
