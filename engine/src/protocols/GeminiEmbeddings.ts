/**
 * Embeddings of Gemini: `embedContent` for one text, `batchEmbedContents` for several.
 *
 * `providerOptions` (such as `taskType`) go to each of the texts. The answer has one vector for each text, in their order;
 * Gemini reports no usage for embeddings but on some endpoints, so it is mostly an estimate.
 */
import { Result } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Completion } from "../Reply.ts"
import type { EmbedInput, Request } from "../Request.ts"
import * as Usage from "../Usage.ts"
import { completionOf, numbersOf } from "./EmbeddingsAnswer.ts"
import { httpRequest } from "./GeminiRequest.ts"
import { countOf, isObject, type JsonObject, parseJson } from "./Json.ts"
import type { Endpoint, HttpRequest } from "./Protocol.ts"
import * as UpstreamErrors from "./UpstreamErrors.ts"

export const encode = (
  request: Request,
  { dimensions, input }: EmbedInput,
  endpoint: Endpoint
): Result.Result<HttpRequest, EngineError> => {
  const model = endpoint.model.startsWith("models/") ? endpoint.model : `models/${endpoint.model}`
  const requests = input.map((text, index) => ({
    ...wireRequest(request, index),
    ...request.providerOptions,
    model,
    content: { parts: [{ text }] },
    outputDimensionality: dimensions
  }))
  return requests.length === 1
    ? httpRequest(endpoint, "embedContent", requests[0]!, [])
    : httpRequest(endpoint, "batchEmbedContents", { requests }, [])
}

/** What a caller of this dialect said of a text, such as its `taskType`. */
const wireRequest = ({ wire }: Request, index: number): JsonObject => {
  if (wire?.dialect !== "gemini") return {}
  const { requests } = wire.body
  const found: unknown = Array.isArray(requests) ? requests[index] : wire.body
  return isObject(found) ? found : {}
}

export const decode = (body: string, embed: EmbedInput, endpoint: Endpoint): Result.Result<Completion, EngineError> => {
  const answer = parseJson(body)
  if (!isObject(answer)) {
    return Result.fail(UpstreamErrors.invalidResponse(endpoint, UpstreamErrors.describeNonJson(body), 200))
  }
  if (isObject(answer["error"])) return Result.fail(UpstreamErrors.fromPayload(answer, endpoint, 200))
  const { embedding, embeddings, usageMetadata } = answer
  const found: ReadonlyArray<unknown> = Array.isArray(embeddings) ? embeddings : [embedding]
  const vectors = found.map((entry) => (isObject(entry) ? numbersOf(entry["values"]) : undefined))
  const input = isObject(usageMetadata) ? countOf(usageMetadata["promptTokenCount"]) : undefined
  const usage = input === undefined ? { ...Usage.zero, estimated: true } : Usage.fromInclusive({ input, output: 0 })
  return completionOf(undefined, vectors, usage, embed, endpoint)
}
