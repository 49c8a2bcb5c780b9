/**
 * Chooses where usage records are kept by the words of `storage.database`: `memory`, `sqlite:<path>`, `sqlite::memory:`.
 */
import path from "node:path"
import { Effect, Layer } from "effect"
import { UsageLog } from "../UsageLog.ts"
import * as UsageMemory from "./UsageMemory.ts"
import * as UsageSqlite from "./UsageSqlite.ts"

export interface UsageDatabaseOptions {
  readonly database: string
  readonly durability: "relaxed" | "strict"
  /** Keeps prompt and answer of each request as text. */
  readonly content?: boolean | undefined
}

export type UsageLocation = { readonly kind: "memory" } | { readonly kind: "sqlite"; readonly path: string }

/** Reads `storage.database`; paths are relative to the working directory. Undefined for what is not known here. */
export const parse = (database: string): UsageLocation | undefined => {
  if (database === "memory") return { kind: "memory" }
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(database)?.[1]
  if (file === undefined) return undefined
  return { kind: "sqlite", path: file === ":memory:" ? file : path.resolve(file) }
}

/** The usage log over the database that the configuration names. Dies for a name that `parse` does not know. */
export const layer = (options: UsageDatabaseOptions): Layer.Layer<UsageLog> => {
  const location = parse(options.database)
  if (location === undefined) {
    return Layer.effect(UsageLog, Effect.die(new Error("storage.database: expected memory or sqlite:<path>")))
  }
  return UsageLog.layer(
    location.kind === "memory" ? UsageMemory.make : UsageSqlite.make({ ...location, durability: options.durability }),
    { content: options.content }
  )
}
