/**
 * Requests to Google Gemini, for the Gemini API and for Vertex AI.
 *
 * A request that came in this dialect is sent on as it came; any other is built from its canonical fields. The model is in
 * the path. `providerOptions` are merged last, those of `generationConfig` and `toolConfig` field by field. Tool and answer
 * schemas go out as JSON Schema; a strict tool makes calls validated. `GeminiThinking.ts` says what an effort becomes.
 *
 * A call goes back with the thought signature it came with. Gemini 3 refuses calls without one, so a call of another model,
 * or one whose signature a caller's dialect could not carry, gets the documented placeholder.
 *
 * Left out and reported in `omitted`: names of participants, the detail of an image, reasoning of earlier turns that Gemini
 * did not sign, and the wish for one call at a time. Not possible, and an error: system messages after the first turn,
 * and images or files in tool results before Gemini 3.
 */
import { Redacted, Result } from "effect"
import { type EngineError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import type { Request } from "../Request.ts"
import { modelUrl } from "./BaseUrl.ts"
import { GeminiConversation } from "./GeminiConversation.ts"
import { thinkingConfigOf } from "./GeminiThinking.ts"
import { isObject, jsonText } from "./Json.ts"
import type { Endpoint, HttpRequest } from "./Protocol.ts"

export const defaultBaseUrl = "https://generativelanguage.googleapis.com"

type Body = Record<string, unknown>
type Encoded<A = Body> = Result.Result<A, EngineError>

export const encode = (request: Request, endpoint: Endpoint): Encoded<HttpRequest> => {
  const omitted: Array<string> = []
  const encoded =
    request.wire?.dialect === "gemini"
      ? Result.succeed(wireBody(request.wire.body, endpoint))
      : canonicalBody(request, endpoint, omitted)
  return Result.flatMap(encoded, (body) => {
    const operation = request.stream ? "streamGenerateContent" : "generateContent"
    return httpRequest(endpoint, operation, merged(body, request.providerOptions), omitted, request.stream)
  })
}

/** A request to an operation of the endpoint's model. */
export const httpRequest = (
  endpoint: Endpoint,
  operation: string,
  body: Body,
  omitted: ReadonlyArray<string>,
  stream = false
): Encoded<HttpRequest> => {
  const url = modelUrl(endpoint.baseUrl, endpoint.model, operation, stream ? "alt=sse" : "")
  if (url === undefined) return Result.fail(invalid("model", "expected the id of a model, got a path"))
  const text = jsonText(body)
  if (text === undefined) return Result.fail(invalid("", "the request is nested too deeply"))
  const headers: Record<string, string> = {
    "content-type": "application/json",
    accept: stream ? "text/event-stream" : "application/json"
  }
  if (endpoint.apiKey !== undefined) headers["x-goog-api-key"] = Redacted.value(endpoint.apiKey)
  return Result.succeed({ url, headers, body: text, omitted })
}

const merged = (body: Body, options: Request["providerOptions"]): Body => {
  const out: Body = { ...body, ...options }
  for (const field of ["generationConfig", "toolConfig"]) {
    const ours = body[field]
    const theirs: unknown = options?.[field]
    if (isObject(ours) && isObject(theirs)) out[field] = { ...ours, ...theirs }
  }
  return out
}

/** The body as it came; what a caller's dialect may say beside it (the model is in the path) is unknown to Gemini. */
const wireBody = (wire: Body, endpoint: Endpoint): Body => {
  const { model: _, stream: __, ...body } = wire
  const field = "generation_config" in body ? "generation_config" : "generationConfig"
  const given = body[field]
  const config = isObject(given) ? given : {}
  const stated = config["maxOutputTokens"] ?? config["max_output_tokens"] ?? undefined
  if (endpoint.maxTokens === undefined || stated !== undefined) return body
  return { ...body, [field]: { ...config, maxOutputTokens: endpoint.maxTokens } }
}

const canonicalBody = (request: Request, endpoint: Endpoint, omitted: Array<string>): Encoded => {
  const needs = request.wire?.needs ?? []
  if (needs.length > 0) {
    return Result.fail(new UnsupportedAbility({ provider: endpoint.provider, ability: needs.join(", ") }))
  }
  const conversation = new GeminiConversation(endpoint, omitted)
  for (let index = 0; index < request.messages.length; index++) {
    const error = conversation.add(request.messages[index]!, `messages[${index}]`)
    if (error !== undefined) return Result.fail(error)
  }
  const body: Body = { contents: conversation.contents() }
  if (conversation.system.length > 0) body["systemInstruction"] = { parts: conversation.system }
  addTools(body, request)
  if (body["tools"] !== undefined && request.parallelToolCalls === false) omitted.push("parallelToolCalls")
  const config = generationConfigOf(request, endpoint, omitted)
  if (Object.keys(config).length > 0) body["generationConfig"] = config
  return Result.succeed(body)
}

const addTools = (body: Body, request: Request): void => {
  const tools = request.tools ?? []
  if (tools.length > 0) {
    body["tools"] = [
      {
        functionDeclarations: tools.map(({ description, name, parameters }) => ({
          name,
          description,
          parametersJsonSchema: parameters
        }))
      }
    ]
  }
  const choice = request.toolChoice
  const strict = tools.some((tool) => tool.strict === true)
  if (choice === undefined && !strict) return
  body["toolConfig"] = {
    functionCallingConfig:
      typeof choice === "object"
        ? { mode: "ANY", allowedFunctionNames: [choice.name] }
        : { mode: choice === "required" ? "ANY" : choice === "none" ? "NONE" : strict ? "VALIDATED" : "AUTO" }
  }
}

const generationConfigOf = (request: Request, endpoint: Endpoint, omitted: Array<string>): Body => {
  const config: Body = {}
  const limit = request.maxTokens ?? endpoint.maxTokens
  if (limit !== undefined) config["maxOutputTokens"] = limit
  if (request.temperature !== undefined) config["temperature"] = request.temperature
  if (request.topP !== undefined) config["topP"] = request.topP
  if (request.stop !== undefined && request.stop.length > 0) config["stopSequences"] = request.stop
  if (request.seed !== undefined) config["seed"] = request.seed
  if (request.topK !== undefined) config["topK"] = request.topK
  if (request.presencePenalty !== undefined) config["presencePenalty"] = request.presencePenalty
  if (request.frequencyPenalty !== undefined) config["frequencyPenalty"] = request.frequencyPenalty
  if (request.logprobs !== undefined) {
    config["responseLogprobs"] = true
    if (request.logprobs > 0) config["logprobs"] = request.logprobs
  }
  const format = request.responseFormat
  if (format !== undefined && format.type !== "text") config["responseMimeType"] = "application/json"
  if (format?.type === "json-schema") {
    config["responseJsonSchema"] =
      format.description === undefined || "description" in format.schema
        ? format.schema
        : { ...format.schema, description: format.description }
  }
  const thinking = thinkingConfigOf(request.reasoning, endpoint.model, omitted)
  if (thinking !== undefined) config["thinkingConfig"] = thinking
  return config
}

const invalid = (field: string, detail: string): EngineError => new InvalidRequest({ field, detail })
