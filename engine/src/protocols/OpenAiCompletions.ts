/**
 * OpenAI's legacy Completions (`POST …/completions`), for instruct models and base models.
 *
 * Answers are those of Chat Completions with `text` where chat has a message, so only the request is written here. One
 * message of the user is the prompt as it is; a conversation becomes a transcript with the role before each turn. Nothing
 * but text, sampling, stop sequences and log probabilities has a place; all else is an error. A provider with
 * `api: completions` speaks it. The transcript of a conversation ends with `Assistant:`, and `User:` at the start of a line
 * ends the answer, unless the request has stop sequences of its own.
 */
import { Result } from "effect"
import { type EngineError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import { type Request, textOf } from "../Request.ts"
import { versionedUrl } from "./BaseUrl.ts"
import { jsonText } from "./Json.ts"
import { chatProtocol } from "./OpenAiChat.ts"
import { withEmbeddings } from "./OpenAiEmbeddings.ts"
import { headersOf, serverOf } from "./OpenAiServers.ts"
import type { Endpoint, HttpRequest, Protocol } from "./Protocol.ts"

const encode = (request: Request, endpoint: Endpoint): Result.Result<HttpRequest, EngineError> => {
  const unable = inabilityOf(request, endpoint)
  if (unable !== undefined) {
    return Result.fail(new UnsupportedAbility({ provider: endpoint.provider, ability: unable }))
  }
  const server = serverOf(endpoint.baseUrl)
  const body = jsonText({
    max_tokens: request.maxTokens ?? endpoint.maxTokens,
    temperature: request.temperature,
    top_p: request.topP,
    stop: request.stop ?? (isPrompt(request) ? undefined : ["\nUser:"]),
    [server.seed]: request.seed,
    top_k: request.topK,
    presence_penalty: request.presencePenalty,
    frequency_penalty: request.frequencyPenalty,
    logprobs: request.logprobs,
    ...(request.wire?.dialect === "openai-completions" ? request.wire.body : { prompt: promptOf(request) }),
    ...request.providerOptions,
    model: endpoint.model,
    stream: request.stream,
    stream_options: request.stream && server.streamOptions ? { include_usage: true } : undefined
  })
  if (body === undefined) {
    return Result.fail(new InvalidRequest({ field: "", detail: "the request is nested too deeply" }))
  }
  return Result.succeed({
    url: versionedUrl(endpoint.baseUrl, "/completions", server.root),
    headers: headersOf(endpoint, server, request.stream),
    body
  })
}

export const openAiCompletions: Protocol = withEmbeddings(chatProtocol("openai-completions", encode))

const inabilityOf = (request: Request, endpoint: Endpoint): string | undefined => {
  if (request.wire?.dialect === "openai-completions") return undefined
  const needs = request.wire?.needs ?? []
  if (needs.length > 0) return needs.join(", ")
  if (request.topK !== undefined && !serverOf(endpoint.baseUrl).topK) return "topK"
  if (request.tools !== undefined && request.tools.length > 0) return "tools"
  if (request.responseFormat !== undefined && request.responseFormat.type !== "text") return "structured output"
  if (request.reasoning !== undefined) return "reasoning options"
  for (const { content } of request.messages) {
    if (typeof content === "string") continue
    const other = content.find((part) => part.type !== "text")
    if (other !== undefined) return `${other.type} parts`
  }
  return undefined
}

/** One message of the user is the text to go on from. */
const isPrompt = ({ messages }: Request): boolean => messages.length === 1 && messages[0]!.role === "user"

const promptOf = (request: Request): string =>
  isPrompt(request)
    ? textOf(request.messages[0]!)
    : `${request.messages.map((message) => `${roles[message.role]}: ${textOf(message)}`).join("\n\n")}\n\nAssistant:`

const roles = { system: "System", user: "User", assistant: "Assistant", tool: "Tool" } as const
