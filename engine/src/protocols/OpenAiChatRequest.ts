/**
 * Requests to OpenAI Chat Completions and to compatible servers.
 *
 * A request that came in this dialect is sent on as it came, with the model, `stream` and the usage option set here;
 * any other is built from its canonical fields. The limit of completion tokens is `max_completion_tokens` for OpenAI's
 * own host and for the o and gpt-5 families, else `max_tokens`. `providerOptions` are merged last.
 *
 * A budget of reasoning becomes an effort (`ReasoningEffort.ts`), but for routers, which know budgets. A schema that says
 * nothing of strictness and has the strict form is asked for strictly where the server is known to hold answers to it.
 *
 * Left out and reported in `omitted`, since they change no meaning: `isError` of a tool result (its text says so), the
 * name of a tool result (its id says so), and reasoning of earlier turns where the server has no field for it; also from a
 * body that came in this dialect. Not possible, and an error: images or files in tool results, files by URL, and `top_k`
 * where the server has none.
 */
import { Result } from "effect"
import { type EngineError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import { type ContentPart, type Message, type Request, textOf } from "../Request.ts"
import { dataUrl, sourceOf } from "./Attachments.ts"
import { versionedUrl } from "./BaseUrl.ts"
import { isObject, jsonText, parseJson, stringOr } from "./Json.ts"
import { headersOf, type OpenAiServer, readsMaxCompletionTokens, serverOf } from "./OpenAiServers.ts"
import type { Endpoint, HttpRequest } from "./Protocol.ts"
import { effortOf } from "./ReasoningEffort.ts"
import { ownSignature } from "./Signatures.ts"
import { isStrictSchema } from "./StrictSchema.ts"

export const defaultBaseUrl = "https://api.openai.com/v1"

type Body = Record<string, unknown>

export const encode = (request: Request, endpoint: Endpoint): Result.Result<HttpRequest, EngineError> => {
  const server = serverOf(endpoint.baseUrl)
  const omitted: Array<string> = []
  const encoded =
    request.wire?.dialect === "openai-chat"
      ? Result.succeed(wireBody(request.wire.body, endpoint, server, omitted))
      : canonicalBody(request, endpoint, server, omitted)
  if (Result.isFailure(encoded)) return Result.fail(encoded.failure)
  const body: Body = { ...encoded.success, ...request.providerOptions, model: endpoint.model, stream: request.stream }
  const streamOptions = body["stream_options"]
  if (!request.stream || !server.streamOptions) delete body["stream_options"]
  else body["stream_options"] = { ...(isObject(streamOptions) ? streamOptions : {}), include_usage: true }
  const text = jsonText(body)
  if (text === undefined)
    return Result.fail(new InvalidRequest({ field: "", detail: "the request is nested too deeply" }))
  return Result.succeed({
    url: versionedUrl(endpoint.baseUrl, "/chat/completions", server.root),
    headers: headersOf(endpoint, server, request.stream),
    body: text,
    omitted
  })
}

const wireBody = (given: Body, endpoint: Endpoint, server: OpenAiServer, omitted: Array<string>): Body => {
  const wire = server.reasoning === "none" ? withoutReasoning(given, server, omitted) : given
  const { max_tokens: limit, max_completion_tokens: newLimit, ...rest } = wire
  const stated = newLimit ?? limit ?? undefined
  if (stated === undefined) return { ...rest, ...limitOf(endpoint.maxTokens, endpoint, server) }
  return server.maxTokens === "max_tokens" ? { ...rest, max_tokens: stated } : wire
}

const limitOf = (maxTokens: number | undefined, endpoint: Endpoint, server: OpenAiServer): Body => {
  if (maxTokens === undefined) return {}
  return readsMaxCompletionTokens(server, endpoint.model)
    ? { max_completion_tokens: maxTokens }
    : { max_tokens: maxTokens }
}

const canonicalBody = (
  request: Request,
  endpoint: Endpoint,
  server: OpenAiServer,
  omitted: Array<string>
): Result.Result<Body, EngineError> => {
  const needs = request.wire?.needs ?? []
  if (needs.length > 0) return unsupported(endpoint.provider, needs.join(", "))
  const messages: Array<Body> = []
  for (let index = 0; index < request.messages.length; index++) {
    const context: Context = { provider: endpoint.provider, server, field: `messages[${index}]`, omitted }
    const encoded = encodeMessage(request.messages[index]!, context, messages)
    if (encoded !== undefined) return Result.fail(encoded)
  }
  const body: Body = {
    model: endpoint.model,
    messages,
    ...limitOf(request.maxTokens ?? endpoint.maxTokens, endpoint, server)
  }
  if (request.temperature !== undefined) body["temperature"] = request.temperature
  if (request.topP !== undefined) body["top_p"] = request.topP
  if (request.stop !== undefined && request.stop.length > 0) body["stop"] = request.stop
  if (request.seed !== undefined) body[server.seed] = request.seed
  if (request.topK !== undefined) {
    if (!server.topK) return unsupported(endpoint.provider, "topK")
    body["top_k"] = request.topK
  }
  if (request.presencePenalty !== undefined) body["presence_penalty"] = request.presencePenalty
  if (request.frequencyPenalty !== undefined) body["frequency_penalty"] = request.frequencyPenalty
  if (request.logprobs !== undefined) {
    body["logprobs"] = true
    if (request.logprobs > 0) body["top_logprobs"] = request.logprobs
  }
  if (request.tools !== undefined && request.tools.length > 0) {
    body["tools"] = request.tools.map((tool) => ({
      type: "function",
      function: { ...tool, parameters: tool.parameters ?? { type: "object", properties: {} } }
    }))
  }
  if (body["tools"] !== undefined && request.parallelToolCalls !== undefined) {
    body["parallel_tool_calls"] = request.parallelToolCalls
  }
  const choice = request.toolChoice
  if (choice !== undefined) {
    body["tool_choice"] = typeof choice === "string" ? choice : { type: "function", function: { name: choice.name } }
  }
  const format = request.responseFormat
  if (format?.type === "json") body["response_format"] = { type: "json_object" }
  if (format?.type === "json-schema") {
    const { type: _, name, ...schema } = format
    const strict = server.strictSchemas && isStrictSchema(schema.schema) ? { strict: true } : {}
    body["response_format"] = { type: "json_schema", json_schema: { name: name ?? "response", ...strict, ...schema } }
  }
  const effort = effortOf(request.reasoning)
  const budget = request.reasoning?.maxTokens
  if (budget !== undefined && server.reasoningBudget) {
    const stated = request.reasoning?.effort
    body["reasoning"] = { max_tokens: budget, ...(stated === undefined ? {} : { effort: stated }) }
  } else if (effort !== undefined) body["reasoning_effort"] = effort
  return Result.succeed(body)
}

/** A body for a server that refuses fields it does not know: without the reasoning that earlier answers had. */
const withoutReasoning = (body: Body, server: OpenAiServer, omitted: Array<string>): Body => {
  const { messages } = body
  if (!Array.isArray(messages)) return body
  const before = omitted.length
  const kept = (messages as ReadonlyArray<unknown>).map((message, index) => {
    if (!isObject(message) || message["role"] !== "assistant") return message
    const { extra_content: _, reasoning, reasoning_content: text, reasoning_details: details, ...rest } = message
    if ((reasoning ?? text ?? details ?? undefined) !== undefined) omitted.push(`messages[${index}].reasoning`)
    const calls = message["tool_calls"]
    if (server.thoughtSignatures || !Array.isArray(calls)) return rest
    return {
      ...rest,
      tool_calls: calls.map((call, at) => withoutSignature(call, `messages[${index}].tool_calls[${at}]`, omitted))
    }
  })
  return omitted.length === before ? body : { ...body, messages: kept }
}

const withoutSignature = (call: unknown, field: string, omitted: Array<string>): unknown => {
  if (!isObject(call) || call["extra_content"] === undefined) return call
  const { extra_content: _, ...rest } = call
  omitted.push(`${field}.extra_content`)
  return rest
}

interface Context {
  readonly provider: string
  readonly server: OpenAiServer
  readonly field: string
  readonly omitted: Array<string>
}

/** Appends the messages that one canonical message becomes; a tool result is a message of its own. */
const encodeMessage = (message: Message, context: Context, out: Array<Body>): EngineError | undefined => {
  const name = message.name === undefined ? {} : { name: message.name }
  if (typeof message.content === "string") {
    if (message.role === "tool") return notHere(`${context.field}.content`, "tool-result parts")
    out.push({ role: message.role, content: message.content, ...name })
    return undefined
  }
  if (message.role === "assistant") return encodeAssistant(message.content, name, context, out)
  const content: Array<Body> = []
  for (let index = 0; index < message.content.length; index++) {
    const part = message.content[index]!
    const field = `${context.field}.content[${index}]`
    if (part.type === "tool-result" && message.role !== "system") {
      const result = encodeToolResult(part, field, context)
      if (Result.isFailure(result)) return result.failure
      out.push(result.success)
      continue
    }
    if (message.role === "tool") return notHere(field, "a tool-result part")
    if (message.role === "system" && part.type !== "text") return notHere(field, "a text part")
    const encoded = encodeUserPart(part, field, context)
    if (Result.isFailure(encoded)) return encoded.failure
    content.push(encoded.success)
  }
  if (content.length > 0) out.push({ role: message.role, content: simplified(content), ...name })
  return undefined
}

const encodeAssistant = (
  parts: ReadonlyArray<ContentPart>,
  name: Body,
  context: Context,
  out: Array<Body>
): EngineError | undefined => {
  const content: Array<Body> = []
  const calls: Array<Body> = []
  const thoughts: Array<Reasoning> = []
  /** Of Gemini's, for the call after it. */
  let signature: string | undefined
  for (let index = 0; index < parts.length; index++) {
    const part = parts[index]!
    if (part.type === "text") content.push({ type: "text", text: part.text })
    else if (part.type === "reasoning") {
      signature = context.server.thoughtSignatures ? ownSignature("gemini", part.signature) : undefined
      if (signature === undefined) thoughts.push(part)
    } else if (part.type === "tool-call") {
      const written = part.arguments.trim() === "" ? "{}" : part.arguments
      const signed = signature === undefined ? {} : { extra_content: { google: { thought_signature: signature } } }
      calls.push({ id: part.id, type: "function", function: { name: part.name, arguments: written }, ...signed })
      signature = undefined
    } else return notHere(`${context.field}.content[${index}]`, "a text, reasoning or tool-call part")
  }
  const message: Body = { role: "assistant", content: content.length === 0 ? null : simplified(content), ...name }
  if (calls.length > 0) message["tool_calls"] = calls
  if (thoughts.length > 0) addReasoning(message, content, thoughts, context)
  out.push(message)
  return undefined
}

type Reasoning = Extract<ContentPart, { readonly type: "reasoning" }>

const addReasoning = (
  message: Body,
  content: ReadonlyArray<Body>,
  thoughts: ReadonlyArray<Reasoning>,
  context: Context
): void => {
  const text = thoughts.map((thought) => thought.text).join("")
  switch (context.server.reasoning) {
    case "none":
      context.omitted.push(`${context.field}.reasoning`)
      return
    case "thinking-part":
      if (text !== "") message["content"] = [{ type: "thinking", thinking: [{ type: "text", text }] }, ...content]
      return
    case "reasoning_content":
      if (text !== "") message["reasoning_content"] = text
      return
    case "reasoning": {
      if (text !== "") message["reasoning"] = text
      const details = context.server.reasoningBudget ? thoughts.flatMap(detailsOf) : []
      if (details.length > 0) message["reasoning_details"] = details
      return
    }
  }
}

/** What a router needs to verify earlier reasoning: signed text, and the encrypted blocks as they came from it. */
const detailsOf = (thought: Reasoning): Array<unknown> => {
  const signature = ownSignature("anthropic-messages", thought.signature)
  if (signature !== undefined) return [{ type: "reasoning.text", text: thought.text, signature }]
  const detail = thought.redacted === undefined ? undefined : parseJson(thought.redacted)
  return isObject(detail) && stringOr(detail["type"], "").startsWith("reasoning.") ? [detail] : []
}

type ToolResult = Extract<ContentPart, { readonly type: "tool-result" }>

const encodeToolResult = (part: ToolResult, field: string, context: Context): Result.Result<Body, EngineError> => {
  if (part.isError !== undefined) context.omitted.push(`${field}.isError`)
  if (part.name !== undefined) context.omitted.push(`${field}.name`)
  if (typeof part.content !== "string" && part.content.some((inner) => inner.type !== "text")) {
    return unsupported(context.provider, "images and files in tool results")
  }
  const content =
    typeof part.content === "string" ? part.content : textOf({ role: "tool", content: part.content.slice() })
  return Result.succeed({ role: "tool", tool_call_id: part.id, content })
}

const encodeUserPart = (part: ContentPart, field: string, context: Context): Result.Result<Body, EngineError> => {
  switch (part.type) {
    case "text":
      return Result.succeed({ type: "text", text: part.text })
    case "image":
      return Result.map(sourceOf(part.image, part.mediaType, `${field}.image`), (source) => ({
        type: "image_url",
        image_url: {
          url: source.type === "url" ? source.url : dataUrl(source),
          ...(part.detail === undefined ? {} : { detail: part.detail })
        }
      }))
    case "file":
      return encodeFile(part, field, context)
    default:
      return Result.fail(notHere(field, "a text, image or file part"))
  }
}

const encodeFile = (
  part: Extract<ContentPart, { readonly type: "file" }>,
  field: string,
  context: Context
): Result.Result<Body, EngineError> =>
  Result.flatMap(sourceOf(part.data, part.mediaType, `${field}.data`), (source): Result.Result<Body, EngineError> => {
    if (part.mediaType.startsWith("image/")) {
      const url = source.type === "url" ? source.url : dataUrl(source)
      return Result.succeed({ type: "image_url", image_url: { url } })
    }
    if (source.type === "url") return unsupported(context.provider, "files by URL")
    const audio = /^audio\/(?:x-)?(wav|mp3|mpeg)$/.exec(part.mediaType)
    if (audio !== null) {
      const format = audio[1] === "wav" ? "wav" : "mp3"
      return Result.succeed({ type: "input_audio", input_audio: { data: source.data, format } })
    }
    const filename = part.filename ?? `file.${part.mediaType.replace(/^.*\//, "")}`
    return Result.succeed({ type: "file", file: { filename, file_data: dataUrl(source) } })
  })

/** One text part as a plain string, which every server reads. */
const simplified = (content: ReadonlyArray<Body>): unknown =>
  content.length === 1 && content[0]!["type"] === "text" ? content[0]!["text"] : content

const notHere = (field: string, expected: string): EngineError =>
  new InvalidRequest({ field, detail: `expected ${expected}` })

const unsupported = (provider: string, ability: string): Result.Result<never, EngineError> =>
  Result.fail(new UnsupportedAbility({ provider, ability }))
