/**
 * From a call of Effect's `LanguageModel` to an `AIRequest`.
 *
 * Settings that Effect has no place for come from the layer, then from `withSettings`, then from `options.millrace` of
 * the last message; the later wins. What Millrace can't carry is an error that names it. Options of other providers
 * are theirs to read, and are left alone.
 */
import { Result } from "effect"
import type * as AiError from "effect/ai/AiError"
import type * as LanguageModel from "effect/ai/LanguageModel"
import type * as Prompt from "effect/ai/Prompt"
import * as Base64 from "effect/encoding/Base64"
import { InvalidRequest } from "../Errors.ts"
import { fileOf, type OwnFields, reasoningOf } from "../ForeignPrompt.ts"
import { decodeMillraceOptions, type MillraceOptions } from "../MillraceOptions.ts"
import type { AIRequest, ContentPart, Message } from "../Request.ts"
import { reasonOf } from "./Failure.ts"
import { toFormat, toTools } from "./Schemas.ts"

/** What `LanguageModel` itself does not say about a request. Times are milliseconds. */
export interface ModelSettings
  extends Pick<AIRequest, "model" | "temperature" | "topP" | "maxTokens" | "stop" | "seed">, MillraceOptions {}

export type Read<A> = Result.Result<A, AiError.AiErrorReason>

export const toRequest = (options: LanguageModel.ProviderOptions, settings: ModelSettings): Read<AIRequest> =>
  Result.gen(function* () {
    const { content } = options.prompt
    const { strict, ...rest } = mergeSettings(settings, yield* optionsOf(content))
    const request: { -readonly [K in keyof AIRequest]: AIRequest[K] } = {
      ...rest,
      messages: yield* toMessages(content)
    }
    if (options.tools.length > 0) {
      request.tools = yield* toTools(options.tools)
      request.toolChoice = toToolChoice(options.toolChoice)
    }
    if (options.responseFormat.type === "json") request.responseFormat = yield* toFormat(options.responseFormat, strict)
    return request
  })

/** The later settings win; those of the cache and of reasoning field by field. */
export const mergeSettings = (earlier: ModelSettings, later: ModelSettings): ModelSettings => ({
  ...earlier,
  ...later,
  ...(earlier.cache === undefined ? {} : { cache: { ...earlier.cache, ...later.cache } }),
  ...(earlier.reasoning === undefined ? {} : { reasoning: { ...earlier.reasoning, ...later.reasoning } })
})

/** `options.millrace` of the last message: those of earlier ones were for earlier calls. */
const optionsOf = (messages: ReadonlyArray<Prompt.Message>): Read<MillraceOptions> => {
  const last = messages[messages.length - 1]
  const written = last?.options["millrace"]
  if (written === undefined || written === null) return Result.succeed({})
  return Result.mapError(
    decodeMillraceOptions(written, `prompt.content[${messages.length - 1}].options.millrace`),
    reasonOf
  )
}

const toToolChoice = (choice: LanguageModel.ProviderOptions["toolChoice"]): NonNullable<AIRequest["toolChoice"]> => {
  if (typeof choice === "string") return choice
  // `oneOf` has narrowed the tools already.
  return "tool" in choice ? { name: choice.tool as string } : (choice.mode ?? "auto")
}

const toMessages = (messages: ReadonlyArray<Prompt.Message>): Read<ReadonlyArray<Message>> =>
  Result.gen(function* () {
    const out: Array<Message> = []
    for (let index = 0; index < messages.length; index++) {
      const message = messages[index]!
      if (message.role === "system") {
        out.push({ role: "system", content: message.content })
        continue
      }
      const content: Array<ContentPart> = []
      for (let at = 0; at < message.content.length; at++) {
        const part = yield* toPart(message.content[at]!, `prompt.content[${index}].content[${at}]`)
        if (part !== undefined) content.push(part)
      }
      if (content.length > 0) out.push({ role: message.role, content })
    }
    return out
  })

/** A part as the engine knows it; undefined for the bookkeeping of approvals, which no model reads. */
const toPart = (part: Prompt.Part, field: string): Read<ContentPart | undefined> => {
  switch (part.type) {
    case "text":
      return Result.succeed({ type: "text", text: part.text })
    case "file":
      return toFile(part, field)
    case "reasoning":
      return Result.succeed(reasoningOf(part.text, ownFields(part.options)))
    case "tool-call":
      if (part.providerExecuted) return invalid(field, "a tool call that a provider ran itself can't be carried")
      return Result.succeed({ type: "tool-call", id: part.id, name: part.name, arguments: toJson(part.params) })
    case "tool-result":
      if (part.providerExecuted) return invalid(field, "a result of a tool that a provider ran can't be carried")
      return toToolResult(part, field)
    case "tool-approval-request":
    case "tool-approval-response":
      return Result.succeed(undefined)
  }
}

const ownFields = (options: Prompt.ProviderOptions): OwnFields => {
  const own = options["millrace"]
  return typeof own === "object" && own !== null && !Array.isArray(own)
    ? (own as { readonly [field: string]: unknown })
    : {}
}

type Inline = Extract<ContentPart, { readonly type: "text" | "image" | "file" }>

const toFile = (part: Prompt.FilePart, field: string): Read<Inline> => {
  const data =
    part.data instanceof URL ? part.data.href : typeof part.data === "string" ? part.data : Base64.encode(part.data)
  const file = { data, mediaType: part.mediaType, filename: part.fileName }
  return Result.mapError(fileOf(file, ownFields(part.options), `${field}.options.millrace.detail`), reasonOf)
}

const toToolResult = (part: Prompt.ToolResultPart, field: string): Read<ContentPart> =>
  Result.gen(function* () {
    let content: string | Array<Inline> = toJson(part.result)
    if (typeof part.result === "string") content = part.result
    if (part.modelOutput !== undefined) {
      content = []
      for (let index = 0; index < part.modelOutput.length; index++) {
        const output = part.modelOutput[index]!
        content.push(
          output.type === "text"
            ? { type: "text", text: output.text }
            : yield* toFile(output, `${field}.modelOutput[${index}]`)
        )
      }
    }
    return {
      type: "tool-result",
      id: part.id,
      name: part.name,
      content,
      ...(part.isFailure ? { isError: true } : {})
    }
  })

/** JSON text; what has no JSON, such as the result of a tool that returns nothing, is null. */
const toJson = (value: unknown): string => JSON.stringify(value) ?? "null"

const invalid = (field: string, detail: string): Read<never> =>
  Result.fail(reasonOf(new InvalidRequest({ field, detail })))
