/**
 * A provider behind HTTP: a protocol over the transport.
 *
 * One attempt is one exchange: encode, send, then read until the first part is in hand, so that an error inside a 200, an
 * empty stream or a wrong content type fails the attempt and not the answer; a caller who wants a whole answer gets it whole
 * even if it was streamed. The rest of a stream is pulled as the caller reads; `idleTimeout` of silence while somebody waits
 * ends it with `StreamStalled`.
 */
import { Cause, Effect, type Redacted, Result, type Scope, Stream } from "effect"
import {
  type EngineError,
  ProviderInvalidResponse,
  ProviderRateLimited,
  ProviderUnreachable,
  StreamStalled,
  StreamTruncated
} from "./Errors.ts"
import { countTokens } from "./HttpTokenCount.ts"
import { PartReader } from "./protocols/PartReader.ts"
import { parseJson } from "./protocols/Json.ts"
import type { Endpoint, HttpHeaders, HttpRequest, Protocol } from "./protocols/Protocol.ts"
import { quotaFailureOf, rateLimitsOf } from "./protocols/RateLimitHeaders.ts"
import { counterOf } from "./protocols/TokenCounting.ts"
import type { Provider, ProviderInfo } from "./Provider.ts"
import { type ProviderKey, ProviderKeys } from "./ProviderKeys.ts"
import * as Reply from "./Reply.ts"
import type { Request } from "./Request.ts"
import { askedTier } from "./ServiceTier.ts"
import type { AttemptCall } from "./Stage.ts"
import type { Response, Transport, TransportFailure } from "./Transport.ts"

export interface HttpProviderOptions {
  readonly info: ProviderInfo
  readonly protocol: Protocol
  /** Protocols that answer requests of their own dialect; all others are answered by `protocol`. */
  readonly ownProtocols?: ReadonlyArray<Protocol> | undefined
  readonly baseUrl: string
  /** Used in turn; may be empty for servers that ask for none. */
  readonly apiKeys: ReadonlyArray<Redacted.Redacted>
  readonly transport: Transport["Service"]
}

/** Bytes of an answer, and of an error body, that are read at most. */
const bytesMax = 64 << 20
const errorBytesMax = 1 << 20

type Opened = Effect.Effect<Reply.Reply, EngineError, Scope.Scope>

export const httpProvider = (options: HttpProviderOptions): Provider => {
  const { info, transport } = options
  const keys = new ProviderKeys(options.apiKeys)
  const protocolOf = ({ wire }: Request): Protocol =>
    options.ownProtocols?.find(({ dialect }) => dialect === wire?.dialect) ?? options.protocol
  const endpointOf = (model: string, key: ProviderKey | undefined, serviceTier?: string): Endpoint => ({
    provider: info.name,
    model,
    baseUrl: options.baseUrl,
    apiKey: key?.secret,
    maxTokens: info.maxTokens,
    serviceTier
  })
  /** Counting takes whichever key is ready: what becomes of it says nothing about calls. */
  const count = (protocol: Protocol, request: Request, model: string) =>
    Effect.clockWith((clock) => {
      const endpoint = endpointOf(model, keys.next(clock.currentTimeMillisUnsafe()))
      return countTokens({ protocol, transport, timeoutMs: info.timeoutMs }, request, endpoint)
    })
  const counting = [options.protocol, ...(options.ownProtocols ?? [])].find(({ dialect }) => counterOf(dialect))
  return {
    ...info,
    countTokens: counting === undefined ? undefined : (request, model) => count(counting, request, model),
    keys: (nowMs) => keys.status(nowMs),
    open: (call) =>
      Effect.suspend((): Opened => {
        const key = keys.next(call.clock.currentTimeMillisUnsafe())
        const protocol = protocolOf(call.request)
        const endpoint = endpointOf(call.target.model, key, askedTier(call.request, protocol.dialect))
        const encoded = protocol.encode(call.request, endpoint)
        if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
        const { omitted = [] } = encoded.success
        if (omitted.length > 0) call.attempt.omitted = [...(call.attempt.omitted ?? []), ...omitted]
        const opened = Effect.matchEffect(transport.send(traced(encoded.success, call)), {
          onFailure: (failure) => Effect.fail(new ProviderUnreachable({ ...call.target, detail: failure.detail })),
          onSuccess: (response) => new Exchange(call, info, protocol, endpoint, response).read()
        })
        return key === undefined || keys.size < 2 ? opened : watched(keys, key, call, opened)
      })
  }
}

/** The request with the trace that it belongs to, where the provider is told. */
const traced = (request: HttpRequest, { attempt }: AttemptCall): HttpRequest =>
  attempt.traceHeaders === undefined
    ? request
    : { ...request, headers: { ...request.headers, ...attempt.traceHeaders } }

/** Learns from one of several keys. What is wrong with one of them is no reason to wait while another is ready. */
const watched = (keys: ProviderKeys, { index }: ProviderKey, call: AttemptCall, opened: Opened): Opened =>
  Effect.matchEffect(opened, {
    onSuccess: (reply) => {
      keys.worked(index)
      return Effect.succeed(reply)
    },
    onFailure: (error): Opened => {
      const nowMs = call.clock.currentTimeMillisUnsafe()
      call.attempt.otherKey = keys.failed(index, error, nowMs)
      if (error._tag !== "ProviderRateLimited" || error.retryAfterMs === undefined) return Effect.fail(error)
      const { code, detail, model, provider, type, upstreamStatus } = error
      const retryAfterMs = call.attempt.otherKey ? undefined : keys.readyInMs(nowMs)
      return Effect.fail(new ProviderRateLimited({ code, detail, model, provider, type, upstreamStatus, retryAfterMs }))
    }
  })

const isEventStream = (headers: HttpHeaders): boolean =>
  headers["content-type"]?.toLowerCase().includes("text/event-stream") ?? false

type Pull<A> = Effect.Effect<A, EngineError | Cause.Done>
type Chunk = readonly [Reply.Part, ...Array<Reply.Part>]

/** One answer, from its headers to its last byte. */
class Exchange {
  private readonly call: AttemptCall
  private readonly info: ProviderInfo
  private readonly protocol: Protocol
  private readonly endpoint: Endpoint
  private readonly response: Response
  private readonly wire: boolean

  constructor(call: AttemptCall, info: ProviderInfo, protocol: Protocol, endpoint: Endpoint, response: Response) {
    this.call = call
    this.info = info
    this.protocol = protocol
    this.endpoint = endpoint
    this.response = response
    this.wire = call.request.wire?.dialect === protocol.dialect
  }

  read(): Opened {
    const { headers, status } = this.response
    const nowMs = this.call.clock.currentTimeMillisUnsafe()
    this.call.attempt.rateLimits = rateLimitsOf(headers, nowMs)
    if (status < 200 || status > 299) {
      return Effect.flatMap(this.text(errorBytesMax, true), (body) => {
        if (status === 429) this.call.attempt.rateLimits ??= quotaFailureOf(parseJson(body))
        return Effect.fail(this.protocol.decodeError(status, headers, body, this.endpoint, nowMs))
      })
    }
    if (this.call.request.stream) return this.stream()
    if (isEventStream(headers))
      return Effect.flatMap(this.stream(), (reply) => Effect.map(Reply.collect(reply), Reply.whole))
    return Effect.flatMap(this.text(bytesMax, false), (body) => {
      const decoded = this.protocol.decodeWhole(body, this.endpoint, {
        wire: this.wire,
        embed: this.call.request.embed
      })
      return Result.isFailure(decoded) ? Effect.fail(decoded.failure) : Effect.succeed(Reply.whole(decoded.success))
    })
  }

  /** The body as text, up to a bound. An error body that breaks off is used as far as it came. */
  private text(limit: number, lenient: boolean): Effect.Effect<string, EngineError> {
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    const step: Effect.Effect<string, EngineError> = Effect.matchEffect(this.response.pull, {
      onSuccess: (pulled) => {
        for (const chunk of pulled) {
          chunks.push(chunk)
          bytes += chunk.byteLength
        }
        if (bytes <= limit) return step
        return lenient
          ? Effect.succeed(Buffer.concat(chunks).toString("utf8", 0, limit))
          : Effect.fail(this.invalid(`the answer has more than ${limit} bytes`))
      },
      onFailure: (failure) =>
        Cause.isDone(failure) || lenient
          ? Effect.succeed(chunks.length === 1 ? decode(chunks[0]!) : Buffer.concat(chunks).toString("utf8"))
          : Effect.fail(this.invalid(`the answer broke off after ${bytes} bytes (${failure.detail})`))
    })
    return step
  }

  /** Reads up to the first part that says something; what came with it is handed on with it. */
  private stream(): Opened {
    const parts = new PartReader(this.protocol, this.endpoint, { wire: this.wire && this.call.request.stream })
    const reader = new StreamReader(this.call, this.info, this.response, parts)
    const pending: Array<Reply.Part> = []
    const peek: Opened = Effect.matchEffect(reader.pull, {
      onSuccess: (chunk) => {
        pending.push(...chunk)
        if (!chunk.some(says)) return peek
        return Effect.as(Effect.forkScoped(reader.watchdog), Reply.parts(reader.parts(pending)))
      },
      onFailure: (error) =>
        Effect.fail(
          Cause.isDone(error)
            ? new StreamTruncated({ ...this.call.target, detail: "it had no content" })
            : error._tag === "StreamTruncated" && !isEventStream(this.response.headers)
              ? this.invalid("neither an event stream nor JSON")
              : error
        )
    })
    return peek
  }

  private invalid(detail: string): ProviderInvalidResponse {
    return new ProviderInvalidResponse({ ...this.call.target, detail, upstreamStatus: this.response.status })
  }
}

/** `start` and raw events commit to nothing: a provider may still fail after them. */
const says = (part: Reply.Part): boolean => part.type !== "start" && part.type !== "wire"

const decode = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("utf8")

/** Pulls parts out of the bytes of one stream. */
class StreamReader {
  private readonly call: AttemptCall
  private readonly info: ProviderInfo
  private readonly response: Response
  private readonly reader: PartReader
  private decoded: Array<Reply.Part> = []
  private failure: EngineError | undefined
  private bytes = 0
  /** Epoch milliseconds since when somebody waits for a part; undefined while nobody does. */
  private waitingSinceMs: number | undefined

  constructor(call: AttemptCall, info: ProviderInfo, response: Response, reader: PartReader) {
    this.call = call
    this.info = info
    this.response = response
    this.reader = reader
  }

  /** The next parts; fails with `Done` after the terminal one. */
  readonly pull: Pull<Chunk> = Effect.suspend(() => {
    if (this.failure !== undefined) return Effect.fail(this.failure)
    if (this.reader.done) return Cause.done()
    this.waitingSinceMs = this.call.clock.currentTimeMillisUnsafe()
    return this.step
  })

  private readonly step: Pull<Chunk> = Effect.suspend(() =>
    Effect.matchEffect(this.response.pull, {
      onSuccess: (chunks) => {
        for (const chunk of chunks) this.read(chunk)
        return this.emit()
      },
      onFailure: (failure) => {
        this.end(failure)
        return this.emit()
      }
    })
  )

  /** The parts from the first on, as the caller reads them. */
  parts(first: Array<Reply.Part>): Reply.Parts {
    let started = false
    const pull: Pull<Chunk> = Effect.suspend(() => {
      if (started) return this.pull
      started = true
      return Effect.succeed(first as unknown as Chunk)
    })
    return Stream.fromPull(Effect.succeed(pull))
  }

  /** Runs beside a stream and ends it when somebody has waited for `idleTimeout`. */
  readonly watchdog: Effect.Effect<void> = Effect.suspend(() => {
    const { idleTimeoutMs } = this.info
    const since = this.waitingSinceMs
    const idleMs = since === undefined ? 0 : this.call.clock.currentTimeMillisUnsafe() - since
    if (idleMs < idleTimeoutMs) return Effect.andThen(Effect.sleep(idleTimeoutMs - idleMs), this.watchdog)
    this.failure = new StreamStalled({ ...this.call.target, idleTimeoutMs })
    this.response.abort()
    return Effect.void
  })

  private read(bytes: Uint8Array): void {
    if (this.failure !== undefined) return
    this.bytes += bytes.byteLength
    this.failure =
      this.bytes > bytesMax
        ? new ProviderInvalidResponse({ ...this.call.target, detail: `a stream of more than ${bytesMax} bytes` })
        : this.reader.push(bytes, this.decoded)
  }

  private end(failure: TransportFailure | Cause.Done): void {
    if (this.failure !== undefined) return
    const error = this.reader.end(this.decoded)
    if (error === undefined) return
    const broken = !Cause.isDone(failure) && error._tag === "StreamTruncated"
    this.failure = broken ? new StreamTruncated({ ...this.call.target, detail: failure.detail }) : error
  }

  /** Hands on what has been decoded, then the failure, then the end; reads on when there is nothing yet. */
  private emit(): Pull<Chunk> {
    if (this.reader.done) this.response.finished()
    if (this.decoded.length > 0) {
      const chunk = this.decoded
      this.decoded = []
      this.waitingSinceMs = undefined
      return Effect.succeed(chunk as unknown as Chunk)
    }
    if (this.failure !== undefined) return Effect.fail(this.failure)
    return this.reader.done ? Cause.done() : this.step
  }
}
