/**
 * Where each value of the configuration in force came from: a default, the file, the environment, or a flag.
 *
 * What was given is noted by its path while a configuration is read; the decoded configuration is then laid over that, so
 * that a value whose path was given by nobody is a default. Values themselves are not kept here, and of the environment
 * only the names of variables. Pure.
 */
import { Predicate } from "effect"
import type { ConfigValueSource } from "./AdminConfigAnswers.ts"
import type { Origins } from "./ConfigEnvironment.ts"
import { formatPath, type Path } from "./Issues.ts"

/** Who gave a value. */
export interface Giver {
  readonly source: "file" | "environment" | "flag"
  /** The variables, or the flag; null for the file. */
  readonly detail: string | null
}

/** Who gave what, by the path as it is written. */
export type Given = ReadonlyMap<string, Giver>

/** Notes who gave the values of a document: `written` is what stood in the file, `completed` has what the environment adds. */
export const givenBy = (written: unknown, completed: unknown, origins: Origins): Given => {
  const given = new Map<string, Giver>()
  const variablesAt = (path: string): ReadonlyArray<string> => [
    ...new Set(
      [...origins].flatMap(([at, { template }]) =>
        within(at, path) ? [...template.matchAll(/\$\{(\w+)\}/g)].map(([, name]) => name!) : []
      )
    )
  ]
  for (const path of leavesOf(completed)) {
    const at = formatPath(path)
    const inFile = valueAt(written, path) !== undefined
    // A provider that stands for a key in the environment is named after it.
    const variables = variablesAt(inFile ? at : formatPath(path.slice(0, -1)))
    if (variables.length > 0) given.set(at, { source: "environment", detail: variables.join(", ") })
    else if (inFile) given.set(at, { source: "file", detail: null })
  }
  return given
}

/**
 * Every value of a configuration, as `redact` shows it, with its source; `changedIn` has the generations in which paths
 * changed last.
 */
export const sourcesOf = (
  { notes: _notes, simulated: _simulated, ...settings }: { readonly [key: string]: unknown },
  given: Given,
  changedIn: ReadonlyMap<string, number>
): ReadonlyArray<ConfigValueSource> => {
  return leavesOf(settings).map((path) => {
    const field = formatPath(writtenPath(path))
    const giver = giverOf(given, field)
    const generations = [...changedIn].flatMap(([changed, generation]) => (overlap(field, changed) ? [generation] : []))
    return {
      path: formatPath(path),
      field,
      source: giver?.source ?? "default",
      detail: giver?.detail ?? null,
      generation: Math.max(1, ...generations)
    }
  })
}

/** Who gave a field: itself, what it is a part of, or parts of it. */
const giverOf = (given: Given, field: string): Giver | undefined => {
  const single = field.replace(/\.apiKeys$/, ".apiKey")
  const exact = given.get(field) ?? given.get(single)
  if (exact !== undefined) return exact
  for (const [at, giver] of given) if (overlap(field, at)) return giver
  return undefined
}

/** Whether one of two paths is the other, or lies in it. */
const overlap = (a: string, b: string): boolean => within(a, b) || within(b, a)

/** Whether a path is another, or lies in it. */
const within = (path: string, other: string): boolean =>
  path === other || (path.startsWith(other) && (path[other.length] === "." || path[other.length] === "["))

/** The paths of all values; a list without objects in it is one, as is what is empty. */
const leavesOf = (value: unknown, path: Path = []): ReadonlyArray<Path> => {
  if (Array.isArray(value)) {
    return value.some((item) => Predicate.isObject(item) && !isSecret(item))
      ? value.flatMap((item, index) => leavesOf(item, [...path, index]))
      : [path]
  }
  if (!Predicate.isObject(value) || isSecret(value)) return path.length === 0 ? [] : [path]
  const entries = Object.entries(value).filter(([, item]) => item !== undefined)
  return entries.length === 0 && path.length > 0
    ? [path]
    : entries.flatMap(([key, item]) => leavesOf(item, [...path, key]))
}

/** Anything but an object that was written as one, such as a `Redacted`. */
const isSecret = (value: object): boolean => {
  const prototype: unknown = Object.getPrototypeOf(value)
  return !Array.isArray(value) && prototype !== Object.prototype && prototype !== null
}

const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (at, key) => (Predicate.isObject(at) || Array.isArray(at) ? (at as Record<PropertyKey, unknown>)[key] : undefined),
    value
  )

const writtenNames: { readonly [decoded: string]: string } = { bodyLimitBytes: "bodyLimit", retentionDays: "retention" }

/** The path of a decoded value as people write it. */
export const writtenPath = (path: Path): Path => {
  const named = path.map((key) => (typeof key === "string" ? (writtenNames[key] ?? key.replace(/Ms$/, "")) : key))
  if (named[0] !== "tenants") return named
  return named[1] === "others" ? ["tenantDefaults", ...named.slice(2)] : ["tenants", ...named.slice(2)]
}
