/**
 * Plain checks on parsed JSON of providers, for paths where a schema would cost more than the work itself.
 *
 * Nothing here throws: text that is no JSON, and values nested too deeply to be written, give undefined.
 */
import { Predicate } from "effect"

export type JsonObject = { readonly [key: PropertyKey]: unknown }

/** A JSON object, not an array or null. */
export const isObject: (value: unknown) => value is JsonObject = Predicate.isReadonlyObject

/** Parsed JSON, or undefined for text that is none. */
export const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** JSON text, or undefined for a value that can't be written: `JSON.parse` reads deeper nesting than it writes. */
export const jsonText = (value: unknown): string | undefined => {
  try {
    return JSON.stringify(value)
  } catch {
    return undefined
  }
}

export const stringOr = (value: unknown, fallback: string): string => (Predicate.isString(value) ? value : fallback)

/** A number of tokens: finite, not negative, whole. Some servers write it as text. */
export const countOf = (value: unknown): number | undefined => {
  if (Predicate.isNumber(value)) return Number.isFinite(value) && value >= 0 ? Math.round(value) : undefined
  return Predicate.isString(value) && /^\d{1,15}$/.test(value) ? Number(value) : undefined
}
