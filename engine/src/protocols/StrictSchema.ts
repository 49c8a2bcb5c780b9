/**
 * Whether a JSON schema has the form that OpenAI holds an answer to exactly (`strict`).
 *
 * A strict schema lists every property as required and allows no others, at every depth. A schema that has this form
 * already can be asked for strictly without changing what it means; any other can't.
 * Source: the guide to Structured Outputs of OpenAI.
 */
import { isObject } from "./Json.ts"

/** Keywords that OpenAI refuses in a strict schema. */
const refused = ["allOf", "not", "dependentRequired", "dependentSchemas", "if", "then", "else", "patternProperties"]

const depthMax = 10

/** True for an object schema that OpenAI takes as strict; false where in doubt. */
export const isStrictSchema = (schema: unknown): boolean =>
  isObject(schema) && schema["type"] === "object" && isStrict(schema, 0)

const isStrict = (schema: unknown, depth: number): boolean => {
  if (!isObject(schema) || depth > depthMax || refused.some((keyword) => keyword in schema)) return false
  if (!("type" in schema || "anyOf" in schema || "enum" in schema || "const" in schema || "$ref" in schema))
    return false
  const { $defs, anyOf, definitions, items, oneOf, properties, required } = schema
  if (oneOf !== undefined) return false
  if (properties !== undefined || schema["type"] === "object") {
    if (schema["additionalProperties"] !== false || !isObject(properties)) return false
    const names = Object.keys(properties)
    if (!Array.isArray(required) || !names.every((name) => required.includes(name))) return false
    if (!names.every((name) => isStrict(properties[name], depth + 1))) return false
  }
  if (items !== undefined && !isStrict(items, depth + 1)) return false
  if (anyOf !== undefined && !(Array.isArray(anyOf) && anyOf.every((inner) => isStrict(inner, depth + 1)))) return false
  return [$defs, definitions].every(
    (defs) => defs === undefined || (isObject(defs) && Object.values(defs).every((inner) => isStrict(inner, depth + 1)))
  )
}
