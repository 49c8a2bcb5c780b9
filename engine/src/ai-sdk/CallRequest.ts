/**
 * From a call of the AI SDK to an `AIRequest`.
 *
 * `providerOptions.millrace` holds what the SDK's own settings have no place for. What can't be carried and is a hint
 * becomes a warning of the call; what would change the meaning is an error that names it. Options under the names of
 * other providers are theirs to read, and are left alone.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FunctionTool,
  SharedV4ProviderOptions,
  SharedV4Warning
} from "@ai-sdk/provider"
import { Result, type Schema } from "effect"
import type { InvalidRequest } from "../Errors.ts"
import { decodeMillraceOptions } from "../MillraceOptions.ts"
import type { AIRequest } from "../Request.ts"
import { toMessages } from "./CallPrompt.ts"

export interface CallRequest {
  readonly request: AIRequest
  readonly warnings: Array<SharedV4Warning>
}

type JsonObject = { readonly [key: string]: Schema.Json }
type Draft = { -readonly [K in keyof AIRequest]: AIRequest[K] }

/** `model` is undefined for the default model of the engine. */
export const toRequest = (
  options: LanguageModelV4CallOptions,
  model: string | undefined
): Result.Result<CallRequest, InvalidRequest> =>
  Result.gen(function* () {
    const { strict, ...own } = yield* ownOptions(options.providerOptions)
    const warnings = unsupported(options)
    const request: Draft = { ...own, messages: yield* toMessages(options.prompt, warnings) }
    if (model !== undefined) request.model = model
    if (options.maxOutputTokens !== undefined) request.maxTokens = options.maxOutputTokens
    if (options.temperature !== undefined) request.temperature = options.temperature
    if (options.topP !== undefined) request.topP = options.topP
    if (options.topK !== undefined) request.topK = options.topK
    if (options.presencePenalty !== undefined) request.presencePenalty = options.presencePenalty
    if (options.frequencyPenalty !== undefined) request.frequencyPenalty = options.frequencyPenalty
    if (options.stopSequences !== undefined && options.stopSequences.length > 0) request.stop = options.stopSequences
    if (options.seed !== undefined) request.seed = options.seed
    addTools(request, options, warnings)
    addFormat(request, options, strict)
    addReasoning(request, options, warnings)
    return { request, warnings }
  })

export const ownOptions = (options: SharedV4ProviderOptions | undefined) =>
  decodeMillraceOptions(options?.["millrace"], "providerOptions.millrace")

/** Headers that would go to a server; the SDK names itself in every call. */
export const carriesHeaders = (headers: { readonly [name: string]: string | undefined } | undefined): boolean =>
  Object.entries(headers ?? {}).some(([name, value]) => value !== undefined && name.toLowerCase() !== "user-agent")

export const headersWarning: SharedV4Warning = {
  type: "unsupported",
  feature: "headers",
  details: "the engine knows only after routing which provider answers"
}

const unsupported = (options: LanguageModelV4CallOptions): Array<SharedV4Warning> => {
  const warnings: Array<SharedV4Warning> = []
  if (options.includeRawChunks === true) warnings.push({ type: "unsupported", feature: "includeRawChunks" })
  if (carriesHeaders(options.headers)) warnings.push(headersWarning)
  return warnings
}

const addTools = (request: Draft, options: LanguageModelV4CallOptions, warnings: Array<SharedV4Warning>): void => {
  const tools: Array<NonNullable<AIRequest["tools"]>[number]> = []
  for (const tool of options.tools ?? []) {
    if (tool.type === "function") tools.push(toTool(tool, warnings))
    else warnings.push({ type: "unsupported", feature: `tool ${tool.id}`, details: "it runs at one provider only" })
  }
  if (tools.length === 0) return
  request.tools = tools
  const choice = options.toolChoice
  if (choice !== undefined) request.toolChoice = choice.type === "tool" ? { name: choice.toolName } : choice.type
}

const toTool = (tool: LanguageModelV4FunctionTool, warnings: Array<SharedV4Warning>) => {
  if (tool.inputExamples !== undefined && tool.inputExamples.length > 0) {
    warnings.push({ type: "unsupported", feature: `inputExamples of the tool ${tool.name}` })
  }
  return {
    name: tool.name,
    parameters: tool.inputSchema as JsonObject,
    ...(tool.description === undefined ? {} : { description: tool.description }),
    ...(tool.strict === undefined ? {} : { strict: tool.strict })
  }
}

const addFormat = (request: Draft, { responseFormat }: LanguageModelV4CallOptions, strict: boolean | undefined) => {
  if (responseFormat?.type !== "json") return
  const { description, name, schema } = responseFormat
  request.responseFormat =
    schema === undefined
      ? { type: "json" }
      : {
          type: "json-schema",
          schema: schema as JsonObject,
          ...(name === undefined ? {} : { name }),
          ...(description === undefined ? {} : { description }),
          ...(strict === undefined ? {} : { strict })
        }
}

const addReasoning = (
  request: Draft,
  { reasoning }: LanguageModelV4CallOptions,
  warnings: Array<SharedV4Warning>
): void => {
  if (reasoning === undefined || reasoning === "provider-default") return
  if (reasoning === "max") {
    warnings.push({ type: "compatibility", feature: "reasoning", details: "max is asked for as xhigh" })
  }
  request.reasoning = { effort: reasoning === "max" ? "xhigh" : reasoning, ...request.reasoning }
}

/** Rejects as the SDK expects of a call that it has cancelled itself. */
export const rethrow = (error: unknown, signal: AbortSignal | undefined): never => {
  throw signal?.aborted === true ? signal.reason : error
}
