/**
 * HTTP out: one exchange with an upstream over undici's dispatcher.
 *
 * `send` succeeds when the response headers are in; the scope owns the connection: closing it aborts the socket unless
 * the body has been read to its end. The body is pulled, and a slow reader pauses the socket. Nothing here retries,
 * follows redirects, or reads a proxy from a request.
 */
import { Cause, Context, Effect, Layer, Scope } from "effect"
import { Agent, type Dispatcher } from "undici"
import type { HttpHeaders, HttpRequest } from "./protocols/Protocol.ts"

/** The connection failed; `detail` is a code such as `ECONNREFUSED`, never a URL. */
export class TransportFailure {
  readonly _tag = "TransportFailure"
  readonly detail: string
  constructor(detail: string) {
    this.detail = detail
  }
}

export interface Response {
  readonly status: number
  readonly headers: HttpHeaders
  /** All bytes that have come since the last pull; waits for some; ends with `Done`. */
  readonly pull: Effect.Effect<ReadonlyArray<Uint8Array>, TransportFailure | Cause.Done>
  /** Closes the connection; a pull that waits fails. */
  readonly abort: () => void
  /** Says that the answer is complete: what still comes is thrown away, so that the connection can be used again. */
  readonly finished: () => void
}

export class Transport extends Context.Service<
  Transport,
  {
    readonly send: (request: HttpRequest) => Effect.Effect<Response, TransportFailure, Scope.Scope>
  }
>()("millrace/Transport") {
  /** Keep-alive connections to each origin, as many as there are calls at once (the limiter bounds those). */
  static readonly layer = Layer.effect(
    Transport,
    Effect.map(
      Effect.acquireRelease(
        Effect.sync(
          () =>
            new Agent({
              headersTimeout: 0,
              bodyTimeout: 0,
              keepAliveTimeout: 30_000,
              connect: { timeout: 10_000 }
            })
        ),
        (agent) => Effect.promise(() => agent.destroy())
      ),
      (agent) => Transport.of({ send: (request) => send(agent, request) })
    )
  )
}

const pauseAboveBytes = 1 << 20
/** How long the end of a complete answer may take before its connection is closed. */
const drainMs = 1000

const send = (dispatcher: Dispatcher, request: HttpRequest): Effect.Effect<Response, TransportFailure, Scope.Scope> =>
  Effect.flatMap(Effect.scope, (scope) => {
    const exchange = new Exchange()
    return Effect.andThen(
      Scope.addFinalizer(
        scope,
        Effect.suspend(() => exchange.release())
      ),
      Effect.callback<Response, TransportFailure>((resume) => {
        exchange.onHeaders = resume
        const { origin, pathname, search } = new URL(request.url)
        try {
          dispatcher.dispatch(
            { origin, path: pathname + search, method: "POST", headers: request.headers, body: request.body },
            exchange
          )
        } catch (error) {
          resume(Effect.fail(failureOf(error)))
        }
        return Effect.sync(() => exchange.close())
      })
    )
  })

type Pulled = Effect.Effect<ReadonlyArray<Uint8Array>, TransportFailure | Cause.Done>

/** The state of one exchange: undici writes into it, one reader pulls. */
class Exchange implements Dispatcher.DispatchHandler {
  onHeaders: ((response: Effect.Effect<Response, TransportFailure>) => void) | undefined
  private controller: Dispatcher.DispatchController | undefined
  private chunks: Array<Uint8Array> = []
  private bytes = 0
  private paused = false
  private ended = false
  private closed = false
  private complete = false
  private failure: TransportFailure | undefined
  private waiting: ((pulled: Pulled) => void) | undefined

  readonly pull: Pulled = Effect.suspend((): Pulled => {
    const ready = this.take()
    if (ready !== undefined) return ready
    return Effect.callback<ReadonlyArray<Uint8Array>, TransportFailure | Cause.Done>((resume) => {
      this.waiting = resume
      return Effect.sync(() => {
        this.waiting = undefined
      })
    })
  })

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller
    if (this.closed) controller.abort(closedError)
  }

  onResponseStart(_: Dispatcher.DispatchController, status: number, headers: Record<string, string | string[]>): void {
    if (status < 200) return
    this.onHeaders?.(
      Effect.succeed({
        status,
        headers: flatten(headers),
        pull: this.pull,
        abort: () => this.abort(),
        finished: () => {
          this.complete = true
        }
      })
    )
    this.onHeaders = undefined
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Uint8Array): void {
    this.chunks.push(chunk)
    this.bytes += chunk.byteLength
    if (this.waiting !== undefined) this.wake()
    else if (this.bytes > pauseAboveBytes) {
      this.paused = true
      controller.pause()
    }
  }

  onResponseEnd(): void {
    this.ended = true
    this.wake()
  }

  onResponseError(_: Dispatcher.DispatchController, error: Error): void {
    this.ended = true
    this.failure = failureOf(error)
    this.onHeaders?.(Effect.fail(this.failure))
    this.onHeaders = undefined
    this.wake()
  }

  abort(): void {
    this.failure ??= new TransportFailure("aborted")
    this.close()
    this.wake()
  }

  close(): void {
    if (this.closed) return
    this.closed = true
    if (!this.ended) this.controller?.abort(closedError)
  }

  /** Closes the connection, or reads a complete answer to its end beside what follows. */
  release(): Effect.Effect<void> {
    if (!this.complete || this.ended) return Effect.sync(() => this.close())
    const drain: Effect.Effect<void> = Effect.catch(Effect.forever(this.pull), () => Effect.void)
    return Effect.asVoid(
      Effect.forkDetach(
        Effect.ensuring(
          Effect.timeoutOption(drain, drainMs),
          Effect.sync(() => this.close())
        )
      )
    )
  }

  private wake(): void {
    const waiting = this.waiting
    if (waiting === undefined) return
    this.waiting = undefined
    const ready = this.take()
    if (ready === undefined) this.waiting = waiting
    else waiting(ready)
  }

  private take(): Pulled | undefined {
    if (this.chunks.length > 0) {
      const chunks = this.chunks
      this.chunks = []
      this.bytes = 0
      if (this.paused) {
        // Bytes that undici holds come within this call.
        this.paused = false
        this.controller?.resume()
      }
      return Effect.succeed(chunks)
    }
    if (this.failure !== undefined) return Effect.fail(this.failure)
    return this.ended ? Cause.done() : undefined
  }
}

const closedError = new Error("closed by the caller")

const flatten = (headers: Record<string, string | string[] | undefined>): HttpHeaders => {
  const out: Record<string, string | undefined> = {}
  for (const name in headers) {
    const value = headers[name]
    out[name] = Array.isArray(value) ? value.join(", ") : value
  }
  return out
}

/** The most telling code of an undici or Node error; messages may hold addresses and are left out. */
const failureOf = (error: unknown): TransportFailure => {
  for (let current: unknown = error, depth = 0; depth < 4 && current instanceof Error; depth++) {
    if ("code" in current && typeof current.code === "string") {
      return new TransportFailure(current.code === "UND_ERR_SOCKET" ? "the connection was closed" : current.code)
    }
    current =
      current instanceof AggregateError && current.errors.length > 0 ? (current.errors[0] as unknown) : current.cause
  }
  return new TransportFailure("the connection failed")
}
