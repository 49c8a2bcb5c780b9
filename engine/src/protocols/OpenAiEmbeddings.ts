/**
 * Embeddings of OpenAI and of servers that are compatible with it: `POST …/embeddings`.
 *
 * Vectors come as lists of numbers or as base64 of little-endian floats; OpenAI itself is asked for base64, which is
 * exact and shorter. Old vLLM servers put doubles there, Perplexity 8-bit integers. The answer has one vector for each
 * text, in the order of the texts. Inputs are never split over several calls.
 */
import { Predicate, Result } from "effect"
import { type EngineError, InvalidRequest } from "../Errors.ts"
import type { Completion } from "../Reply.ts"
import type { EmbedInput, Request } from "../Request.ts"
import * as Usage from "../Usage.ts"
import { versionedUrl } from "./BaseUrl.ts"
import { completionOf, numbersOf } from "./EmbeddingsAnswer.ts"
import { countOf, isObject, jsonText, parseJson } from "./Json.ts"
import { headersOf, type OpenAiServer, serverOf } from "./OpenAiServers.ts"
import type { Endpoint, HttpRequest, Protocol } from "./Protocol.ts"
import * as UpstreamErrors from "./UpstreamErrors.ts"

/** The protocol with embeddings beside it. */
export const withEmbeddings = (protocol: Protocol): Protocol => ({
  ...protocol,
  encode: (request, endpoint) =>
    request.embed === undefined ? protocol.encode(request, endpoint) : encode(request, request.embed, endpoint),
  decodeWhole: (body, endpoint, options) =>
    options?.embed === undefined ? protocol.decodeWhole(body, endpoint, options) : decode(body, options.embed, endpoint)
})

const encode = (
  request: Request,
  { dimensions, input }: EmbedInput,
  endpoint: Endpoint
): Result.Result<HttpRequest, EngineError> => {
  const server = serverOf(endpoint.baseUrl)
  const body = jsonText({
    input,
    ...(request.wire?.dialect.startsWith("openai-") === true ? request.wire.body : {}),
    ...request.providerOptions,
    model: endpoint.model,
    encoding_format: server.vectors === "float32-asked" ? "base64" : undefined,
    dimensions: undefined,
    [server.dimensions]: dimensions
  })
  if (body === undefined) {
    return Result.fail(new InvalidRequest({ field: "", detail: "the request is nested too deeply" }))
  }
  return Result.succeed({
    url: versionedUrl(endpoint.baseUrl, "/embeddings", server.root),
    headers: headersOf(endpoint, server, false),
    body
  })
}

const decode = (body: string, embed: EmbedInput, endpoint: Endpoint): Result.Result<Completion, EngineError> => {
  const answer = parseJson(body)
  if (!isObject(answer)) {
    return Result.fail(UpstreamErrors.invalidResponse(endpoint, UpstreamErrors.describeNonJson(body), 200))
  }
  const data = answer["data"]
  if (!Array.isArray(data)) {
    return Result.fail(
      answer["error"] !== undefined || answer["object"] === "error"
        ? UpstreamErrors.fromPayload(answer, endpoint, 200)
        : UpstreamErrors.invalidResponse(endpoint, "JSON without embeddings", 200)
    )
  }
  const { vectors: encoding } = serverOf(endpoint.baseUrl)
  const vectors: Array<ReadonlyArray<number> | undefined> = []
  data.forEach((entry: unknown, place) => {
    if (!isObject(entry)) return
    const index = countOf(entry["index"]) ?? place
    vectors[index < data.length ? index : place] = vectorOf(entry["embedding"], encoding)
  })
  return completionOf(answer["model"], vectors, usageOf(answer["usage"]), embed, endpoint)
}

const vectorOf = (value: unknown, encoding: OpenAiServer["vectors"]): ReadonlyArray<number> | undefined => {
  if (!Predicate.isString(value)) return numbersOf(value)
  const bytes = Buffer.from(value, "base64")
  if (encoding === "int8") return numbersOf(Array.from(new Int8Array(bytes)))
  if (bytes.length % 4 !== 0) return undefined
  const floats = Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index))
  if (bytes.length % 8 !== 0 || !areHalvesOfDoubles(floats)) return numbersOf(floats)
  return numbersOf(Array.from({ length: bytes.length / 8 }, (_, index) => bytes.readDoubleLE(8 * index)))
}

/** Doubles that are read as floats have noise or nothing at all in their lower halves. */
const areHalvesOfDoubles = (floats: ReadonlyArray<number>): boolean => {
  let zeros = 0
  let largest = 0
  for (let index = 0; index < floats.length; index += 2) {
    const lower = Math.abs(floats[index]!)
    if (lower === 0) zeros++
    if (!(lower <= largest)) largest = lower
  }
  return !(largest < 1e6) || (floats.length > 2 && zeros === floats.length / 2)
}

const usageOf = (usage: unknown): Usage.Usage => {
  const input = isObject(usage) ? (countOf(usage["prompt_tokens"]) ?? countOf(usage["total_tokens"])) : undefined
  return input === undefined ? { ...Usage.zero, estimated: true } : Usage.fromInclusive({ input, output: 0 })
}
