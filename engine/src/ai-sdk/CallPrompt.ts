/**
 * The messages of an AI SDK call as messages of the engine.
 *
 * Signatures of earlier reasoning come back in `providerOptions.millrace`, where `CallAnswer` has put them. Parts that
 * only one provider understands are left out with a warning; files that were uploaded to one are an error.
 */
import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultPart,
  SharedV4ProviderOptions,
  SharedV4Warning
} from "@ai-sdk/provider"
import { Result } from "effect"
import * as Base64 from "effect/encoding/Base64"
import { InvalidRequest } from "../Errors.ts"
import { fileOf, type OwnFields, reasoningOf } from "../ForeignPrompt.ts"
import type { ContentPart, Message } from "../Request.ts"

type Read<A> = Result.Result<A, InvalidRequest>
type Part = Exclude<LanguageModelV4Message["content"], string>[number]
type Inline = Extract<ContentPart, { readonly type: "text" | "image" | "file" }>

export const toMessages = (
  prompt: LanguageModelV4Prompt,
  warnings: Array<SharedV4Warning>
): Read<ReadonlyArray<Message>> =>
  Result.gen(function* () {
    const messages: Array<Message> = []
    for (let index = 0; index < prompt.length; index++) {
      const message = prompt[index]!
      if (message.role === "system") {
        messages.push({ role: "system", content: message.content })
        continue
      }
      const content: Array<ContentPart> = []
      for (let at = 0; at < message.content.length; at++) {
        const part = yield* toPart(message.content[at]!, `prompt[${index}].content[${at}]`, warnings)
        if (part !== undefined) content.push(part)
      }
      if (content.length > 0) messages.push({ role: message.role, content })
    }
    return messages
  })

/** A part as the engine knows it; undefined for one that is left out. */
const toPart = (part: Part, field: string, warnings: Array<SharedV4Warning>): Read<ContentPart | undefined> => {
  switch (part.type) {
    case "text":
      return Result.succeed({ type: "text", text: part.text })
    case "file":
      return toFile(part, field)
    case "reasoning":
      return Result.succeed(reasoningOf(part.text, ownFields(part.providerOptions)))
    case "tool-call":
      if (part.providerExecuted === true) return invalid(field, "a tool call that a provider ran can't be carried")
      return Result.succeed({
        type: "tool-call",
        id: part.toolCallId,
        name: part.toolName,
        arguments: typeof part.input === "string" ? part.input : toJson(part.input)
      })
    case "tool-result":
      return toToolResult(part, field, warnings)
    case "custom":
    case "reasoning-file":
    case "tool-approval-response":
      warnings.push({ type: "unsupported", feature: `${part.type} parts`, details: `${field} is left out` })
      return Result.succeed(undefined)
  }
}

const ownFields = (options: SharedV4ProviderOptions | undefined): OwnFields => options?.["millrace"] ?? {}

type FileLike = Pick<LanguageModelV4FilePart, "data" | "filename" | "mediaType" | "providerOptions">

const toFile = ({ filename, mediaType, ...part }: FileLike, field: string): Read<Inline> =>
  Result.flatMap(dataOf(part, field), (data) =>
    fileOf({ data, mediaType, filename }, ownFields(part.providerOptions), `${field}.providerOptions.millrace.detail`)
  )

/** A URL, or base64. */
const dataOf = ({ data }: Pick<FileLike, "data">, field: string): Read<string> => {
  switch (data.type) {
    case "data":
      return Result.succeed(typeof data.data === "string" ? data.data : Base64.encode(data.data))
    case "url":
      return Result.succeed(data.url.href)
    case "text":
      return Result.succeed(Base64.encode(data.text))
    case "reference":
      return invalid(`${field}.data`, "a file that was uploaded to one provider can't be sent to any; give its content")
  }
}

const toToolResult = (
  part: LanguageModelV4ToolResultPart,
  field: string,
  warnings: Array<SharedV4Warning>
): Read<ContentPart> => {
  const { output } = part
  const result = (content: string | ReadonlyArray<Inline>, isError: boolean): Read<ContentPart> =>
    Result.succeed({
      type: "tool-result",
      id: part.toolCallId,
      name: part.toolName,
      content,
      ...(isError ? { isError } : {})
    })
  switch (output.type) {
    case "text":
      return result(output.value, false)
    case "json":
      return result(toJson(output.value), false)
    case "error-text":
      return result(output.value, true)
    case "error-json":
      return result(toJson(output.value), true)
    case "execution-denied":
      return result(output.reason ?? "The user did not allow this tool to run.", true)
    case "content": {
      const content: Array<Inline> = []
      for (let index = 0; index < output.value.length; index++) {
        const item = output.value[index]!
        if (item.type === "text") content.push({ type: "text", text: item.text })
        else if (item.type === "file") {
          const file = toFile(item, `${field}.output.value[${index}]`)
          if (Result.isFailure(file)) return Result.fail(file.failure)
          content.push(file.success)
        } else warnings.push({ type: "unsupported", feature: "custom parts", details: `${field}.output is incomplete` })
      }
      return result(content, false)
    }
  }
}

const toJson = (value: unknown): string => JSON.stringify(value) ?? "null"

const invalid = (field: string, detail: string): Read<never> => Result.fail(new InvalidRequest({ field, detail }))
