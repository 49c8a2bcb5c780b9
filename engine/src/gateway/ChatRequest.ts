/**
 * Bodies of `POST /v1/chat/completions`: types and ranges of the known fields, and their canonical form.
 *
 * Unknown fields are kept in `wire`, so that an OpenAI-compatible upstream gets them untouched. What only such an upstream
 * can carry is named in `needs`, and is an error when the request goes elsewhere. `null` means absent, as at OpenAI.
 * Source: the Chat Completions reference of OpenAI.
 */
import { Result, Schema } from "effect"
import type { InvalidRequest } from "../Errors.ts"
import { thoughtSignatureOf } from "../protocols/OpenAiChatCalls.ts"
import type { ContentPart, Message, ResponseFormat, Tool, ToolChoice } from "../Request.ts"
import {
  anyObject,
  bodyDecoder,
  integer,
  type JsonBody,
  jsonObject,
  name,
  optional,
  positive,
  range,
  text
} from "./BodySchema.ts"
import type { DecodedBody } from "./Dialect.ts"
import { addSignature, earlierReasoning } from "./ChatReasoning.ts"
import { type HintRules, hintsOf } from "./Hints.ts"

const UserPart = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text"), text }),
  Schema.Struct({
    type: Schema.Literal("image_url"),
    image_url: Schema.Struct({ url: text, detail: optional(Schema.Literals(["auto", "low", "high"])) })
  }),
  Schema.Struct({
    type: Schema.Literal("input_audio"),
    input_audio: Schema.Struct({ data: text, format: text })
  }),
  Schema.Struct({
    type: Schema.Literal("file"),
    file: Schema.Struct({ file_data: optional(text), file_id: optional(text), filename: optional(text) })
  })
])

const TextPart = Schema.Struct({ type: Schema.Literal("text"), text })
const RefusalPart = Schema.Struct({ type: Schema.Literal("refusal"), refusal: text })

const FunctionCall = Schema.Struct({
  id: text,
  type: Schema.Literal("function"),
  function: Schema.Struct({ name: text, arguments: text }),
  extra_content: optional(anyObject)
})

/** One struct for each word, so that a wrong field is reported by its own path. */
const instruction = <Role extends string>(role: Role) =>
  Schema.Struct({
    role: Schema.Literal(role),
    content: Schema.Union([text, Schema.Array(TextPart)]),
    name: optional(text)
  })

const ChatMessage = Schema.Union([
  instruction("system"),
  instruction("developer"),
  Schema.Struct({
    role: Schema.Literal("user"),
    content: Schema.Union([text, Schema.Array(UserPart)]),
    name: optional(text)
  }),
  Schema.Struct({
    role: Schema.Literal("assistant"),
    content: optional(Schema.Union([text, Schema.Array(Schema.Union([TextPart, RefusalPart]))])),
    refusal: optional(text),
    name: optional(text),
    reasoning_content: optional(text),
    reasoning: optional(text),
    reasoning_details: optional(Schema.Array(anyObject)),
    tool_calls: optional(
      Schema.Array(Schema.Union([FunctionCall, Schema.Struct({ id: text, type: Schema.Literal("custom") })]))
    ),
    function_call: optional(anyObject)
  }),
  Schema.Struct({
    role: Schema.Literal("tool"),
    content: Schema.Union([text, Schema.Array(TextPart)]),
    tool_call_id: text
  }),
  Schema.Struct({ role: Schema.Literal("function"), content: Schema.NullOr(text), name: text })
])

const ChatTool = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("function"),
    function: Schema.Struct({
      name: Schema.NonEmptyString,
      description: optional(text),
      parameters: optional(jsonObject),
      strict: optional(Schema.Boolean)
    })
  }),
  Schema.Struct({ type: Schema.Literal("custom"), custom: anyObject })
])

const ChatToolChoice = Schema.Union([
  Schema.Literals(["auto", "none", "required"]),
  Schema.Struct({ type: Schema.Literal("function"), function: Schema.Struct({ name: Schema.NonEmptyString }) }),
  Schema.Struct({ type: Schema.Literal("allowed_tools") }),
  Schema.Struct({ type: Schema.Literal("custom") })
])

const ChatFormat = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    json_schema: Schema.Struct({
      name: text,
      description: optional(text),
      schema: optional(jsonObject),
      strict: optional(Schema.Boolean)
    })
  })
])

export const ChatBody = Schema.Struct({
  model: optional(name),
  messages: Schema.Array(ChatMessage).check(Schema.isMinLength(1)),
  stream: optional(Schema.Boolean),
  stream_options: optional(Schema.Struct({ include_usage: optional(Schema.Boolean) })),
  temperature: optional(range(0, 2)),
  top_p: optional(range(0, 1)),
  max_tokens: optional(positive),
  max_completion_tokens: optional(positive),
  n: optional(integer(1, 128)),
  stop: optional(Schema.Union([text, Schema.Array(text)])),
  seed: optional(Schema.Int),
  top_k: optional(Schema.Int),
  presence_penalty: optional(range(-2, 2)),
  frequency_penalty: optional(range(-2, 2)),
  logit_bias: optional(Schema.Record(Schema.String, range(-100, 100))),
  logprobs: optional(Schema.Boolean),
  top_logprobs: optional(integer(0, 20)),
  tools: optional(Schema.Array(ChatTool)),
  tool_choice: optional(ChatToolChoice),
  parallel_tool_calls: optional(Schema.Boolean),
  response_format: optional(ChatFormat),
  reasoning_effort: optional(Schema.Literals(["default", "none", "minimal", "low", "medium", "high", "xhigh"])),
  reasoning: optional(
    Schema.Struct({
      effort: optional(Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh"])),
      max_tokens: optional(positive)
    })
  ),
  functions: optional(Schema.Array(anyObject)),
  function_call: optional(Schema.Union([text, anyObject])),
  modalities: optional(Schema.Array(text)),
  audio: optional(anyObject),
  prediction: optional(anyObject),
  web_search_options: optional(anyObject),
  user: optional(text)
})
type ChatBody = typeof ChatBody.Type

export const chatHints: HintRules = {
  hints: { user: undefined },
  inert: new Set(["annotations", "include_obfuscation"]),
  freeForm: new Set(["parameters", "schema", "logit_bias", "reasoning_details", "extra_content"])
}

const decodeBody = bodyDecoder(ChatBody)

/** Decodes a body; fails with the path of the first field that is wrong. */
export const decodeChat = (body: JsonBody): Result.Result<DecodedBody, InvalidRequest> =>
  Result.map(decodeBody(body), (chat) => ({
    model: chat.model ?? undefined,
    messages: chat.messages.map(messageOf),
    temperature: chat.temperature ?? undefined,
    topP: chat.top_p ?? undefined,
    maxTokens: chat.max_completion_tokens ?? chat.max_tokens ?? undefined,
    stop: typeof chat.stop === "string" ? [chat.stop] : (chat.stop ?? undefined),
    seed: chat.seed ?? undefined,
    topK: chat.top_k != null && chat.top_k > 0 ? chat.top_k : undefined,
    presencePenalty: chat.presence_penalty || undefined,
    frequencyPenalty: chat.frequency_penalty || undefined,
    logprobs: chat.logprobs === true ? (chat.top_logprobs ?? 0) : undefined,
    tools: toolsOf(chat),
    toolChoice: toolChoiceOf(chat),
    parallelToolCalls: chat.parallel_tool_calls ?? undefined,
    responseFormat: formatOf(chat),
    reasoning: reasoningOf(chat),
    stream: chat.stream ?? false,
    wire: {
      dialect: "openai-chat",
      body,
      needs: needsOf(chat),
      hints: () => hintsOf(body, decodeBody.known(body), chatHints)
    }
  }))

const messageOf = (message: ChatBody["messages"][number]): Message => {
  switch (message.role) {
    case "system":
    case "developer":
      return named({ role: "system", content: message.content }, message.name)
    case "user":
      return named(
        { role: "user", content: typeof message.content === "string" ? message.content : message.content.map(partOf) },
        message.name
      )
    case "assistant":
      return named({ role: "assistant", content: assistantContent(message) }, message.name)
    case "tool":
      return { role: "tool", content: [{ type: "tool-result", id: message.tool_call_id, content: message.content }] }
    case "function":
      return { role: "tool", content: [{ type: "tool-result", id: message.name, content: message.content ?? "" }] }
  }
}

const named = (message: Message, name: string | null | undefined): Message =>
  name == null ? message : { ...message, name }

type AssistantMessage = Extract<ChatBody["messages"][number], { readonly role: "assistant" }>

const assistantContent = (message: AssistantMessage): Message["content"] => {
  const { content, refusal, tool_calls: calls } = message
  const thought = message.reasoning_content ?? message.reasoning ?? ""
  const parts = earlierReasoning(thought, message.reasoning_details ?? [])
  if (typeof content === "string" && calls == null && refusal == null && parts.length === 0) return content
  if (typeof content === "string") {
    if (content !== "") parts.push({ type: "text", text: content })
  } else {
    for (const part of content ?? [])
      parts.push({ type: "text", text: part.type === "text" ? part.text : part.refusal })
  }
  if (refusal != null) parts.push({ type: "text", text: refusal })
  for (const call of calls ?? []) {
    if (call.type === "function") {
      addSignature(parts, thoughtSignatureOf(call))
      parts.push({ type: "tool-call", id: call.id, name: call.function.name, arguments: call.function.arguments })
    }
  }
  return parts
}

const partOf = (part: typeof UserPart.Type): ContentPart => {
  switch (part.type) {
    case "text":
      return part
    case "image_url":
      return part.image_url.detail == null
        ? { type: "image", image: part.image_url.url }
        : { type: "image", image: part.image_url.url, detail: part.image_url.detail }
    case "input_audio":
      return { type: "file", data: part.input_audio.data, mediaType: `audio/${part.input_audio.format}` }
    case "file": {
      const { file_data: data, filename } = part.file
      const mediaType = /^data:([^;,]+)/.exec(data ?? "")?.[1] ?? "application/octet-stream"
      return filename == null
        ? { type: "file", data: data ?? "", mediaType }
        : { type: "file", data: data ?? "", mediaType, filename }
    }
  }
}

const toolsOf = (chat: ChatBody): ReadonlyArray<Tool> | undefined => {
  if (chat.tools == null || chat.tools.length === 0) return undefined
  return chat.tools.flatMap((tool) => {
    if (tool.type !== "function") return []
    const { description, name, parameters, strict } = tool.function
    return [
      {
        name,
        ...(description == null ? {} : { description }),
        ...(parameters == null ? {} : { parameters }),
        ...(strict == null ? {} : { strict })
      }
    ]
  })
}

const toolChoiceOf = ({ tool_choice: choice }: ChatBody): ToolChoice | undefined => {
  if (choice == null) return undefined
  if (typeof choice === "string") return choice
  return choice.type === "function" ? { name: choice.function.name } : undefined
}

/** OpenAI's effort, or effort and budget as routers have them. */
const reasoningOf = ({ reasoning, reasoning_effort: stated }: ChatBody): DecodedBody["reasoning"] => {
  const effort = (stated === "default" ? undefined : stated) ?? reasoning?.effort ?? undefined
  const maxTokens = reasoning?.max_tokens ?? undefined
  if (effort === undefined && maxTokens === undefined) return undefined
  return { ...(effort === undefined ? {} : { effort }), ...(maxTokens === undefined ? {} : { maxTokens }) }
}

const formatOf = ({ response_format: format }: ChatBody): ResponseFormat | undefined => {
  if (format == null) return undefined
  if (format.type === "text") return { type: "text" }
  if (format.type === "json_object") return { type: "json" }
  const { description, name, schema, strict } = format.json_schema
  return {
    type: "json-schema",
    name,
    schema: schema ?? {},
    ...(description == null ? {} : { description }),
    ...(strict == null ? {} : { strict })
  }
}

/** What has no canonical form. Values that equal OpenAI's defaults ask for nothing. */
const needsOf = (chat: ChatBody): ReadonlyArray<string> => {
  const needs: Array<string> = []
  if ((chat.n ?? 1) !== 1) needs.push("several choices (n)")
  if (chat.logit_bias != null && Object.keys(chat.logit_bias).length > 0) needs.push("logit_bias")
  if (chat.functions != null || chat.function_call != null) needs.push("functions (use tools)")
  if (chat.modalities != null && chat.modalities.some((name) => name !== "text")) needs.push("modalities")
  if (chat.audio != null) needs.push("audio answers (audio)")
  if (chat.prediction != null) needs.push("prediction")
  if (chat.web_search_options != null) needs.push("web_search_options")
  if (chat.tools?.some((tool) => tool.type === "custom") === true) needs.push("custom tools")
  if (typeof chat.tool_choice === "object" && chat.tool_choice !== null && chat.tool_choice.type !== "function") {
    needs.push(`tool_choice ${chat.tool_choice.type}`)
  }
  for (const message of chat.messages) {
    if (message.role === "assistant" && message.tool_calls?.some((call) => call.type === "custom") === true) {
      needs.push("custom tool calls")
    }
    if (message.role !== "user" || typeof message.content === "string") continue
    if (message.content.some((part) => part.type === "file" && part.file.file_data == null)) needs.push("file ids")
  }
  return needs
}
