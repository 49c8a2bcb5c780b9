/**
 * The semantic cache as the configuration asks for it: over the exact cache, and shared where the database is Postgres.
 */
import { Effect, Layer, Result } from "effect"
import { Cache } from "./Cache.ts"
import type { KindOf } from "./CacheDefaults.ts"
import { decodeRecord } from "./CacheRecord.ts"
import type { EngineConfig } from "./Config.ts"
import { type EmbedFunction, SemanticCache, type SemanticCacheOptions } from "./SemanticCache.ts"
import { parse } from "./stores/DatabaseLocation.ts"
import * as VectorPostgres from "./stores/VectorPostgres.ts"

export interface LiveSemanticOptions {
  readonly kindOf: KindOf
  /** Makes the vectors in the place of `cache.semantic.embedder`. */
  readonly embedder: EmbedFunction | undefined
}

export const semanticLayer = (
  config: EngineConfig,
  { embedder, kindOf }: LiveSemanticOptions
): Layer.Layer<SemanticCache, never, Cache> =>
  Layer.unwrap(
    Effect.map(Cache, (cache) =>
      SemanticCache.layer({
        ...config.cache.semantic,
        mode: config.cache.enabled ? config.cache.semantic.mode : "off",
        embedder: embedder ?? config.cache.semantic.embedder,
        content: config.logging.content,
        kindOf,
        answers: { get: cache.answer, has: (key) => cache.entry(key) !== undefined, evict: cache.evict },
        shared: sharedOf(config, cache, embedder === undefined ? config.cache.semantic.embedder : "function")
      })
    )
  )

/** Prompts lie in Postgres beside their answers as records of the exact cache. */
const sharedOf = (config: EngineConfig, cache: Cache["Service"], space: string): SemanticCacheOptions["shared"] => {
  const location = parse(config.storage.database)
  if (location?.kind !== "postgres") return undefined
  return {
    store: VectorPostgres.make({ location, space }),
    answers: {
      pack: (key) => {
        const record = cache.record(key)
        return record === undefined ? undefined : { text: JSON.stringify(record), expiresAtMs: record.expiresAtMs }
      },
      unpack: (key, text) => {
        const decoded = decodeRecord(parsed(text))
        if (Result.isSuccess(decoded) && decoded.success.key === key) cache.take([decoded.success])
      }
    }
  }
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
