/**
 * Where the exact cache has entries beside its memory, by the words of the configuration: a store, a file, other instances.
 */
import path from "node:path"
import { Effect } from "effect"
import type { CacheOptions } from "../Cache.ts"
import type { CacheRecord } from "../CacheRecord.ts"
import { logOf, reasonOf } from "../Log.ts"
import type { SharedLink } from "../SharedLink.ts"
import * as CacheFile from "./CacheFile.ts"
import * as CacheRedis from "./CacheRedis.ts"
import * as CacheSqlite from "./CacheSqlite.ts"

export interface CacheSourcesOptions {
  /** `memory` or `sqlite:<path>`; paths are relative to the working directory. */
  readonly store: string
  readonly warmup: string | undefined
  readonly maxSize: number
  readonly staleWhileRevalidateMs: number
  readonly staleIfErrorMs: number
}

export const cacheSources = (
  options: CacheSourcesOptions,
  link: SharedLink | undefined
): Required<Pick<CacheOptions, "store" | "shared" | "warmup">> => {
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(options.store)?.[1]
  const { staleIfErrorMs, staleWhileRevalidateMs, warmup } = options
  return {
    shared:
      link === undefined
        ? undefined
        : CacheRedis.make({ link, graceMs: Math.max(staleIfErrorMs, staleWhileRevalidateMs) }),
    store:
      file === undefined
        ? undefined
        : CacheSqlite.make({ path: file === ":memory:" ? file : path.resolve(file), maxEntries: options.maxSize }),
    warmup: warmup === undefined ? undefined : (take) => warmUp(path.resolve(warmup), take)
  }
}

const log = logOf("Cache")

/** Reads a file of entries, and logs what was wrong with it. */
const warmUp = (file: string, take: (records: ReadonlyArray<CacheRecord>) => void): Effect.Effect<void> =>
  Effect.flatMap(CacheFile.read(file, take), ({ bad, badLines, failure, records }) =>
    Effect.gen(function* () {
      if (failure !== undefined) yield* log.warn("cache.warmup can't be read", { reason: reasonOf(failure) })
      for (const { detail, line } of badLines)
        yield* log.warn("cache.warmup has a wrong line", { line, reason: reasonOf(detail) })
      if (bad > 0) yield* log.warn("lines of cache.warmup were left out", { count: bad })
      yield* log.info("cache.warmup was read", { count: records })
    })
  )
