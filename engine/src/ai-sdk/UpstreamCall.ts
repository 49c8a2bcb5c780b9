/**
 * From a request of the engine to a call of an AI SDK model.
 *
 * What an earlier answer of the same model carried in its metadata is given back with it. `providerOptions` of the request
 * are the provider's options in the SDK's own words. URLs go to models that read them; nothing is downloaded here.
 */
import type {
  LanguageModelV4CallOptions,
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultOutput,
  SharedV4ProviderOptions
} from "@ai-sdk/provider"
import { Predicate, Result } from "effect"
import { type EngineError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import { returned } from "../ForeignMetadata.ts"
import { type ToolResult, type Turn, turnsOf } from "../ForeignTurns.ts"
import { sourceOf } from "../protocols/Attachments.ts"
import { parseJson } from "../protocols/Json.ts"
import { effortOf } from "../protocols/ReasoningEffort.ts"
import type { ContentPart, Request } from "../Request.ts"

type Encoded<A> = Result.Result<A, EngineError>

/** What is known of the model that is called. */
export interface UpstreamModel {
  /** Name of the provider in the engine. */
  readonly provider: string
  /** The name under which the model reads its provider's options. */
  readonly namespace: string
  /** Completion tokens of requests that name none. */
  readonly maxTokens: number | undefined
  /** Patterns of URLs that the model reads itself, by media type. */
  readonly supportedUrls: { readonly [mediaType: string]: ReadonlyArray<RegExp> }
}

export interface UpstreamCall {
  readonly options: LanguageModelV4CallOptions
  /** Paths of hints that are left out. */
  readonly omitted: ReadonlyArray<string>
}

export const toCall = (request: Request, model: UpstreamModel): Encoded<UpstreamCall> =>
  Result.gen(function* () {
    if (request.logprobs !== undefined) {
      return yield* Result.fail(new UnsupportedAbility({ provider: model.provider, ability: "log probabilities" }))
    }
    const context: Context = { model, omitted: [], field: "" }
    const options: LanguageModelV4CallOptions = { prompt: yield* toPrompt(request, context) }
    const maxOutputTokens = request.maxTokens ?? model.maxTokens
    if (maxOutputTokens !== undefined) options.maxOutputTokens = maxOutputTokens
    if (request.temperature !== undefined) options.temperature = request.temperature
    if (request.topP !== undefined) options.topP = request.topP
    if (request.stop !== undefined) options.stopSequences = request.stop.slice()
    if (request.seed !== undefined) options.seed = request.seed
    if (request.topK !== undefined) options.topK = request.topK
    if (request.presencePenalty !== undefined) options.presencePenalty = request.presencePenalty
    if (request.frequencyPenalty !== undefined) options.frequencyPenalty = request.frequencyPenalty
    const effort = effortOf(request.reasoning)
    if (effort !== undefined) options.reasoning = effort
    addTools(options, request)
    addFormat(options, request, context)
    addParallel(options, request, context)
    return { options, omitted: context.omitted }
  })

interface Context {
  readonly model: UpstreamModel
  readonly omitted: Array<string>
  readonly field: string
}

const addTools = (options: LanguageModelV4CallOptions, { toolChoice, tools }: Request): void => {
  if (tools === undefined || tools.length === 0) return
  options.tools = tools.map(({ description, name, parameters, strict }) => ({
    type: "function",
    name,
    inputSchema: (parameters ?? { type: "object", properties: {} }) as object,
    ...(description === undefined ? {} : { description }),
    ...(strict === undefined ? {} : { strict })
  }))
  if (toolChoice === undefined) return
  options.toolChoice =
    typeof toolChoice === "string" ? { type: toolChoice } : { type: "tool", toolName: toolChoice.name }
}

const addFormat = (options: LanguageModelV4CallOptions, request: Request, { model, omitted }: Context): void => {
  const format = request.responseFormat
  const own: Record<string, unknown> = {}
  if (format?.type === "json") options.responseFormat = { type: "json" }
  if (format?.type === "json-schema") {
    const { description, name, schema, strict } = format
    options.responseFormat = {
      type: "json",
      schema: schema as object,
      ...(name === undefined ? {} : { name }),
      ...(description === undefined ? {} : { description })
    }
    // The SDK asks OpenAI for strict schemas unless told otherwise.
    if (model.namespace === "openai") own["strictJsonSchema"] = strict ?? false
    else if (strict === true) omitted.push("responseFormat.strict")
  }
  Object.assign(own, request.providerOptions)
  if (Object.keys(own).length > 0) options.providerOptions = { [model.namespace]: own } as SharedV4ProviderOptions
}

/** Providers name the wish for one call at a time each in their own way. */
const addParallel = (options: LanguageModelV4CallOptions, request: Request, { model, omitted }: Context): void => {
  const { parallelToolCalls: parallel } = request
  if (options.tools === undefined || parallel === undefined) return
  const field = parallelFields[model.namespace]
  if (field === undefined) return void (parallel ? undefined : omitted.push("parallelToolCalls"))
  const own = { [field]: field === "disableParallelToolUse" ? !parallel : parallel }
  options.providerOptions = { [model.namespace]: { ...own, ...options.providerOptions?.[model.namespace] } }
}

const parallelFields: { readonly [namespace: string]: string | undefined } = {
  openai: "parallelToolCalls",
  azure: "parallelToolCalls",
  groq: "parallelToolCalls",
  mistral: "parallelToolCalls",
  xai: "parallelToolCalls",
  anthropic: "disableParallelToolUse"
}

const toPrompt = (request: Request, context: Context): Encoded<LanguageModelV4Prompt> =>
  Result.gen(function* () {
    request.messages.forEach(({ name }, index) => {
      if (name !== undefined) context.omitted.push(`messages[${index}].name`)
    })
    const prompt: LanguageModelV4Prompt = []
    for (const turn of yield* turnsOf(request.messages)) {
      prompt.push(yield* toMessage(turn, { ...context, field: turn.field }))
    }
    return prompt
  })

const toMessage = (turn: Turn, context: Context): Encoded<LanguageModelV4Message> =>
  Result.gen(function* () {
    if (turn.role === "system") return { role: "system", content: turn.text }
    const content: Array<unknown> = []
    const earlier = returned(turn.content, context.model.namespace)
    for (let index = 0; index < earlier.length; index++) {
      const { metadata, part } = earlier[index]!
      const providerOptions = metadata === undefined ? {} : { providerOptions: metadata }
      const encoded = yield* toPart(part, { ...context, field: `${context.field}.content[${index}]` })
      content.push({ ...encoded, ...providerOptions })
    }
    return { role: turn.role, content } as LanguageModelV4Message
  })

type Part = Exclude<LanguageModelV4Message["content"], string>[number]

const toPart = (part: ContentPart, context: Context): Encoded<Part> => {
  switch (part.type) {
    case "text":
      return Result.succeed({ type: "text", text: part.text })
    case "reasoning":
      return Result.succeed({ type: "reasoning", text: part.text })
    case "image":
    case "file":
      return toFile(part, context)
    case "tool-call": {
      const input = part.arguments.trim() === "" ? {} : (parseJson(part.arguments) ?? part.arguments)
      return Result.succeed({ type: "tool-call", toolCallId: part.id, toolName: part.name, input })
    }
    case "tool-result":
      return Result.map(toOutput(part, context), (output) => ({
        type: "tool-result",
        toolCallId: part.id,
        toolName: part.name ?? "",
        output
      }))
  }
}

const toFile = (
  part: Extract<ContentPart, { readonly type: "image" | "file" }>,
  context: Context
): Encoded<LanguageModelV4FilePart> => {
  const [value, key] = part.type === "image" ? [part.image, "image"] : [part.data, "data"]
  const filename = part.type === "file" && part.filename !== undefined ? { filename: part.filename } : {}
  const detail = part.type === "image" ? detailOf(part.detail, context) : {}
  return Result.flatMap(
    sourceOf(value, part.mediaType, `${context.field}.${key}`),
    (source): Encoded<LanguageModelV4FilePart> => {
      if (source.type === "base64") {
        const data = { type: "data", data: source.data } as const
        return Result.succeed({ type: "file", data, mediaType: source.mediaType, ...filename, ...detail })
      }
      const mediaType = part.mediaType ?? "image"
      if (!readsUrl(context.model, mediaType, source.url)) {
        const ability = `${part.type === "image" ? "images" : "files"} by URL`
        return Result.fail(new UnsupportedAbility({ provider: context.model.provider, ability }))
      }
      const url = URL.parse(source.url)
      return url === null
        ? Result.fail(new InvalidRequest({ field: `${context.field}.${key}`, detail: "expected a URL" }))
        : Result.succeed({ type: "file", data: { type: "url", url }, mediaType, ...filename, ...detail })
    }
  )
}

const detailOf = (detail: "auto" | "low" | "high" | undefined, { field, model, omitted }: Context) => {
  if (detail === undefined) return {}
  if (model.namespace === "openai") return { providerOptions: { openai: { imageDetail: detail } } }
  omitted.push(`${field}.detail`)
  return {}
}

/** Whether the model fetches the URL itself; the SDK would download it otherwise, the engine never does. */
const readsUrl = ({ supportedUrls }: UpstreamModel, mediaType: string, url: string): boolean =>
  Object.entries(supportedUrls).some(([pattern, urls]) => {
    const type = pattern.toLowerCase()
    const prefix = type === "*" || type === "*/*" ? "" : type.replace("*", "")
    const asked = mediaType.includes("/") ? mediaType.toLowerCase() : `${mediaType.toLowerCase()}/`
    const covered = prefix === "" || prefix.endsWith("/") ? asked.startsWith(prefix) : asked === prefix
    return covered && urls.some((regexp) => new RegExp(regexp.source, regexp.flags.replace(/[gy]/g, "")).test(url))
  })

const toOutput = (part: ToolResult, context: Context): Encoded<LanguageModelV4ToolResultOutput> =>
  Result.gen(function* () {
    if (Predicate.isString(part.content)) {
      return part.isError === true
        ? { type: "error-text" as const, value: part.content }
        : { type: "text" as const, value: part.content }
    }
    if (part.isError === true) context.omitted.push(`${context.field}.isError`)
    const value: Extract<LanguageModelV4ToolResultOutput, { readonly type: "content" }>["value"] = []
    for (let index = 0; index < part.content.length; index++) {
      const item = part.content[index]!
      if (item.type === "text") value.push({ type: "text", text: item.text })
      else value.push(yield* toFile(item, { ...context, field: `${context.field}.content[${index}]` }))
    }
    return { type: "content" as const, value }
  })
