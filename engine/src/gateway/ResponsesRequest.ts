/**
 * Bodies of `POST /v1/responses`: types and ranges of the known fields, and their canonical form.
 *
 * Unknown fields are kept in `wire`, so that an upstream of this API gets them untouched. What only such an upstream can
 * carry (its state, its own tools) is named in `needs`, and is an error when the request goes elsewhere; what is remembered
 * here is in the body by now. Neighbouring items
 * of the model become one assistant turn, neighbouring results one tool turn.
 * Source: the Responses reference of OpenAI.
 */
import { Result, Schema } from "effect"
import { InvalidRequest } from "../Errors.ts"
import { isObject, type JsonObject } from "../protocols/Json.ts"
import type { ContentPart, Message, ResponseFormat, Tool, ToolChoice } from "../Request.ts"
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
  positive,
  range,
  text
} from "./BodySchema.ts"
import type { DecodedBody } from "./Dialect.ts"
import { type HintRules, hintsOf } from "./Hints.ts"
import { isForeignItem, reasoningPart } from "./ResponsesReasoning.ts"

const Part = Schema.Union([
  Schema.Struct({ type: Schema.Literal("input_text"), text }),
  Schema.Struct({ type: Schema.Literal("output_text"), text }),
  Schema.Struct({ type: Schema.Literal("refusal"), refusal: text }),
  Schema.Struct({
    type: Schema.Literal("input_image"),
    image_url: optional(text),
    file_id: optional(text),
    detail: optional(Schema.Literals(["auto", "low", "high", "original"]))
  }),
  Schema.Struct({
    type: Schema.Literal("input_file"),
    file_data: optional(text),
    file_url: optional(text),
    file_id: optional(text),
    filename: optional(text)
  }),
  otherKind("input_text", "output_text", "refusal", "input_image", "input_file")
])

const Content = Schema.Union([text, Schema.Array(Part)])

const message = <Role extends string>(role: Role) =>
  Schema.Struct({ type: optional(Schema.Literal("message")), role: Schema.Literal(role), content: Content })

const Texts = (type: string) => optional(Schema.Array(Schema.Struct({ type: Schema.Literal(type), text })))

const Item = Schema.Union([
  message("user"),
  message("assistant"),
  message("system"),
  message("developer"),
  Schema.Struct({ type: Schema.Literal("function_call"), call_id: text, name: text, arguments: text }),
  Schema.Struct({ type: Schema.Literal("function_call_output"), call_id: text, output: Content }),
  Schema.Struct({
    type: Schema.Literal("reasoning"),
    id: optional(text),
    summary: Texts("summary_text"),
    content: Texts("reasoning_text"),
    encrypted_content: optional(text)
  }),
  otherKind("message", "function_call", "function_call_output", "reasoning")
])

const FunctionTool = Schema.Struct({
  type: Schema.Literal("function"),
  name,
  description: optional(text),
  parameters: optional(jsonObject),
  strict: optional(flag)
})

const Choice = Schema.Union([
  Schema.Literals(["auto", "none", "required"]),
  Schema.Struct({ type: Schema.Literal("function"), name }),
  otherKind("function")
])

const Format = Schema.Union([
  Schema.Struct({ type: Schema.Literal("text") }),
  Schema.Struct({ type: Schema.Literal("json_object") }),
  Schema.Struct({
    type: Schema.Literal("json_schema"),
    name,
    description: optional(text),
    schema: jsonObject,
    strict: optional(flag)
  })
])

export const ResponsesBody = Schema.Struct({
  model: optional(name),
  input: optional(Schema.Union([text, Schema.Array(Item)])),
  instructions: optional(text),
  stream: optional(flag),
  stream_options: optional(anyObject),
  temperature: optional(range(0, 2)),
  top_p: optional(range(0, 1)),
  max_output_tokens: optional(positive),
  tools: optional(Schema.Array(Schema.Union([FunctionTool, otherKind("function")]))),
  tool_choice: optional(Choice),
  parallel_tool_calls: optional(flag),
  text: optional(
    Schema.Struct({ format: optional(Format), verbosity: optional(Schema.Literals(["low", "medium", "high"])) })
  ),
  reasoning: optional(
    Schema.Struct({
      effort: optional(Schema.Literals(["none", "minimal", "low", "medium", "high", "xhigh", "max"])),
      summary: optional(Schema.Literals(["auto", "concise", "detailed"]))
    })
  ),
  include: optional(Schema.Array(text)),
  max_tool_calls: optional(positive),
  top_logprobs: optional(integer(0, 20)),
  truncation: optional(Schema.Literals(["auto", "disabled"])),
  previous_response_id: optional(text),
  conversation: optional(Schema.Union([text, anyObject])),
  prompt: optional(anyObject),
  background: optional(flag),
  store: optional(flag),
  metadata: optional(anyObject),
  user: optional(text),
  service_tier: optional(text)
})
type ResponsesBody = typeof ResponsesBody.Type

const decodeBody = bodyDecoder(ResponsesBody)

export const responsesHints: HintRules = {
  hints: {
    "text.verbosity": undefined,
    "reasoning.summary": undefined,
    metadata: undefined,
    user: undefined,
    service_tier: "auto"
  },
  inert: new Set(["id", "status", "annotations", "logprobs"]),
  freeForm: new Set(["parameters", "schema"])
}

/** Decodes a body; fails with the path of the first field that is wrong. */
export const decodeResponses = (body: JsonBody): Result.Result<DecodedBody, InvalidRequest> =>
  Result.flatMap(decodeBody(body), (read) => {
    const reader = new Reader()
    if (read.instructions != null) reader.messages.push({ role: "system", content: read.instructions })
    if (typeof read.input === "string") reader.messages.push({ role: "user", content: read.input })
    else for (const item of read.input ?? []) reader.item(item)
    const tools = toolsOf(read, reader)
    needsOf(read, reader)
    if (reader.messages.length === 0 && reader.needs.size === 0) {
      return Result.fail(new InvalidRequest({ field: "input", detail: "expected text or at least one item" }))
    }
    const effort = read.reasoning?.effort
    return Result.succeed({
      model: read.model ?? undefined,
      messages: reader.messages,
      temperature: read.temperature ?? undefined,
      topP: read.top_p ?? undefined,
      maxTokens: read.max_output_tokens ?? undefined,
      stop: undefined,
      seed: undefined,
      logprobs: logprobsOf(read),
      tools,
      toolChoice: toolChoiceOf(read),
      parallelToolCalls: read.parallel_tool_calls ?? undefined,
      responseFormat: formatOf(read),
      reasoning: effort == null ? undefined : { effort: effort === "max" ? "xhigh" : effort },
      stream: read.stream ?? false,
      wire: {
        dialect: "openai-responses",
        ...withoutForeign(body),
        needs: [...reader.needs],
        hints: () => hintsOf(body, decodeBody.known(body), responsesHints)
      }
    })
  })

/** Turns items into canonical messages and notes what has no canonical form. */
class Reader {
  readonly messages: Array<Message> = []
  readonly needs = new Set<string>()

  item(item: typeof Item.Type): void {
    switch (item.type) {
      case "function_call":
        return this.append("assistant", [
          { type: "tool-call", id: item.call_id, name: item.name, arguments: item.arguments }
        ])
      case "function_call_output": {
        const content = typeof item.output === "string" ? item.output : this.parts(item.output).filter(isResultPart)
        return this.append("tool", [{ type: "tool-result", id: item.call_id, content }])
      }
      case "reasoning":
        return this.append("assistant", [reasoningPart(item)])
      case "other":
        return void this.needs.add(`items of type ${item.kind}`)
      default:
        return this.message(item)
    }
  }

  private message({ content, role }: Extract<typeof Item.Type, { readonly role: string }>): void {
    const parts: ReadonlyArray<ContentPart> =
      typeof content === "string" ? [{ type: "text", text: content }] : this.parts(content)
    if (role === "assistant") return this.append("assistant", parts)
    this.messages.push({
      role: role === "user" ? "user" : "system",
      content: typeof content === "string" ? content : parts
    })
  }

  private append(role: "assistant" | "tool", parts: ReadonlyArray<ContentPart>): void {
    const last = this.messages[this.messages.length - 1]
    if (last?.role === role && typeof last.content !== "string") {
      this.messages[this.messages.length - 1] = { role, content: [...last.content, ...parts] }
    } else this.messages.push({ role, content: parts })
  }

  private parts(content: ReadonlyArray<typeof Part.Type>): ReadonlyArray<ContentPart> {
    const parts: Array<ContentPart> = []
    for (const part of content) {
      switch (part.type) {
        case "input_text":
        case "output_text":
          parts.push({ type: "text", text: part.text })
          break
        case "refusal":
          parts.push({ type: "text", text: part.refusal })
          break
        case "input_image":
          if (part.image_url == null) this.needs.add("images by file id")
          else {
            const detail = part.detail === "original" ? "high" : part.detail
            parts.push({ type: "image", image: part.image_url, ...(detail == null ? {} : { detail }) })
          }
          break
        case "input_file":
          this.file(part, parts)
          break
        case "other":
          this.needs.add(`content of type ${part.kind}`)
      }
    }
    return parts
  }

  private file(part: Extract<typeof Part.Type, { readonly type: "input_file" }>, parts: Array<ContentPart>): void {
    const data = part.file_data ?? part.file_url
    if (data == null) return void this.needs.add("files by file id")
    const mediaType = /^data:([^;,]+)/.exec(data)?.[1] ?? "application/pdf"
    parts.push({ type: "file", data, mediaType, ...(part.filename == null ? {} : { filename: part.filename }) })
  }
}

const isResultPart = (part: ContentPart): part is Extract<ContentPart, { readonly type: "text" | "image" | "file" }> =>
  part.type === "text" || part.type === "image" || part.type === "file"

const toolsOf = (read: ResponsesBody, reader: Reader): ReadonlyArray<Tool> | undefined => {
  if (read.tools == null || read.tools.length === 0) return undefined
  const tools: Array<Tool> = []
  for (const tool of read.tools) {
    if (tool.type === "other") reader.needs.add(`tools of type ${tool.kind}`)
    else {
      tools.push({
        name: tool.name,
        ...(tool.description == null ? {} : { description: tool.description }),
        ...(tool.parameters == null ? {} : { parameters: tool.parameters }),
        ...(tool.strict == null ? {} : { strict: tool.strict })
      })
    }
  }
  return tools
}

const toolChoiceOf = ({ tool_choice: choice }: ResponsesBody): ToolChoice | undefined => {
  if (choice == null || typeof choice === "string") return choice ?? undefined
  return choice.type === "function" ? { name: choice.name } : undefined
}

const formatOf = (read: ResponsesBody): ResponseFormat | undefined => {
  const format = read.text?.format
  if (format == null) return undefined
  if (format.type === "text") return { type: "text" }
  if (format.type === "json_object") return { type: "json" }
  return {
    type: "json-schema",
    name: format.name,
    schema: format.schema,
    ...(format.description == null ? {} : { description: format.description }),
    ...(format.strict == null ? {} : { strict: format.strict })
  }
}

const logprobsOf = ({ include, top_logprobs: top }: ResponsesBody): number | undefined =>
  (top ?? 0) > 0 || include?.includes("message.output_text.logprobs") === true ? (top ?? 0) : undefined

/** What has no canonical form. Values that equal OpenAI's defaults ask for nothing. */
const needsOf = (read: ResponsesBody, { needs }: Reader): void => {
  const choice = read.tool_choice
  if (typeof choice === "object" && choice?.type === "other") needs.add(`tool_choice ${choice.kind}`)
  if (read.previous_response_id != null) needs.add("previous_response_id of a response that is not known here")
  if (read.conversation != null) needs.add("conversation")
  if (read.prompt != null) needs.add("prompt")
  if (read.background === true) needs.add("background")
  if (read.truncation === "auto") needs.add("truncation: auto")
  if (read.max_tool_calls != null) needs.add("max_tool_calls")
}

/** The body without reasoning that another provider signed: an upstream of this API would refuse all of it. */
const withoutForeign = (body: JsonBody): { readonly body: JsonBody; readonly dropped?: ReadonlyArray<string> } => {
  const { input } = body
  if (!Array.isArray(input)) return { body }
  const items = input as ReadonlyArray<unknown>
  const isDropped = (item: unknown): item is JsonObject => isObject(item) && isForeignItem(item)
  if (!items.some(isDropped)) return { body }
  return {
    body: { ...body, input: items.filter((item) => !isDropped(item)) },
    dropped: items.flatMap((item, index) => (isDropped(item) ? [`input[${index}]`] : []))
  }
}
