/**
 * Bodies of `POST /v1/messages`: types and ranges of the known fields, and their canonical form.
 *
 * Unknown fields are kept in `wire`, so that an Anthropic upstream gets them untouched. What only such an upstream can carry
 * is named in `needs`, and is an error when the request goes elsewhere. Tool results of a user turn become a turn of their
 * own. Adaptive thinking without an effort is an effort of `high`, Anthropic's default.
 * Source: the Messages reference of Anthropic.
 */
import { Result, Schema } from "effect"
import * as Base64 from "effect/encoding/Base64"
import type { InvalidRequest } from "../Errors.ts"
import type { ContentPart, Message, ResponseFormat, Tool, ToolChoice } from "../Request.ts"
import { threadAbility } from "./AnthropicErrors.ts"
import {
  anyObject,
  bodyDecoder,
  flag,
  integer,
  type JsonBody,
  jsonObject,
  name,
  optional,
  otherKind,
  range,
  text
} from "./BodySchema.ts"
import type { DecodedBody } from "./Dialect.ts"
import { withoutForeign } from "./ForeignThinking.ts"
import { type HintRules, hintsOf } from "./Hints.ts"

const Text = Schema.Struct({ type: Schema.Literal("text"), text, citations: optional(Schema.Array(anyObject)) })

const Image = Schema.Struct({
  type: Schema.Literal("image"),
  source: Schema.Union([
    Schema.Struct({ type: Schema.Literal("base64"), media_type: text, data: text }),
    Schema.Struct({ type: Schema.Literal("url"), url: text }),
    otherKind("base64", "url")
  ])
})

const Document = Schema.Struct({
  type: Schema.Literal("document"),
  source: Schema.Union([
    Schema.Struct({ type: Schema.Literal("base64"), media_type: text, data: text }),
    Schema.Struct({ type: Schema.Literal("text"), media_type: optional(text), data: text }),
    Schema.Struct({ type: Schema.Literal("url"), url: text }),
    otherKind("base64", "text", "url")
  ]),
  title: optional(text),
  context: optional(text),
  citations: optional(Schema.Struct({ enabled: optional(flag) }))
})

const ToolUse = Schema.Struct({ type: Schema.Literal("tool_use"), id: text, name: text, input: Schema.Unknown })

const ToolResult = Schema.Struct({
  type: Schema.Literal("tool_result"),
  tool_use_id: text,
  content: optional(
    Schema.Union([text, Schema.Array(Schema.Union([Text, Image, Document, otherKind("text", "image", "document")]))])
  ),
  is_error: optional(flag)
})

const Block = Schema.Union([
  Text,
  Image,
  Document,
  ToolUse,
  ToolResult,
  Schema.Struct({ type: Schema.Literal("thinking"), thinking: text, signature: optional(text) }),
  Schema.Struct({ type: Schema.Literal("redacted_thinking"), data: text }),
  otherKind("text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking")
])
type Block = typeof Block.Type

const turn = <Role extends string, S extends Schema.Constraint>(role: Role, block: S) =>
  Schema.Struct({ role: Schema.Literal(role), content: Schema.Union([text, Schema.Array(block)]) })

const CustomTool = Schema.Struct({
  type: optional(Schema.Literal("custom")),
  name,
  description: optional(text),
  input_schema: jsonObject,
  strict: optional(flag)
})

const Choice = Schema.Union([
  Schema.Struct({ type: Schema.Literal("auto"), disable_parallel_tool_use: optional(flag) }),
  Schema.Struct({ type: Schema.Literal("any"), disable_parallel_tool_use: optional(flag) }),
  Schema.Struct({ type: Schema.Literal("tool"), name, disable_parallel_tool_use: optional(flag) }),
  Schema.Struct({ type: Schema.Literal("none") })
])

const Display = optional(Schema.Literals(["summarized", "omitted"]))

const Thinking = Schema.Union([
  Schema.Struct({
    type: Schema.Literal("enabled"),
    budget_tokens: integer(1024, Number.MAX_SAFE_INTEGER),
    display: Display
  }),
  Schema.Struct({ type: Schema.Literal("adaptive"), display: Display }),
  Schema.Struct({ type: Schema.Literal("disabled") }),
  otherKind("enabled", "adaptive", "disabled")
])

const Format = Schema.Struct({ type: Schema.Literal("json_schema"), schema: jsonObject })

export const MessagesBody = Schema.Struct({
  model: optional(name),
  messages: Schema.Array(Schema.Union([turn("user", Block), turn("assistant", Block), turn("system", Text)])).check(
    Schema.isMinLength(1)
  ),
  system: optional(Schema.Union([text, Schema.Array(Text)])),
  max_tokens: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  stream: optional(flag),
  temperature: optional(range(0, 1)),
  top_p: optional(range(0, 1)),
  top_k: optional(integer(0, Number.MAX_SAFE_INTEGER)),
  stop_sequences: optional(Schema.Array(text)),
  tools: optional(Schema.Array(Schema.Union([CustomTool, otherKind("custom")]))),
  tool_choice: optional(Choice),
  thinking: optional(Thinking),
  output_config: optional(
    Schema.Struct({
      effort: optional(Schema.Literals(["low", "medium", "high", "xhigh", "max"])),
      format: optional(Format)
    })
  ),
  output_format: optional(Format),
  metadata: optional(Schema.Struct({ user_id: optional(text) })),
  service_tier: optional(text),
  container: optional(Schema.Union([text, anyObject])),
  context_management: optional(anyObject),
  mcp_servers: optional(Schema.Array(anyObject)),
  thread: optional(anyObject)
})
type MessagesBody = typeof MessagesBody.Type

const decodeBody = bodyDecoder(MessagesBody)

export const messagesHints: HintRules = {
  hints: { metadata: undefined, service_tier: undefined, "thinking.display": "summarized", "*.citations": undefined },
  freeForm: new Set(["input", "input_schema", "schema"])
}

/** Decodes a body; fails with the path of the first field that is wrong. */
export const decodeMessages = (body: JsonBody): Result.Result<DecodedBody, InvalidRequest> =>
  Result.map(decodeBody(body), (read) => {
    const reader = new Reader()
    if (read.system != null) reader.system(read.system)
    for (const message of read.messages) reader.message(message)
    const tools = toolsOf(read, reader)
    const format = read.output_config?.format ?? read.output_format
    needsOf(read, reader)
    return {
      model: read.model ?? undefined,
      messages: reader.messages,
      temperature: read.temperature ?? undefined,
      topP: read.top_p ?? undefined,
      maxTokens: read.max_tokens || undefined,
      stop: read.stop_sequences ?? undefined,
      seed: undefined,
      topK: read.top_k || undefined,
      tools,
      toolChoice: toolChoiceOf(read),
      parallelToolCalls: parallelOf(read),
      responseFormat:
        format == null ? undefined : ({ type: "json-schema", schema: format.schema } satisfies ResponseFormat),
      reasoning: reasoningOf(read),
      stream: read.stream ?? false,
      wire: {
        dialect: "anthropic-messages",
        ...withoutForeign(body, reader.signed),
        needs: [...reader.needs],
        hints: () => hintsOf(body, decodeBody.known(body), messagesHints)
      }
    }
  })

/** Turns messages into canonical ones and notes what has no canonical form. */
class Reader {
  readonly messages: Array<Message> = []
  readonly needs = new Set<string>()
  /** True when there is reasoning of earlier turns, or text of theirs with citations. */
  signed = false

  system(content: string | ReadonlyArray<typeof Text.Type>): void {
    const plain = typeof content === "string" ? content : content.map(({ text, type }) => ({ type, text }))
    this.messages.push({ role: "system", content: plain })
  }

  message(message: MessagesBody["messages"][number]): void {
    const { content, role } = message
    if (typeof content === "string") return void this.messages.push({ role, content })
    const results: Array<ContentPart> = []
    const parts: Array<ContentPart> = []
    for (const block of content as ReadonlyArray<Block>) {
      const part = this.part(block)
      if (part !== undefined) (part.type === "tool-result" && role === "user" ? results : parts).push(part)
    }
    if (results.length > 0) this.messages.push({ role: "tool", content: results })
    if (parts.length > 0 || results.length === 0) this.messages.push({ role, content: parts })
  }

  /** The canonical part of a block; undefined for one that only Anthropic can read. */
  private part(block: Block): ContentPart | undefined {
    switch (block.type) {
      case "text":
        this.signed ||= block.citations != null && block.citations.length > 0
        return { type: "text", text: block.text }
      case "image":
        return this.image(block.source)
      case "document":
        return this.document(block)
      case "tool_use":
        return { type: "tool-call", id: block.id, name: block.name, arguments: JSON.stringify(block.input) ?? "{}" }
      case "tool_result":
        return this.toolResult(block)
      case "thinking":
        this.signed = true
        return block.signature == null || block.signature === ""
          ? { type: "reasoning", text: block.thinking }
          : { type: "reasoning", text: block.thinking, signature: block.signature }
      case "redacted_thinking":
        this.signed = true
        return { type: "reasoning", text: "", redacted: block.data }
      default:
        return this.only(`content blocks of type ${block.kind}`)
    }
  }

  private image(source: (typeof Image.Type)["source"]): ContentPart | undefined {
    if (source.type === "url") return { type: "image", image: source.url }
    if (source.type === "base64") return { type: "image", image: source.data, mediaType: source.media_type }
    return this.only(`images by ${source.kind}`)
  }

  private document(block: typeof Document.Type): ContentPart | undefined {
    const { citations, context, source, title } = block
    if (citations?.enabled === true) this.needs.add("citations")
    if (context != null && context !== "") this.needs.add("the context of a document")
    const named = title == null ? {} : { filename: title }
    switch (source.type) {
      case "base64":
        return { type: "file", data: source.data, mediaType: source.media_type, ...named }
      case "url":
        return { type: "file", data: source.url, mediaType: "application/pdf", ...named }
      case "text":
        return {
          type: "file",
          data: Base64.encode(source.data),
          mediaType: source.media_type ?? "text/plain",
          ...named
        }
      default:
        return this.only(`documents by ${source.kind}`)
    }
  }

  private toolResult(block: typeof ToolResult.Type): ContentPart {
    const content: Array<Extract<ContentPart, { readonly type: "text" | "image" | "file" }>> = []
    if (typeof block.content !== "string") {
      for (const inner of block.content ?? []) {
        const part = this.part(inner)
        if (part?.type === "text" || part?.type === "image" || part?.type === "file") content.push(part)
      }
    }
    return {
      type: "tool-result",
      id: block.tool_use_id,
      content: typeof block.content === "string" ? block.content : content,
      ...(block.is_error == null ? {} : { isError: block.is_error })
    }
  }

  private only(what: string): undefined {
    this.needs.add(what)
    return undefined
  }
}

const toolsOf = (read: MessagesBody, reader: Reader): ReadonlyArray<Tool> | undefined => {
  if (read.tools == null || read.tools.length === 0) return undefined
  const tools: Array<Tool> = []
  for (const tool of read.tools) {
    if (tool.type === "other") {
      reader.needs.add(`tools of type ${tool.kind}`)
      continue
    }
    tools.push({
      name: tool.name,
      parameters: tool.input_schema,
      ...(tool.description == null ? {} : { description: tool.description }),
      ...(tool.strict == null ? {} : { strict: tool.strict })
    })
  }
  return tools
}

const toolChoiceOf = ({ tool_choice: choice }: MessagesBody): ToolChoice | undefined => {
  if (choice == null) return undefined
  switch (choice.type) {
    case "any":
      return "required"
    case "tool":
      return { name: choice.name }
    default:
      return choice.type
  }
}

const parallelOf = ({ tool_choice: choice }: MessagesBody): boolean | undefined =>
  choice == null || choice.type === "none" || choice.disable_parallel_tool_use == null
    ? undefined
    : !choice.disable_parallel_tool_use

const reasoningOf = ({ output_config: output, thinking }: MessagesBody): DecodedBody["reasoning"] => {
  const stated = output?.effort ?? undefined
  const effort = stated === "max" ? "xhigh" : stated
  switch (thinking?.type) {
    case "disabled":
      return { effort: "none" }
    case "adaptive":
      return { effort: effort ?? "high" }
    case "enabled":
      return effort === undefined
        ? { maxTokens: thinking.budget_tokens }
        : { effort, maxTokens: thinking.budget_tokens }
    default:
      return effort === undefined ? undefined : { effort }
  }
}

const needsOf = (read: MessagesBody, { needs }: Reader): void => {
  if (read.max_tokens === 0) needs.add("max_tokens 0")
  if (read.thread != null) needs.add(threadAbility)
  if (read.container != null) needs.add("container")
  if (read.context_management != null) needs.add("context_management")
  if ((read.mcp_servers?.length ?? 0) > 0) needs.add("mcp_servers")
  if (read.thinking?.type === "other") needs.add(`thinking ${read.thinking.kind}`)
}
