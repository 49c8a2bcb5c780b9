/**
 * A sample value that fits a JSON Schema, for the simulated provider.
 *
 * Covers what structured outputs and tools use: types, enums, const, required and optional properties, arrays, anyOf and
 * local references. The same schema and seed always give the same value; nesting is bounded.
 */
import { Predicate } from "effect"
import { hash } from "node:crypto"

type Node = { readonly [key: string]: unknown }

const depthMax = 12

export const sampleJson = (schema: Node, seed: string): unknown => sample(schema, schema, seed, 0)

const sample = (node: unknown, root: Node, seed: string, depth: number): unknown => {
  if (!isNode(node) || depth > depthMax) return null
  if (typeof node["$ref"] === "string") return sample(resolve(node["$ref"], root), root, seed, depth + 1)
  if (node["const"] !== undefined) return node["const"]
  const { enum: values } = node
  if (Array.isArray(values) && values.length > 0) return values[pick(seed, values.length)]
  const alternatives = node["anyOf"] ?? node["oneOf"]
  if (Array.isArray(alternatives)) return sample(alternatives[0], root, seed, depth + 1)
  if (Array.isArray(node["allOf"])) {
    return Object.assign({}, ...node["allOf"].map((part: unknown) => sample(part, root, seed, depth + 1)))
  }
  switch (typeOf(node)) {
    case "object": {
      const out: Record<string, unknown> = {}
      const properties = isNode(node["properties"]) ? node["properties"] : {}
      for (const key of Object.keys(properties)) {
        Object.defineProperty(out, key, {
          value: sample(properties[key], root, `${seed}.${key}`, depth + 1),
          enumerable: true,
          configurable: true,
          writable: true
        })
      }
      return out
    }
    case "array": {
      const count = Math.max(1, numberOr(node["minItems"], 1))
      return Array.from({ length: Math.min(count, 8) }, (_, i) =>
        sample(node["items"], root, `${seed}[${i}]`, depth + 1)
      )
    }
    case "integer":
      return Math.ceil(numberOr(node["minimum"], pick(seed, 100)))
    case "number":
      return numberOr(node["minimum"], pick(seed, 1000) / 10)
    case "boolean":
      return pick(seed, 2) === 0
    case "null":
      return null
    default:
      return stringOf(node, seed)
  }
}

const typeOf = (node: Node): unknown => {
  const { type } = node
  if (Array.isArray(type)) return type.find((name) => name !== "null") ?? "null"
  return type ?? (isNode(node["properties"]) ? "object" : "string")
}

const stringOf = (node: Node, seed: string): string => {
  switch (node["format"]) {
    case "date":
      return "2026-01-01"
    case "date-time":
      return "2026-01-01T00:00:00Z"
    case "email":
      return "someone@example.com"
    case "uri":
      return "https://example.com/"
    case "uuid":
      return "00000000-0000-4000-8000-000000000000"
    default: {
      const text = `simulated ${pick(seed, 1000)}`
      const minLength = Math.min(numberOr(node["minLength"], 0), 1000)
      return text.padEnd(minLength, ".").slice(0, numberOr(node["maxLength"], Math.max(text.length, minLength)))
    }
  }
}

const resolve = (reference: string, root: Node): unknown => {
  if (!reference.startsWith("#")) return undefined
  let current: unknown = root
  for (const key of reference
    .slice(1)
    .split("/")
    .filter((key) => key !== "")) {
    if (!isNode(current)) return undefined
    current = current[key.replaceAll("~1", "/").replaceAll("~0", "~")]
  }
  return current
}

const isNode = (value: unknown): value is Node => Predicate.isObject(value) && !Array.isArray(value)

const numberOr = (value: unknown, fallback: number): number => (typeof value === "number" ? value : fallback)

const pick = (seed: string, count: number): number =>
  Number.parseInt(hash("sha256", seed, "hex").slice(0, 8), 16) % count
