/**
 * What the fields of a Gemini request may be, and how its two spellings and its schemas become one.
 *
 * Google's API reads every field in camel case and in snake case; here both are read as camel case. Schemas in OpenAPI's
 * form (`type: "STRING"`, `nullable`) become JSON Schema.
 * Source: the GenerateContent reference of the Gemini API.
 */
import { Predicate, Schema } from "effect"
import { isObject } from "../protocols/Json.ts"
import { anyObject, flag, integer, type JsonBody, jsonObject, optional, positive, range, text } from "./BodySchema.ts"

const Inline = Schema.Struct({ mimeType: text, data: text })

export const GeminiPart = Schema.Struct({
  text: optional(text),
  thought: optional(flag),
  thoughtSignature: optional(text),
  inlineData: optional(Inline),
  fileData: optional(Schema.Struct({ mimeType: optional(text), fileUri: text })),
  functionCall: optional(Schema.Struct({ id: optional(text), name: text, args: optional(jsonObject) })),
  functionResponse: optional(
    Schema.Struct({
      id: optional(text),
      name: text,
      response: optional(jsonObject),
      parts: optional(Schema.Array(Schema.Struct({ inlineData: optional(Inline), fileData: optional(anyObject) })))
    })
  ),
  executableCode: optional(anyObject),
  codeExecutionResult: optional(anyObject),
  toolCall: optional(anyObject),
  toolResponse: optional(anyObject),
  videoMetadata: optional(anyObject)
})

const Content = Schema.Struct({
  role: optional(Schema.Literals(["user", "model", "function", "system"])),
  parts: optional(Schema.Array(GeminiPart))
})

const Function = Schema.Struct({
  name: Schema.NonEmptyString,
  description: optional(text),
  parameters: optional(jsonObject),
  parametersJsonSchema: optional(jsonObject)
})

const GenerationConfig = Schema.Struct({
  temperature: optional(range(0, 2)),
  topP: optional(range(0, 1)),
  topK: optional(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0))),
  candidateCount: optional(integer(1, 8)),
  maxOutputTokens: optional(positive),
  stopSequences: optional(Schema.Array(text)),
  seed: optional(Schema.Int),
  presencePenalty: optional(range(-2, 2)),
  frequencyPenalty: optional(range(-2, 2)),
  responseMimeType: optional(text),
  responseSchema: optional(jsonObject),
  responseJsonSchema: optional(jsonObject),
  responseLogprobs: optional(flag),
  logprobs: optional(Schema.Int),
  responseModalities: optional(Schema.Array(text)),
  speechConfig: optional(anyObject),
  imageConfig: optional(anyObject),
  thinkingConfig: optional(
    Schema.Struct({
      includeThoughts: optional(flag),
      thinkingBudget: optional(integer(-1, Number.MAX_SAFE_INTEGER)),
      thinkingLevel: optional(
        Schema.Literals([
          "THINKING_LEVEL_UNSPECIFIED",
          "MINIMAL",
          "LOW",
          "MEDIUM",
          "HIGH",
          "minimal",
          "low",
          "medium",
          "high"
        ])
      )
    })
  )
})

export const GeminiBody = Schema.Struct({
  contents: Schema.Array(Content).check(Schema.isMinLength(1)),
  systemInstruction: optional(Content),
  tools: optional(Schema.Array(Schema.Struct({ functionDeclarations: optional(Schema.Array(Function)) }))),
  toolConfig: optional(
    Schema.Struct({
      functionCallingConfig: optional(
        Schema.Struct({
          mode: optional(Schema.Literals(["MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"])),
          allowedFunctionNames: optional(Schema.Array(text))
        })
      )
    })
  ),
  generationConfig: optional(GenerationConfig),
  cachedContent: optional(text),
  safetySettings: optional(Schema.Array(anyObject)),
  labels: optional(anyObject)
})
export type GeminiBody = typeof GeminiBody.Type

/** Names of fields whose keys are the caller's own, or a schema's. */
export const freeForm: ReadonlySet<string> = new Set([
  "args",
  "response",
  "parameters",
  "parametersJsonSchema",
  "responseSchema",
  "responseJsonSchema",
  "labels"
])

/** The body with every field of Google's in camel case; the body itself where there is nothing to change. */
export const camelCased = (body: JsonBody): JsonBody => camel(body) as JsonBody

const camel = (value: unknown): unknown => {
  if (Array.isArray(value)) {
    const items = value as ReadonlyArray<unknown>
    const out = items.map(camel)
    return out.every((item, index) => item === items[index]) ? value : out
  }
  if (!isObject(value)) return value
  let changed = false
  const out: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const name = key.includes("_")
      ? key.replaceAll(/(?!^)_+([a-z\d])/g, (_, letter: string) => letter.toUpperCase())
      : key
    const inner = freeForm.has(name) ? value[key] : camel(value[key])
    if (name !== key || inner !== value[key]) changed = true
    if (name === key || !Object.hasOwn(value, name)) out[name] = inner
  }
  return changed ? out : value
}

type JsonObject = { readonly [key: string]: Schema.Json }

/** A schema of Google's OpenAPI form as JSON Schema. JSON Schema comes out as it is. */
export const jsonSchemaOf = (schema: JsonObject): JsonObject => {
  const out: Record<string, Schema.Json> = {}
  for (const [key, value] of Object.entries(schema)) {
    if (key === "type" && Predicate.isString(value)) out[key] = value.toLowerCase()
    else if (key === "properties" && isJsonObject(value)) {
      out[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, converted(inner)]))
    } else if (key === "items") out[key] = converted(value)
    else if (key === "anyOf" && Array.isArray(value)) out[key] = (value as ReadonlyArray<Schema.Json>).map(converted)
    else if (numeric.has(key) && Predicate.isString(value)) out[key] = Number(value)
    else if (key !== "nullable" && key !== "propertyOrdering") out[key] = value
  }
  if (schema["nullable"] !== true) return out
  const { type } = out
  if (type === undefined) return { anyOf: [out, { type: "null" }] }
  return { ...out, type: [...(Array.isArray(type) ? (type as ReadonlyArray<Schema.Json>) : [type]), "null"] }
}

const converted = (schema: Schema.Json): Schema.Json => (isJsonObject(schema) ? jsonSchemaOf(schema) : schema)

const isJsonObject = (value: Schema.Json): value is JsonObject => isObject(value)

/** 64-bit integers, which Google writes as text. */
const numeric: ReadonlySet<string> = new Set([
  "minItems",
  "maxItems",
  "minLength",
  "maxLength",
  "minProperties",
  "maxProperties"
])
