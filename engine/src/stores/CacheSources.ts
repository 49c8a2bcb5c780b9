/**
 * Where the entries of the exact cache come from at start, by the words of the configuration: a store and a file.
 */
import path from "node:path"
import { Effect } from "effect"
import type { CacheOptions } from "../Cache.ts"
import type { CacheRecord } from "../CacheRecord.ts"
import * as CacheFile from "./CacheFile.ts"
import * as CacheSqlite from "./CacheSqlite.ts"

export interface CacheSourcesOptions {
  /** `memory` or `sqlite:<path>`; paths are relative to the working directory. */
  readonly store: string
  readonly warmup: string | undefined
  readonly maxSize: number
}

export const cacheSources = (
  options: CacheSourcesOptions
): { readonly store: CacheOptions["store"]; readonly warmup: CacheOptions["warmup"] } => {
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(options.store)?.[1]
  const { warmup } = options
  return {
    store:
      file === undefined
        ? undefined
        : CacheSqlite.make({ path: file === ":memory:" ? file : path.resolve(file), maxEntries: options.maxSize }),
    warmup: warmup === undefined ? undefined : (take) => warmUp(path.resolve(warmup), take)
  }
}

/** Reads a file of entries, and logs what was wrong with it. */
const warmUp = (file: string, take: (records: ReadonlyArray<CacheRecord>) => void): Effect.Effect<void> =>
  Effect.flatMap(CacheFile.read(file, take), ({ bad, badLines, failure, records }) =>
    Effect.gen(function* () {
      if (failure !== undefined) yield* Effect.logWarning(`cache.warmup: ${failure}`)
      for (const { detail, line } of badLines) yield* Effect.logWarning(`cache.warmup: line ${line} ${detail}`)
      if (bad > 0) yield* Effect.logWarning(`cache.warmup: ${bad} lines were left out`)
      yield* Effect.logInfo(`cache.warmup: ${records} entries were read`)
    })
  )
