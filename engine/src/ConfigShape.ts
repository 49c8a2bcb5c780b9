/**
 * The shape of a document before its schema: a tree of plain values, without a way to an object's prototype.
 *
 * YAML anchors and constructor arguments can make circles, and every format can write `__proto__`. Both are refused
 * here, with their path, so that whatever walks a document later needs no guard of its own.
 */
import { Predicate } from "effect"
import type { Located, Path } from "./Issues.ts"

/** Levels of lists and objects; the deepest field of the schema is at 4. */
const maxDepth = 16

/** Every place where a document is no such tree. */
export const forbiddenShapes = (document: unknown): ReadonlyArray<Located> => visit(document, [], [])

/** An object that was written as one: no list, no class instance. */
export const isPlainObject = (value: unknown): value is { readonly [key: string]: unknown } => {
  if (!Predicate.isObject(value)) return false
  const prototype = Object.getPrototypeOf(value) as unknown
  return prototype === Object.prototype || prototype === null
}

const visit = (value: unknown, path: Path, above: ReadonlyArray<unknown>): ReadonlyArray<Located> => {
  if (!Array.isArray(value) && !isPlainObject(value)) return []
  if (above.includes(value)) return [{ path, detail: "contains itself" }]
  if (path.length >= maxDepth) return [{ path: path.slice(0, 4), detail: `is nested deeper than ${maxDepth} levels` }]
  const inside = [...above, value]
  if (Array.isArray(value)) return value.flatMap((entry, index) => visit(entry, [...path, index], inside))
  return Object.keys(value).flatMap((key) =>
    key === "__proto__"
      ? [{ path: [...path, key], detail: "is not allowed as a key" }]
      : visit(value[key], [...path, key], inside)
  )
}
