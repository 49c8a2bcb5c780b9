/**
 * What differs between two decoded configurations, by the names that people write, and what of it needs a restart.
 *
 * Keys and tokens are compared by value and named by their path alone. Pure.
 */
import { Equal, Predicate, Redacted } from "effect"
import type { EngineConfig } from "./Config.ts"
import { writtenPath } from "./ConfigSources.ts"
import { formatPath, type Path } from "./Issues.ts"

/** Parts of the configuration that belong to the process: its socket and its database. */
const fixed: ReadonlyArray<ReadonlyArray<string>> = [["server", "host"], ["server", "port"], ["storage"]]

export interface ConfigChanges {
  /** `providers[1].rateLimits.concurrent`; a list of other length, or of other names, is one change. */
  readonly changed: ReadonlyArray<string>
  /** Those of them that can't be changed while the process runs. */
  readonly needRestart: ReadonlyArray<string>
}

export const changesOf = (before: EngineConfig, after: EngineConfig): ConfigChanges => {
  const paths: Array<Path> = []
  walk(before, after, [], paths)
  const isFixed = (path: Path) => fixed.some((start) => start.every((key, i) => path[i] === key))
  return { changed: paths.map(written), needRestart: paths.filter(isFixed).map(written) }
}

const walk = (before: unknown, after: unknown, path: Path, paths: Array<Path>): void => {
  if (Equal.equals(before, after)) return
  const lists = Array.isArray(before) && Array.isArray(after)
  if (lists ? before.length !== after.length : !isRecord(before) || !isRecord(after)) return void paths.push(path)
  const keys = lists
    ? before.map((_, i) => i)
    : new Set([...Object.keys(before as object), ...Object.keys(after as object)])
  for (const key of keys) {
    walk((before as Keyed)[key], (after as Keyed)[key], [...path, key], paths)
  }
}

type Keyed = { readonly [key: string | number]: unknown }

const isRecord = (value: unknown): boolean =>
  Predicate.isObject(value) && !Redacted.isRedacted(value) && !Array.isArray(value)

const written = (path: Path): string => formatPath(writtenPath(path))
