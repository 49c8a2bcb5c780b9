/**
 * The state that instances share, as the configuration asks for it: a link to Redis, or none.
 *
 * Whatever is made over the link is made anew with it, so its part of the configuration, by which it is kept over a reload,
 * holds `storage.redis` too.
 */
import { Context, Effect, Layer } from "effect"
import type { RedisStatus } from "./AdminAnswers.ts"
import type { EngineConfig } from "./Config.ts"
import type { SharedLink } from "./SharedLink.ts"
import * as RedisLink from "./stores/RedisLink.ts"

export class Shared extends Context.Service<
  Shared,
  {
    /** Undefined where the configuration names no Redis: then nothing is shared and nothing is asked. */
    readonly link: SharedLink | undefined
  }
>()("millrace/Shared") {}

export const sharedLayer = ({ redis }: EngineConfig["storage"]): Layer.Layer<Shared> =>
  redis === undefined
    ? Layer.succeed(Shared, { link: undefined })
    : Layer.effect(
        Shared,
        Effect.map(RedisLink.make({ url: redis }), (link) => ({ link }))
      )

/** What the status says of a link. */
export const redisStatus = (link: SharedLink | undefined): RedisStatus | null => {
  if (link === undefined) return null
  const { sinceMs, ...health } = link.health()
  return { ...health, since: new Date(sinceMs).toISOString() }
}
