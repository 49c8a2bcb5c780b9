/**
 * What a wire protocol is: encode a request, decode a whole answer, an error, or a stream of events.
 *
 * Protocols are pure and synchronous. They open no connection, wait for nothing and keep no state but that of one
 * stream decoder. Every protocol file has the same sections in the same order: encode, whole, error, stream, so that
 * they read side by side.
 */
import type { Redacted, Result } from "effect"
import type { EngineError } from "../Errors.ts"
import type { Completion, Dialect, Part } from "../Reply.ts"
import type { EmbedInput, Request } from "../Request.ts"

/** Where and as whom a request is sent, and what the target adds to it. */
export interface Endpoint {
  /** Name of the provider in the configuration; used in errors. */
  readonly provider: string
  readonly model: string
  /** Without a trailing slash. What the provider's own SDK calls base URL; a trailing /v1 is never doubled. */
  readonly baseUrl: string
  readonly apiKey: Redacted.Redacted | undefined
  /** Completion tokens for requests that name none. */
  readonly maxTokens: number | undefined
  /** The service tier that the request asks for; holds for the price where the answer names none. */
  readonly serviceTier?: string | undefined
}

/** An HTTP request, ready to be sent. `body` is JSON text. */
export interface HttpRequest {
  readonly url: string
  readonly headers: { readonly [name: string]: string }
  readonly body: string
  /**
   * Hints of the request that the dialect has no field for, as paths such as `messages[1].name`. They change no
   * meaning and are left out; the caller is told. What would change the meaning is `UnsupportedAbility` instead.
   */
  readonly omitted?: ReadonlyArray<string> | undefined
}

/** Response headers with lower-case names. */
export type HttpHeaders = { readonly [name: string]: string | undefined }

/** One server-sent event. */
export interface SseEvent {
  readonly event: string | undefined
  readonly data: string
}

export interface WholeOptions {
  /** Keeps the provider's body in the completion, for a caller of the same dialect. Off by default. */
  readonly wire?: boolean | undefined
  /** Set when the answer is to an embeddings request. */
  readonly embed?: EmbedInput | undefined
}

export interface StreamOptions {
  /** Puts each of the provider's events before the parts decoded from it, as `wire` parts. Off by default. */
  readonly wire?: boolean | undefined
}

/** Decodes the events of one stream. Stateful; made anew for each stream. */
export interface StreamDecoder {
  /**
   * Appends the parts of one event to `out`. Returns the error that ends the stream, if the event is one. Parts that
   * carry no content yet wait for the first that does, so that an error right at the start still comes first.
   * After the terminal event, or an error, it does nothing.
   */
  readonly event: (event: SseEvent, out: Array<Part>) => EngineError | undefined
  /**
   * Called when the body has ended. Appends the `finish` part when the answer is complete and it has not come yet,
   * else returns `StreamTruncated` (law 3).
   */
  readonly end: (out: Array<Part>) => EngineError | undefined
}

export interface Protocol {
  readonly dialect: Dialect
  /** Used when the configuration names no base URL. */
  readonly defaultBaseUrl: string
  /**
   * Fails with `UnsupportedAbility` for what the protocol can't carry. Never drops a field in silence. A request with
   * `embed` goes to the provider's embeddings, and its answer to `decodeWhole` with the same `embed`.
   */
  readonly encode: (request: Request, endpoint: Endpoint) => Result.Result<HttpRequest, EngineError>
  /** Decodes a 2xx body that is no stream; an error inside a 200 becomes a failure. */
  readonly decodeWhole: (
    body: string,
    endpoint: Endpoint,
    options?: WholeOptions
  ) => Result.Result<Completion, EngineError>
  /**
   * Maps a non-2xx answer; `body` may be anything, also HTML or nothing. `nowMs` (epoch) is what a `retry-after` date
   * is counted from when the answer has no `date` header.
   */
  readonly decodeError: (
    status: number,
    headers: HttpHeaders,
    body: string,
    endpoint: Endpoint,
    nowMs?: number
  ) => EngineError
  readonly decodeStream: (endpoint: Endpoint, options?: StreamOptions) => StreamDecoder
}
