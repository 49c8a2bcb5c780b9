/**
 * Counts of prompt tokens by the providers that offer them: Anthropic's `count_tokens`, Gemini's `countTokens`, OpenAI's
 * `responses/input_tokens`.
 *
 * The question is the request itself without what belongs to the answer. Pure, like the protocols that it is made from.
 */
import { Result } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Dialect } from "../Reply.ts"
import type { Request } from "../Request.ts"
import { encode as encodeMessages } from "./AnthropicMessagesRequest.ts"
import { encode as encodeGemini } from "./GeminiRequest.ts"
import { countOf, isObject, type JsonObject, parseJson } from "./Json.ts"
import { encode as encodeResponses } from "./OpenAiResponsesRequest.ts"
import type { Endpoint, HttpRequest } from "./Protocol.ts"

export interface TokenCounter {
  readonly encode: (request: Request, endpoint: Endpoint) => Result.Result<HttpRequest, EngineError>
  /** Tokens in the body of a 2xx answer; undefined for one that has none. */
  readonly decode: (body: string) => number | undefined
}

export const counterOf = (dialect: Dialect): TokenCounter | undefined => counters[dialect]

const counter = (
  encode: TokenCounter["encode"],
  ask: (body: JsonObject, endpoint: Endpoint) => JsonObject,
  address: (url: string) => string,
  field: string
): TokenCounter => ({
  encode: (request, endpoint) =>
    Result.map(encode({ ...request, stream: false }, endpoint), (encoded) => ({
      ...encoded,
      url: address(encoded.url),
      body: JSON.stringify(ask(parseJson(encoded.body) as JsonObject, endpoint))
    })),
  decode: (body) => {
    const answer = parseJson(body)
    return isObject(answer) ? countOf(answer[field]) : undefined
  }
})

const only =
  (...fields: ReadonlyArray<string>) =>
  (body: JsonObject): JsonObject =>
    Object.fromEntries(Object.entries(body).filter(([field]) => fields.includes(field)))

const messages = counter(
  encodeMessages,
  only(
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "thinking",
    "output_config",
    "cache_control",
    "mcp_servers",
    "context_management"
  ),
  (url) => url.replace(/(?=\?|$)/, "/count_tokens"),
  "input_tokens"
)

const responses = counter(
  encodeResponses,
  only(
    "model",
    "input",
    "instructions",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "text",
    "reasoning",
    "truncation",
    "previous_response_id",
    "conversation"
  ),
  (url) => url.replace(/(?=\?|$)/, "/input_tokens"),
  "input_tokens"
)

const gemini = counter(
  encodeGemini,
  (body, { model }) => ({
    generateContentRequest: { model: /^(?:models|tunedModels)\//.test(model) ? model : `models/${model}`, ...body }
  }),
  (url) => url.replace(":generateContent", ":countTokens"),
  "totalTokens"
)

const counters: { readonly [dialect in Dialect]?: TokenCounter } = {
  "anthropic-messages": messages,
  "openai-responses": responses,
  gemini
}
