/**
 * Requests to OpenAI Responses and to servers that speak this API.
 *
 * A request that came in this dialect is sent on as it came, `store` included, with the model and `stream` set here; any
 * other is built from its canonical fields and leaves nothing upstream (`store: false`): reasoning is asked for in
 * encrypted form where the model has it, and given back by its signature. `providerOptions` are merged last; a summary of
 * the reasoning comes when they ask for one, since not every organisation may have it.
 *
 * Left out and reported in `omitted`, since they change no meaning: names of participants, `isError` and name of a tool
 * result, and reasoning of earlier turns that no server of this API signed. A budget of reasoning becomes an effort
 * (`ReasoningEffort.ts`). Not possible, and an error: stop sequences, a seed, `topK`, penalties, and files that are neither
 * image nor document.
 */
import { Result } from "effect"
import { type EngineError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import type { ContentPart, Message, Request } from "../Request.ts"
import { dataUrl, sourceOf } from "./Attachments.ts"
import { versionedUrl } from "./BaseUrl.ts"
import { jsonText } from "./Json.ts"
import { itemOf } from "./OpenAiResponsesReasoning.ts"
import { encryptsReasoning, headersOf, serverOf } from "./OpenAiServers.ts"
import type { Endpoint, HttpRequest } from "./Protocol.ts"
import { effortOf } from "./ReasoningEffort.ts"
import { isStrictSchema } from "./StrictSchema.ts"

export const defaultBaseUrl = "https://api.openai.com/v1"

type Body = Record<string, unknown>
type Encoded<A = Body> = Result.Result<A, EngineError>

export const encode = (request: Request, endpoint: Endpoint): Encoded<HttpRequest> => {
  const server = serverOf(endpoint.baseUrl)
  const omitted: Array<string> = []
  const encoded =
    request.wire?.dialect === "openai-responses"
      ? Result.succeed(wireBody(request.wire.body, endpoint))
      : canonicalBody(request, endpoint, omitted)
  if (Result.isFailure(encoded)) return Result.fail(encoded.failure)
  const body: Body = { ...encoded.success, ...request.providerOptions, model: endpoint.model, stream: request.stream }
  if (!request.stream) delete body["stream_options"]
  const text = jsonText(body)
  if (text === undefined) return Result.fail(invalid("", "the request is nested too deeply"))
  return Result.succeed({
    url: versionedUrl(endpoint.baseUrl, "/responses", server.root),
    headers: headersOf(endpoint, server, request.stream),
    body: text,
    omitted
  })
}

const wireBody = (wire: Body, endpoint: Endpoint): Body =>
  endpoint.maxTokens === undefined || (wire["max_output_tokens"] ?? undefined) !== undefined
    ? wire
    : { ...wire, max_output_tokens: endpoint.maxTokens }

const canonicalBody = (request: Request, endpoint: Endpoint, omitted: Array<string>): Encoded => {
  const unable = inabilityOf(request)
  if (unable !== undefined) return unsupported(endpoint.provider, unable)
  const input: Array<Body> = []
  for (let index = 0; index < request.messages.length; index++) {
    const context: Context = { provider: endpoint.provider, field: `messages[${index}]`, omitted, input }
    const error = encodeMessage(request.messages[index]!, context)
    if (error !== undefined) return Result.fail(error)
  }
  const body: Body = { model: endpoint.model, input, store: false }
  const limit = request.maxTokens ?? endpoint.maxTokens
  if (limit !== undefined) body["max_output_tokens"] = limit
  if (request.temperature !== undefined) body["temperature"] = request.temperature
  if (request.topP !== undefined) body["top_p"] = request.topP
  const effort = effortOf(request.reasoning)
  if (effort !== undefined) body["reasoning"] = { effort }
  const include: Array<string> = []
  if (encryptsReasoning(endpoint.model) || (effort !== undefined && effort !== "none")) {
    include.push("reasoning.encrypted_content")
  }
  if (request.logprobs !== undefined) {
    include.push("message.output_text.logprobs")
    if (request.logprobs > 0) body["top_logprobs"] = request.logprobs
  }
  if (include.length > 0) body["include"] = include
  addTools(body, request)
  const format = request.responseFormat
  if (format?.type === "json") body["text"] = { format: { type: "json_object" } }
  if (format?.type === "json-schema") {
    const { type: _, name, ...schema } = format
    const strict = isStrictSchema(schema.schema) ? { strict: true } : {}
    body["text"] = { format: { type: "json_schema", name: name ?? "response", ...strict, ...schema } }
  }
  return Result.succeed(body)
}

/** What the request asks for and the dialect has no place for. */
const inabilityOf = (request: Request): string | undefined => {
  if (request.wire !== undefined && request.wire.needs.length > 0) return request.wire.needs.join(", ")
  if (request.stop !== undefined && request.stop.length > 0) return "stop sequences"
  if (request.seed !== undefined) return "a seed"
  if (request.topK !== undefined) return "topK"
  if (request.presencePenalty !== undefined || request.frequencyPenalty !== undefined) return "penalties"
  return undefined
}

/** Here a function is strict unless it says that it is not, and a strict one must have a schema of a certain form. */
const addTools = (body: Body, request: Request): void => {
  if (request.tools !== undefined && request.tools.length > 0) {
    body["tools"] = request.tools.map((tool) => ({
      type: "function",
      ...tool,
      parameters: tool.parameters ?? { type: "object", properties: {} },
      strict: tool.strict ?? false
    }))
  }
  if (body["tools"] !== undefined && request.parallelToolCalls !== undefined) {
    body["parallel_tool_calls"] = request.parallelToolCalls
  }
  const choice = request.toolChoice
  if (choice !== undefined) {
    body["tool_choice"] = typeof choice === "string" ? choice : { type: "function", name: choice.name }
  }
}

interface Context {
  readonly provider: string
  readonly field: string
  readonly omitted: Array<string>
  readonly input: Array<Body>
}

/** Appends the items that one canonical message becomes, in the order of its parts. */
const encodeMessage = (message: Message, context: Context): EngineError | undefined => {
  const { field, input, omitted } = context
  if (message.name !== undefined) omitted.push(`${field}.name`)
  const { role } = message
  if (typeof message.content === "string") {
    if (role === "tool") return notHere(`${field}.content`, "tool-result parts")
    input.push({ role, content: message.content })
    return undefined
  }
  let content: Array<Body> = []
  const flush = (): void => {
    if (content.length > 0) input.push({ role, content: simplified(content) })
    content = []
  }
  for (let index = 0; index < message.content.length; index++) {
    const part = message.content[index]!
    const at = `${field}.content[${index}]`
    if (!allowed[role].includes(part.type)) return notHere(at, `a ${allowed[role].join(" or ")} part`)
    const encoded = encodePart(part, role === "assistant" ? "output_text" : "input_text", at, context)
    if (Result.isFailure(encoded)) return encoded.failure
    if (encoded.success === undefined) continue
    if (isItem(part)) {
      flush()
      input.push(encoded.success)
    } else content.push(encoded.success)
  }
  flush()
  return undefined
}

const allowed: Readonly<Record<Message["role"], ReadonlyArray<ContentPart["type"]>>> = {
  system: ["text"],
  user: ["text", "image", "file", "tool-result"],
  assistant: ["text", "reasoning", "tool-call"],
  tool: ["tool-result"]
}

/** Parts that are items of their own, beside the messages. */
const isItem = (part: ContentPart): boolean =>
  part.type === "reasoning" || part.type === "tool-call" || part.type === "tool-result"

/** What a part becomes, or undefined for one that is left out. */
const encodePart = (
  part: ContentPart,
  textType: string,
  field: string,
  context: Context
): Encoded<Body | undefined> => {
  switch (part.type) {
    case "text":
      return Result.succeed({ type: textType, text: part.text })
    case "image":
      return Result.map(sourceOf(part.image, part.mediaType, `${field}.image`), (source) => ({
        type: "input_image",
        image_url: source.type === "url" ? source.url : dataUrl(source),
        detail: part.detail ?? "auto"
      }))
    case "file":
      return encodeFile(part, field, context.provider)
    case "reasoning": {
      const item = itemOf(part.text, part.signature)
      if (item === undefined) context.omitted.push(field)
      return Result.succeed(item)
    }
    case "tool-call":
      return Result.succeed({
        type: "function_call",
        call_id: part.id,
        name: part.name,
        arguments: part.arguments.trim() === "" ? "{}" : part.arguments
      })
    case "tool-result":
      return encodeToolResult(part, field, context)
  }
}

const encodeFile = (part: Extract<ContentPart, { readonly type: "file" }>, field: string, provider: string): Encoded =>
  Result.flatMap(sourceOf(part.data, part.mediaType, `${field}.data`), (source): Encoded => {
    const url = source.type === "url" ? source.url : dataUrl(source)
    if (part.mediaType.startsWith("image/")) {
      return Result.succeed({ type: "input_image", image_url: url, detail: "auto" })
    }
    if (/^(?:audio|video)\//.test(part.mediaType)) return unsupported(provider, `files of type ${part.mediaType}`)
    if (source.type === "url") return Result.succeed({ type: "input_file", file_url: url })
    const filename = part.filename ?? `file.${part.mediaType.replace(/^.*\//, "")}`
    return Result.succeed({ type: "input_file", filename, file_data: url })
  })

type ToolResult = Extract<ContentPart, { readonly type: "tool-result" }>

const encodeToolResult = (part: ToolResult, field: string, context: Context): Encoded => {
  if (part.isError !== undefined) context.omitted.push(`${field}.isError`)
  if (part.name !== undefined) context.omitted.push(`${field}.name`)
  const item = { type: "function_call_output", call_id: part.id }
  if (typeof part.content === "string") return Result.succeed({ ...item, output: part.content })
  const output: Array<Body> = []
  for (let index = 0; index < part.content.length; index++) {
    const inner = encodePart(part.content[index]!, "input_text", `${field}.content[${index}]`, context)
    if (Result.isFailure(inner)) return Result.fail(inner.failure)
    if (inner.success !== undefined) output.push(inner.success)
  }
  return Result.succeed({ ...item, output: output.length === 0 ? "" : simplified(output) })
}

/** One text part as a plain string, which every server reads. */
const simplified = (content: ReadonlyArray<Body>): unknown =>
  content.length === 1 && content[0]!["text"] !== undefined ? content[0]!["text"] : content

const notHere = (field: string, expected: string): EngineError => invalid(field, `expected ${expected}`)

const invalid = (field: string, detail: string): EngineError => new InvalidRequest({ field, detail })

const unsupported = (provider: string, ability: string): Encoded<never> =>
  Result.fail(new UnsupportedAbility({ provider, ability }))
