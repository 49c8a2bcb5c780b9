/**
 * Schemas of tools and of structured output, as JSON Schema for the engine and back.
 *
 * Structured output and strict tools use the form that providers hold models to: every field required, none unknown.
 * Values in that form are decoded here; what does not decode is handed on as it came, for Effect to report.
 */
import { Result, Schema } from "effect"
import * as AiError from "effect/ai/AiError"
import { defaultCodecTransformer, type CodecTransformer, type ProviderOptions } from "effect/ai/LanguageModel"
import { toCodecOpenAI } from "effect/ai/OpenAiStructuredOutput"
import * as Tool from "effect/ai/Tool"
import type { ResponseFormat, Tool as RequestTool } from "../Request.ts"

type JsonObject = { readonly [key: string]: Schema.Json }
type Read<A> = Result.Result<A, AiError.AiErrorReason>

/** The strict form of a schema, or its plain one where it has no strict form. */
export const portableCodec: CodecTransformer = (schema) => {
  try {
    return toCodecOpenAI(schema)
  } catch {
    return defaultCodecTransformer(schema)
  }
}

/** The format of structured output; `strict` overrides what the schema allows. */
export const toFormat = (
  format: Extract<ProviderOptions["responseFormat"], { readonly type: "json" }>,
  strict: boolean | undefined
): Read<ResponseFormat> =>
  Result.try({
    try: () => {
      const schema = format.schema as unknown as Schema.ConstraintCodec<unknown, unknown, never, never>
      const { jsonSchema } = portableCodec(schema)
      return {
        type: "json-schema",
        schema: jsonSchema as JsonObject,
        name: format.objectName.replaceAll(/[^A-Za-z0-9_-]/g, "_").slice(0, 64),
        strict: strict ?? jsonSchema["additionalProperties"] === false
      }
    },
    catch: (error) => new AiError.UnsupportedSchemaError({ description: messageOf(error) })
  })

export const toTools = (tools: ReadonlyArray<Tool.Any>): Read<ReadonlyArray<RequestTool>> =>
  Result.gen(function* () {
    const out: Array<RequestTool> = []
    for (const tool of tools) out.push(yield* toTool(tool))
    return out
  })

const toTool = (tool: Tool.Any): Read<RequestTool> => {
  if (Tool.isProviderDefined(tool)) {
    const description = `${tool.id} runs at one provider, and Millrace does not know which provider will answer`
    return Result.fail(new AiError.ToolConfigurationError({ toolName: tool.name, description }))
  }
  return Result.try({
    try: () => {
      const strict = Tool.getStrictMode(tool)
      const description = Tool.getDescription(tool)
      return {
        name: tool.name as string,
        parameters: parametersOf(tool, strict === true),
        ...(description === undefined ? {} : { description }),
        ...(strict === undefined ? {} : { strict })
      }
    },
    catch: (error) => new AiError.UnsupportedSchemaError({ description: `${tool.name}: ${messageOf(error)}` })
  })
}

const parametersOf = (tool: Tool.Any, strict: boolean): JsonObject => {
  const schema = Tool.getJsonSchema(tool, strict ? { transformer: toCodecOpenAI } : {}) as JsonObject
  return schema["type"] === "object" && schema["properties"] === undefined ? { ...schema, properties: {} } : schema
}

/** The arguments of a call as the tool's own schema encodes them; text that is no JSON stays text. */
export const toParams = (tools: ReadonlyArray<Tool.Any>, name: string, text: string): unknown => {
  const params = parsed(text)
  const tool = tools.find((tool) => tool.name === name)
  if (tool === undefined || Tool.isDynamic(tool) || Tool.getStrictMode(tool) !== true) return params
  try {
    const schema = tool.parametersSchema as unknown as Schema.ConstraintCodec<unknown, unknown, never, never>
    return Schema.encodeSync(schema)(Schema.decodeUnknownSync(toCodecOpenAI(schema).codec)(params))
  } catch {
    return params
  }
}

const parsed = (text: string): unknown => {
  if (text.trim() === "") return {}
  try {
    return Tool.unsafeSecureJsonParse(text)
  } catch {
    return text
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))
