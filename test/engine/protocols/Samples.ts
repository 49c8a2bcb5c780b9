/**
 * What the protocol tests share: an endpoint, requests, streams as text, and readers of what is encoded and decoded.
 */
import { Effect, Redacted, Result } from "effect"
import * as Reply from "../../../engine/src/Reply.ts"
import { type AIRequest, fromAIRequest, type Request } from "../../../engine/src/Request.ts"
import { PartReader } from "../../../engine/src/protocols/PartReader.ts"
import type { Endpoint, HttpRequest, Protocol, StreamOptions } from "../../../engine/src/protocols/Protocol.ts"
import type { EngineError } from "../../../engine/src/Errors.ts"

export const apiKey = "canary-5f1c9e7d"

export const endpointOf = (overrides: Partial<Endpoint> = {}): Endpoint => ({
  provider: "sample",
  model: "sample-model",
  baseUrl: "http://127.0.0.1:9",
  apiKey: Redacted.make(apiKey),
  maxTokens: undefined,
  ...overrides
})

export const requestOf = (input: AIRequest): Request => Effect.runSync(fromAIRequest(input, "req_sample"))

export interface Sent {
  readonly url: string
  readonly headers: HttpRequest["headers"]
  readonly body: { readonly [key: string]: unknown }
  readonly omitted: ReadonlyArray<string>
}

/** What would go over the wire; the body parsed. Throws what `encode` fails with. */
export const sent = (protocol: Protocol, request: Request, endpoint: Endpoint = endpointOf()): Sent => {
  const { body, headers, omitted, url } = Result.getOrThrow(protocol.encode(request, endpoint))
  return { url, headers, body: JSON.parse(body) as Sent["body"], omitted: omitted ?? [] }
}

/** The error that `encode` fails with. */
export const refusal = (protocol: Protocol, request: Request, endpoint: Endpoint = endpointOf()): EngineError =>
  Result.getOrThrow(Result.flip(protocol.encode(request, endpoint)))

export interface Read {
  readonly parts: ReadonlyArray<Reply.Part>
  readonly completion: Reply.Completion
  readonly error: EngineError | undefined
}

/** Reads a stream that comes in the given pieces. */
export const read = (protocol: Protocol, pieces: ReadonlyArray<Uint8Array>, options?: StreamOptions): Read => {
  const reader = new PartReader(protocol, endpointOf(), options)
  const parts: Array<Reply.Part> = []
  let error: EngineError | undefined
  for (const piece of pieces) error ??= reader.push(piece, parts)
  error ??= reader.end(parts)
  const collector = new Reply.Collector()
  for (const part of parts) collector.add(part)
  return { parts, completion: collector.completion(), error }
}

export const readText = (protocol: Protocol, text: string, options?: StreamOptions): Read =>
  read(protocol, [new TextEncoder().encode(text)], options)

/** Events without names, as OpenAI sends them. */
export const sse = (...payloads: ReadonlyArray<unknown>): string =>
  payloads.map((payload) => `data: ${typeof payload === "string" ? payload : JSON.stringify(payload)}\n\n`).join("")

export interface NamedEvent {
  readonly type: string
  readonly [key: string]: unknown
}

/** Events named after their type, as Anthropic sends them. */
export const named = (...payloads: ReadonlyArray<NamedEvent>): string =>
  payloads.map((payload) => `event: ${payload.type}\ndata: ${JSON.stringify(payload)}\n\n`).join("")

/** Bytes cut at the given offsets, which may be in any order and out of range. */
export const cutAt = (bytes: Uint8Array, offsets: ReadonlyArray<number>): ReadonlyArray<Uint8Array> => {
  const sorted = [...offsets].filter((offset) => offset > 0 && offset < bytes.length).sort((a, b) => a - b)
  return [...sorted, bytes.length].map((to, index) => bytes.subarray(index === 0 ? 0 : sorted[index - 1], to))
}
