/**
 * Tools and answer schemas in the texts that models are shown instead of their JSON.
 *
 * OpenAI's models read tools as TypeScript-like declarations and schemas as JSON without what only a validator needs. Both
 * forms were found by experiment: github.com/hmarr/openai-chat-tokens (MIT) and OpenAI's own Harmony format
 * (cookbook.openai.com, "OpenAI Harmony Response Format"), completed by what recorded calls reported. Texts are remembered
 * for callers that send the same object again. Nothing is tokenised here.
 */
import type { Tool } from "./Request.ts"

type JsonSchema = { readonly [key: string]: unknown }

const isRecord = (value: unknown): value is JsonSchema =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const remembered = <A extends object>(memory: WeakMap<A, string>, key: A, make: () => string): string => {
  let text = memory.get(key)
  if (text === undefined) memory.set(key, (text = make()))
  return text
}

const jsonTexts = new WeakMap<object, string>()

/** JSON of tools or of a schema. */
export const jsonOf = (value: object): string => remembered(jsonTexts, value, () => JSON.stringify(value))

const schemaTexts = new WeakMap<object, string>()

/** What OpenAI leaves out of a schema before its model reads it. */
const unread = new Set([
  "$schema",
  "additionalProperties",
  "required",
  "format",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "pattern",
  "minItems",
  "maxItems"
])

/** The schema of an answer as OpenAI's models read it. */
export const schemaTextOf = (schema: object): string =>
  remembered(schemaTexts, schema, () => JSON.stringify(readable(schema, false, 0)))

const readable = (value: unknown, named: boolean, depth: number): unknown => {
  if (Array.isArray(value)) return value.map((item) => readable(item, false, depth + 1))
  if (!isRecord(value) || depth > 4 * depthMax) return value
  const kept = Object.entries(value).filter(([key]) => named || !unread.has(key))
  return Object.fromEntries(
    kept.map(([key, inner]) => [
      key,
      readable(inner, !named && (key === "properties" || key === "$defs" || key === "definitions"), depth + 1)
    ])
  )
}

const wordTexts = new WeakMap<object, string>()

/** Names and descriptions of tools and of what they take, without any syntax. */
export const wordsOf = (tools: ReadonlyArray<Tool>): string =>
  remembered(wordTexts, tools, () => {
    const words: Array<string> = []
    for (const { description, name, parameters } of tools) {
      words.push(name)
      if (description !== undefined) words.push(description)
      addWords(parameters, words, 0)
    }
    return words.join(" ")
  })

const addWords = (schema: unknown, words: Array<string>, depth: number): void => {
  if (!isRecord(schema) || depth > depthMax) return
  const { description, items, properties } = schema
  if (depth > 0 && typeof description === "string") words.push(description)
  if (Array.isArray(schema["enum"])) words.push(...schema["enum"].map(String))
  addWords(items, words, depth + 1)
  if (!isRecord(properties)) return
  for (const [name, property] of Object.entries(properties)) {
    words.push(name)
    addWords(property, words, depth + 1)
  }
}

const typescriptTexts = new WeakMap<object, string>()

/** Tools in the TypeScript-like form that OpenAI's models are shown. */
export const typescriptOf = (tools: ReadonlyArray<Tool>): string =>
  remembered(typescriptTexts, tools, () => {
    const lines = ["namespace functions {", ""]
    for (const { description, name, parameters } of tools) {
      if (description !== undefined && description !== "") lines.push(`// ${description}`)
      lines.push(`type ${name} = ${isRecord(parameters) ? signatureOf(parameters) : "() => any;"}`, "")
    }
    lines.push("} // namespace functions")
    return lines.join("\n")
  })

/** Nesting that is rendered; what is deeper counts as `any`. */
const depthMax = 16

const signatureOf = (parameters: JsonSchema): string => {
  const object = objectOf(parameters, 0)
  return object === undefined ? "() => any;" : `(_: ${object}) => any;`
}

/** An object on one line where nothing in it needs a comment, else on a line for each property. */
const objectOf = (schema: JsonSchema, depth: number): string | undefined => {
  const { properties, required } = schema
  if (!isRecord(properties) || depth > depthMax) return undefined
  const entries = Object.entries(properties)
  if (entries.length === 0) return undefined
  const names = new Set(Array.isArray(required) ? required : [])
  const plain = isPlain(schema, depth)
  const lines = entries.flatMap(([name, property]) => {
    const typed = `${name}${names.has(name) ? "" : "?"}: ${typeOf(property, depth + 1)}`
    if (plain || !isRecord(property)) return [plain ? typed : `${typed},`]
    const { description } = property
    const limits = limitsOf(property)
    const line = `${typed},${limits === "" ? "" : ` // ${limits}`}`
    return typeof description === "string" && description !== "" ? [`// ${description}`, line] : [line]
  })
  return plain ? `{ ${lines.join(", ")} }` : `{\n${lines.join("\n")}\n}`
}

const isPlain = ({ properties }: JsonSchema, depth: number): boolean =>
  depth > depthMax ||
  Object.values(properties as JsonSchema).every(
    (property) =>
      !isRecord(property) ||
      ((property["description"] ?? "") === "" &&
        limitsOf(property) === "" &&
        (!isRecord(property["properties"]) || isPlain(property, depth + 1)))
  )

const limitNames = [
  "default",
  "minimum",
  "maximum",
  "exclusiveMinimum",
  "exclusiveMaximum",
  "multipleOf",
  "minLength",
  "maxLength",
  "minItems",
  "maxItems"
] as const

const limitsOf = (property: JsonSchema): string =>
  limitNames
    .filter((name) => property[name] !== undefined && property[name] !== null)
    .map((name) => `${name}: ${typeof property[name] === "string" ? property[name] : JSON.stringify(property[name])}`)
    .join(", ")

const typeOf = (schema: unknown, depth: number): string => {
  if (!isRecord(schema) || depth > depthMax) return "any"
  const { anyOf, items, oneOf, type } = schema
  const choices = schema["enum"] ?? (schema["const"] === undefined ? undefined : [schema["const"]])
  if (Array.isArray(choices)) return choices.map((choice) => JSON.stringify(choice)).join(" | ")
  const alternatives = Array.isArray(anyOf) ? anyOf : Array.isArray(oneOf) ? oneOf : undefined
  if (alternatives !== undefined) return alternatives.map((inner) => typeOf(inner, depth + 1)).join(" | ")
  if (Array.isArray(type)) return type.join(" | ")
  switch (type) {
    case "array":
      return `${typeOf(items, depth + 1)}[]`
    case "object":
      return objectOf(schema, depth) ?? "object"
    case "integer":
      return "number"
    default:
      return typeof type === "string" ? type : "any"
  }
}
