/**
 * An upstream answer, served as bytes that are cut as a network might cut them, and decoded by a protocol.
 *
 * A cut is a list of offsets into the body. `replay` is what an HTTP provider does with an answer, without the HTTP.
 */
import { Result } from "effect"
import * as Reply from "../../engine/src/Reply.ts"
import { PartReader } from "../../engine/src/protocols/PartReader.ts"
import type { Endpoint, Protocol, StreamOptions } from "../../engine/src/protocols/Protocol.ts"
import type { EmbedInput } from "../../engine/src/Request.ts"
import type { Decoded, RecordedCase } from "./Recorded.ts"

export const endpoint: Endpoint = {
  provider: "recorded",
  model: "recorded-model",
  baseUrl: "http://127.0.0.1:1",
  apiKey: undefined,
  maxTokens: undefined
}

/** The endpoint as the recording had it, where its answers depend on the server. */
const endpointOf = ({ endpoint: wire, request }: RecordedCase): Endpoint =>
  wire === "openai-embeddings" && request?.url !== undefined
    ? { ...endpoint, baseUrl: request.url.replace(/\/embeddings.*$/, "") }
    : endpoint

/** How many vectors were asked for; recordings without a request ask for as many as came. */
const embedOf = ({ expected, request }: RecordedCase): EmbedInput => {
  const { input } = (request?.body ?? {}) as { readonly input?: string | ReadonlyArray<string> }
  const texts =
    typeof input === "string" ? [input] : (input ?? Array.from({ length: expected.embeddings?.count ?? 1 }, () => ""))
  return { input: texts, dimensions: undefined }
}

/** Offsets at which a body is cut, in ascending order. */
export type Cut = (recorded: RecordedCase, length: number) => ReadonlyArray<number>

/** Ways to cut a body; a way that a case has no data for gives no cut. */
export const cuts: { readonly [name: string]: Cut } = {
  whole: () => [],
  "7 bytes": (_, length) => every(7, length),
  "1 byte": (_, length) => every(1, length),
  "inside characters": (recorded) => recorded.stress?.utf8SplitOffsets ?? [],
  "as recorded": (recorded) => {
    let offset = 0
    return (recorded.response.chunkSizes ?? []).map((size) => (offset += size))
  }
}

const every = (size: number, length: number): ReadonlyArray<number> =>
  Array.from({ length: Math.max(0, Math.ceil(length / size) - 1) }, (_, index) => (index + 1) * size)

export const replay = (
  protocol: Protocol,
  recorded: RecordedCase,
  cut: Cut = cuts["whole"]!,
  options?: StreamOptions
): Decoded => {
  const { status, headers, body } = recorded.response
  if (status < 200 || status > 299) {
    return {
      completion: new Reply.Collector().completion(),
      error: protocol.decodeError(status, headers, body, endpoint)
    }
  }
  if (recorded.streaming) {
    const bytes = new TextEncoder().encode(body)
    return replayStream(protocol, bytes, cut(recorded, bytes.length), options).decoded
  }
  const embed = recorded.endpoint === "openai-embeddings" ? embedOf(recorded) : undefined
  return Result.match(protocol.decodeWhole(body, endpointOf(recorded), { embed }), {
    onFailure: (error): Decoded => ({ completion: new Reply.Collector().completion(), error }),
    onSuccess: (completion): Decoded => ({ completion, error: undefined })
  })
}

/** Reads a stream that comes in pieces. `parts` are all parts in their order. */
export const replayStream = (
  protocol: Protocol,
  bytes: Uint8Array,
  offsets: ReadonlyArray<number>,
  options?: StreamOptions
): { readonly decoded: Decoded; readonly parts: ReadonlyArray<Reply.Part> } => {
  const reader = new PartReader(protocol, endpoint, options)
  const parts: Array<Reply.Part> = []
  let from = 0
  let error = undefined
  for (const to of [...offsets, bytes.length]) {
    error ??= reader.push(bytes.subarray(from, to), parts)
    from = to
  }
  error ??= reader.end(parts)
  const collector = new Reply.Collector()
  for (const part of parts) collector.add(part)
  return { decoded: { completion: collector.completion(), error }, parts }
}
