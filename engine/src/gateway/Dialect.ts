/**
 * What an inbound dialect is: decode a body into a request, encode answers, streams and errors.
 *
 * Dialects are pure and synchronous, like the upstream protocols whose mirror image they are. They know nothing of
 * sockets; `Respond` writes what they encode.
 */
import type { Result } from "effect"
import type { Call } from "../Call.ts"
import type { EngineError, InvalidRequest } from "../Errors.ts"
import type { Completion, Dialect, Part } from "../Reply.ts"
import type { EmbedInput, Request } from "../Request.ts"

/** What a body says; the rest of a request comes from the headers. */
export type DecodedBody = Pick<
  Request,
  | "model"
  | "messages"
  | "temperature"
  | "topP"
  | "maxTokens"
  | "stop"
  | "seed"
  | "topK"
  | "presencePenalty"
  | "frequencyPenalty"
  | "logprobs"
  | "tools"
  | "toolChoice"
  | "parallelToolCalls"
  | "responseFormat"
  | "reasoning"
  | "stream"
  | "wire"
> & { readonly embed?: EmbedInput }

/** Encodes one stream. Stateful; made anew for each. Every method returns bytes-to-be, ready to be written. */
export interface StreamEncoder {
  /** The media type of the body; server-sent events unless it says otherwise. */
  readonly contentType?: string
  readonly part: (part: Part) => string
  /** After the terminal part. */
  readonly end: () => string
  /** Instead of the terminal part: the failure in the dialect's own shape, never a normal end. */
  readonly error: (error: EngineError) => string
}

export interface InboundDialect {
  readonly dialect: Dialect
  readonly decode: (
    body: { readonly [key: string]: unknown },
    tenant: string
  ) => Result.Result<DecodedBody, InvalidRequest>
  readonly encodeWhole: (call: Call, completion: Completion) => string
  /** Absent where an answer is never streamed. */
  readonly encodeStream?: (call: Call) => StreamEncoder
  readonly encodeError: (error: EngineError, requestId: string | undefined) => string
  /** Names of request headers that belong to the body and go to an upstream of the same dialect. */
  readonly headers?: ReadonlyArray<string>
  /** The answer to a count of the prompt's tokens, where the dialect has that question. */
  readonly encodeCount?: (tokens: number) => string
}

export type WirePart = Extract<Part, { readonly type: "wire" }>

/** A provider's event as it came. */
export const wireEvent = ({ data, event }: Pick<WirePart, "data" | "event">): string =>
  `${event === undefined ? "" : `event: ${event}\n`}data: ${data.includes("\n") ? data.replaceAll("\n", "\ndata: ") : data}\n\n`
