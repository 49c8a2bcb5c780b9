/**
 * Virtual keys as the configuration asks for them: where they are kept, and that the limits of deleted ones are forgotten.
 */
import { Effect, Layer } from "effect"
import type { EngineConfig } from "./Config.ts"
import { Keys } from "./Keys.ts"
import { RateLimiter } from "./RateLimiter.ts"
import { Database } from "./stores/Database.ts"
import { parse } from "./stores/DatabaseLocation.ts"
import * as KeysMemory from "./stores/KeysMemory.ts"
import * as KeysSql from "./stores/KeysSql.ts"

/** The SQL database of the configuration; undefined where everything is in memory. */
export const databaseLayer = ({ storage }: EngineConfig): Layer.Layer<Database> | undefined => {
  const location = parse(storage.database)
  return location === undefined || location.kind === "memory" ? undefined : Database.layer({ location })
}

export const keysLayer = ({ keys }: EngineConfig, database: Layer.Layer<Database> | undefined): Layer.Layer<Keys> =>
  database === undefined
    ? Keys.layer({ store: KeysMemory.make, refreshMs: keys.refreshMs })
    : Keys.layer({ store: KeysSql.make, refreshMs: keys.refreshMs }).pipe(Layer.provide(database))

/** Frees the limits of keys that are gone. */
export const keyLimits: Layer.Layer<never, never, Keys | RateLimiter> = Layer.effectDiscard(
  Effect.gen(function* () {
    const keys = yield* Keys
    const limiter = yield* RateLimiter
    yield* Effect.acquireRelease(
      Effect.sync(() => keys.onRemoved(limiter.forgetKey)),
      (stop) => Effect.sync(stop)
    )
  })
)
