/**
 * The words of `storage.database`: `memory`, `sqlite:<path>`, `sqlite::memory:`, `postgres://user:password@host:port/name`.
 */
import path from "node:path"
import { Redacted } from "effect"

export type DatabaseLocation =
  | { readonly kind: "memory" }
  | { readonly kind: "sqlite"; readonly path: string }
  | { readonly kind: "postgres"; readonly url: Redacted.Redacted }

/** Reads `storage.database`; paths are relative to the working directory. Undefined for what is not known here. */
export const parse = (database: string): DatabaseLocation | undefined => {
  if (database === "memory") return { kind: "memory" }
  if (/^postgres(ql)?:\/\/./.test(database)) return { kind: "postgres", url: Redacted.make(database) }
  const file = /^sqlite:(?:\/\/(?=\/))?(.+)$/.exec(database)?.[1]
  if (file === undefined) return undefined
  return { kind: "sqlite", path: file === ":memory:" ? file : path.resolve(file) }
}
