/**
 * Requests to Anthropic Messages.
 *
 * A request that came in this dialect is sent on as it came, with the model and `stream` set here; any other is built
 * from its canonical fields. `max_tokens` is required there: the request's, else the endpoint's, else 32,000, but 8,192
 * for Claude 3.5, 4,096 for Claude 3 and for models that are not Claude. An effort becomes adaptive thinking with that
 * effort, and for models before Claude 4.6 a share of `max_tokens` as budget (minimal .1, low .2, medium .5, high .8,
 * xhigh .95, at least 1,024). A schema for the answer is `output_config.format`; models before Claude 4.1 are made to call
 * a tool with that schema, and the decoder takes its input for the answer. `providerOptions` are merged last.
 *
 * Left out and reported in `omitted`, since they change no meaning: names of participants, the detail of an image, and
 * reasoning of earlier turns that Anthropic did not sign. Not possible, and an error: a seed, penalties, log
 * probabilities, a temperature over 1, JSON mode without a schema, files that are neither PDF, text nor image.
 */
import { Redacted, Result } from "effect"
import * as Base64 from "effect/encoding/Base64"
import { type EngineError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import type { ContentPart, Message, Request, ResponseFormat } from "../Request.ts"
import { sourceOf } from "./Attachments.ts"
import { unversionedUrl } from "./BaseUrl.ts"
import { isObject, jsonText, parseJson } from "./Json.ts"
import type { Endpoint, HttpRequest } from "./Protocol.ts"
import { ownSignature } from "./Signatures.ts"

export const defaultBaseUrl = "https://api.anthropic.com"

const version = "2023-06-01"
const budgetMin = 1024

type Body = Record<string, unknown>
type Encoded<A = Body> = Result.Result<A, EngineError>

export const encode = (request: Request, endpoint: Endpoint): Encoded<HttpRequest> => {
  if (request.embed !== undefined) return unsupported(endpoint.provider, "embeddings")
  const omitted: Array<string> = []
  const encoded: Encoded =
    request.wire?.dialect === "anthropic-messages"
      ? Result.succeed({ max_tokens: endpoint.maxTokens ?? maxTokensOf(endpoint.model), ...request.wire.body })
      : canonicalBody(request, endpoint, omitted)
  return Result.flatMap(encoded, (body): Encoded<HttpRequest> => {
    const sent = { ...body, ...request.providerOptions, model: endpoint.model, stream: request.stream }
    const text = jsonText(sent)
    if (text === undefined) return Result.fail(invalid("", "the request is nested too deeply"))
    return Result.succeed({
      url: unversionedUrl(endpoint.baseUrl, "/v1", "/messages"),
      headers: headersOf(request, endpoint),
      body: text,
      omitted
    })
  })
}

const headersOf = ({ stream, wire }: Request, endpoint: Endpoint): HttpRequest["headers"] => {
  const headers: Record<string, string> = {
    ...(wire?.dialect === "anthropic-messages" ? wire.headers : {}),
    "content-type": "application/json",
    accept: stream ? "text/event-stream" : "application/json",
    "anthropic-version": version
  }
  if (endpoint.apiKey !== undefined) headers["x-api-key"] = Redacted.value(endpoint.apiKey)
  return headers
}

const canonicalBody = (request: Request, endpoint: Endpoint, omitted: Array<string>): Encoded => {
  const unable = inabilityOf(request)
  if (unable !== undefined) return unsupported(endpoint.provider, unable)
  const conversation = new Conversation(endpoint.provider, omitted)
  for (let index = 0; index < request.messages.length; index++) {
    const error = conversation.add(request.messages[index]!, `messages[${index}]`)
    if (error !== undefined) return Result.fail(error)
  }
  const budget = request.reasoning?.maxTokens
  const limit = request.maxTokens ?? endpoint.maxTokens ?? maxTokensOf(endpoint.model) + (budget ?? 0)
  const body: Body = { model: endpoint.model, max_tokens: limit, messages: conversation.turns() }
  if (conversation.system.length > 0) body["system"] = simplified(conversation.system)
  if (request.temperature !== undefined) body["temperature"] = request.temperature
  if (request.topP !== undefined) body["top_p"] = request.topP
  if (request.topK !== undefined) body["top_k"] = request.topK
  if (request.stop !== undefined && request.stop.length > 0) body["stop_sequences"] = request.stop
  addTools(body, request)
  const output: Body = {}
  const invalid = addReasoning(body, output, request, endpoint.model, limit)
  if (invalid !== undefined) return Result.fail(invalid)
  const format = request.responseFormat
  if (format?.type === "json-schema") {
    if (!lacksFormats.test(endpoint.model) || body["tools"] !== undefined || body["thinking"] !== undefined) {
      output["format"] = formatOf(format)
    } else {
      body["tools"] = [{ name: answerTool, description: "Gives the answer.", input_schema: formatOf(format)["schema"] }]
      body["tool_choice"] = { type: "tool", name: answerTool, disable_parallel_tool_use: true }
    }
  }
  if (Object.keys(output).length > 0) body["output_config"] = output
  return Result.succeed(body)
}

/** The tool whose input is the answer, for models without structured outputs. */
export const answerTool = "millrace_answer"

/** Models before structured outputs. Source: the guide to them of Anthropic. */
const lacksFormats = /claude-(?:2|instant|3|(?:opus|sonnet)-4(?:$|-0$|[@-]\d{8}))/

/** What the request asks for and the dialect has no place for. */
const inabilityOf = (request: Request): string | undefined => {
  if (request.wire !== undefined && request.wire.needs.length > 0) return request.wire.needs.join(", ")
  if (request.seed !== undefined) return "a seed"
  if (request.presencePenalty !== undefined || request.frequencyPenalty !== undefined) return "penalties"
  if (request.logprobs !== undefined) return "log probabilities"
  if (request.temperature !== undefined && request.temperature > 1) return "a temperature over 1"
  if (request.responseFormat?.type === "json") return "JSON mode without a schema (responseFormat json)"
  return undefined
}

/** The default of `max_tokens`; every Claude since 4 can write 32,000 tokens. */
const maxTokensOf = (model: string): number => {
  if (!model.includes("claude")) return 4096
  if (/claude-3[.-]5/.test(model)) return 8192
  return /claude-3(?![.-]7)/.test(model) || /claude-(?:2|instant)/.test(model) ? 4096 : 32_000
}

const addTools = (body: Body, request: Request): void => {
  if (request.tools !== undefined && request.tools.length > 0) {
    body["tools"] = request.tools.map((tool) => ({
      name: tool.name,
      description: tool.description,
      input_schema: { type: "object", ...(tool.parameters ?? { properties: {} }) },
      strict: tool.strict
    }))
  }
  const single = body["tools"] !== undefined && request.parallelToolCalls === false
  const choice = request.toolChoice ?? (single ? "auto" : undefined)
  if (choice === undefined) return
  body["tool_choice"] = {
    ...(typeof choice === "string" ? { type: choice === "required" ? "any" : choice } : { type: "tool", ...choice }),
    ...(single && choice !== "none" ? { disable_parallel_tool_use: true } : {})
  }
}

const formatOf = (format: Extract<ResponseFormat, { readonly type: "json-schema" }>): Body => ({
  type: "json_schema",
  schema:
    format.description === undefined || "description" in format.schema
      ? format.schema
      : { ...format.schema, description: format.description }
})

const budgetShares = { minimal: 0.1, low: 0.2, medium: 0.5, high: 0.8, xhigh: 0.95 } as const

const addReasoning = (
  body: Body,
  output: Body,
  request: Request,
  model: string,
  limit: number
): EngineError | undefined => {
  const effort = request.reasoning?.effort
  const stated = request.reasoning?.maxTokens
  if (effort === "none") {
    body["thinking"] = { type: "disabled" }
    return undefined
  }
  const share = effort !== undefined && stated === undefined && takesBudget(model) ? budgetShares[effort] : undefined
  const budget = share === undefined ? stated : Math.max(budgetMin, Math.floor(limit * share))
  if (budget !== undefined) {
    if (budget < budgetMin) return invalid("reasoning.maxTokens", `expected at least ${budgetMin}, got ${budget}`)
    if (budget >= limit)
      return invalid("maxTokens", `expected more than the ${budget} tokens of reasoning, got ${limit}`)
    body["thinking"] = { type: "enabled", budget_tokens: budget }
  }
  if (effort !== undefined && share === undefined) {
    body["thinking"] ??= { type: "adaptive", display: "summarized" }
    output["effort"] = effort === "minimal" ? "low" : effort
  }
  return undefined
}

/** Models before Claude 4.6 think within a budget and know no effort. */
const takesBudget = (model: string): boolean =>
  /claude-(?:3|(?:opus|sonnet|haiku)-4(?:$|[.-][0-5](?!\d)|[@-]\d{8}))/.test(model)

/** Turns canonical messages into Anthropic's: a leading system prompt, then turns that alternate. */
class Conversation {
  readonly system: Array<Body> = []
  private readonly messages: Array<{ readonly role: string; readonly content: Array<Body> }> = []
  private readonly provider: string
  private readonly omitted: Array<string>

  constructor(provider: string, omitted: Array<string>) {
    this.provider = provider
    this.omitted = omitted
  }

  add(message: Message, field: string): EngineError | undefined {
    if (message.name !== undefined) this.omitted.push(`${field}.name`)
    const content: ReadonlyArray<ContentPart> =
      typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content
    const role = message.role === "tool" ? "user" : message.role
    const leading = role === "system" && this.messages.length === 0
    const blocks = leading ? this.system : this.blocksOf(role)
    for (let index = 0; index < content.length; index++) {
      const part = content[index]!
      const at = `${field}.content[${index}]`
      if (!allowed[message.role].includes(part.type))
        return invalid(at, `expected ${allowed[message.role].join(" or ")}`)
      const block = this.encodePart(part, at)
      if (Result.isFailure(block)) return block.failure
      if (block.success === undefined) continue
      if (part.type === "tool-result") blocks.splice(resultsIn(blocks), 0, block.success)
      else blocks.push(block.success)
    }
    return undefined
  }

  /** The turns that have something to say. */
  turns(): Array<Body> {
    return this.messages.flatMap(({ role, content }) =>
      content.length === 0 ? [] : [{ role, content: simplified(content) }]
    )
  }

  /** The blocks of the turn of this role: Anthropic joins neighbours of one role, and wants all tool results in one. */
  private blocksOf(role: string): Array<Body> {
    const last = this.messages[this.messages.length - 1]
    if (last !== undefined && last.role === role) return last.content
    const content: Array<Body> = []
    this.messages.push({ role, content })
    return content
  }

  /** A block, or undefined for a part that is left out. */
  private encodePart(part: ContentPart, field: string): Encoded<Body | undefined> {
    switch (part.type) {
      case "text":
        return Result.succeed(part.text === "" ? undefined : { type: "text", text: part.text })
      case "image":
        if (part.detail !== undefined) this.omitted.push(`${field}.detail`)
        return encodeImage(part.image, part.mediaType, `${field}.image`)
      case "file":
        return encodeFile(part, field, this.provider)
      case "reasoning":
        return Result.succeed(this.encodeReasoning(part, field))
      case "tool-call":
        return Result.map(inputOf(part.arguments, field), (input) => ({
          type: "tool_use",
          id: toolId(part.id),
          name: part.name,
          input
        }))
      default:
        return this.encodeToolResult(part, field)
    }
  }

  private encodeReasoning(part: Extract<ContentPart, { readonly type: "reasoning" }>, field: string): Body | undefined {
    if (part.redacted !== undefined && !part.redacted.startsWith("{")) {
      return { type: "redacted_thinking", data: part.redacted }
    }
    const signature = ownSignature("anthropic-messages", part.signature)
    if (signature !== undefined) return { type: "thinking", thinking: part.text, signature }
    this.omitted.push(field)
    return undefined
  }

  private encodeToolResult(part: Extract<ContentPart, { readonly type: "tool-result" }>, field: string): Encoded {
    const result: Body = { type: "tool_result", tool_use_id: toolId(part.id) }
    if (part.isError !== undefined) result["is_error"] = part.isError
    if (typeof part.content === "string") return Result.succeed({ ...result, content: part.content })
    const content: Array<Body> = []
    for (let index = 0; index < part.content.length; index++) {
      const block = this.encodePart(part.content[index]!, `${field}.content[${index}]`)
      if (Result.isFailure(block)) return Result.fail(block.failure)
      if (block.success !== undefined) content.push(block.success)
    }
    return Result.succeed({ ...result, content })
  }
}

const allowed: Readonly<Record<Message["role"], ReadonlyArray<ContentPart["type"]>>> = {
  system: ["text"],
  user: ["text", "image", "file", "tool-result"],
  assistant: ["text", "reasoning", "tool-call"],
  tool: ["tool-result"]
}

/** Tool results come first in their turn. */
const resultsIn = (blocks: ReadonlyArray<Body>): number => {
  const first = blocks.findIndex((block) => block["type"] !== "tool_result")
  return first < 0 ? blocks.length : first
}

const encodeImage = (image: string, mediaType: string | undefined, field: string): Encoded =>
  Result.map(sourceOf(image, mediaType, field), (source) => ({
    type: "image",
    source: source.type === "url" ? source : { type: "base64", media_type: source.mediaType, data: source.data }
  }))

const encodeFile = (
  part: Extract<ContentPart, { readonly type: "file" }>,
  field: string,
  provider: string
): Encoded => {
  if (part.mediaType.startsWith("image/")) return encodeImage(part.data, part.mediaType, `${field}.data`)
  const title = part.filename === undefined ? {} : { title: part.filename }
  return Result.flatMap(sourceOf(part.data, part.mediaType, `${field}.data`), (source): Encoded => {
    if (part.mediaType === "application/pdf") {
      const pdf = source.type === "url" ? source : { type: "base64", media_type: "application/pdf", data: source.data }
      return Result.succeed({ type: "document", source: pdf, ...title })
    }
    if (!part.mediaType.startsWith("text/") || source.type === "url") {
      return unsupported(provider, `files of type ${part.mediaType}${source.type === "url" ? " by URL" : ""}`)
    }
    return Result.match(Base64.decodeString(source.data), {
      onFailure: () => Result.fail(invalid(`${field}.data`, "expected base64")),
      onSuccess: (data) =>
        Result.succeed({ type: "document", source: { type: "text", media_type: "text/plain", data }, ...title })
    })
  })
}

const inputOf = (written: string, field: string): Encoded => {
  if (written.trim() === "") return Result.succeed({})
  const input = parseJson(written)
  return isObject(input) ? Result.succeed(input) : Result.fail(invalid(`${field}.arguments`, "expected a JSON object"))
}

/** Anthropic allows letters, digits, `_` and `-`; ids of other providers may hold more. */
const toolId = (id: string): string => (id === "" ? "call" : id.replaceAll(/[^A-Za-z0-9_-]/g, "_"))

/** One text block as a plain string. */
const simplified = (blocks: ReadonlyArray<Body>): unknown =>
  blocks.length === 1 && blocks[0]!["type"] === "text" ? blocks[0]!["text"] : blocks

const invalid = (field: string, detail: string): EngineError => new InvalidRequest({ field, detail })

const unsupported = (provider: string, ability: string): Encoded<never> =>
  Result.fail(new UnsupportedAbility({ provider, ability }))
