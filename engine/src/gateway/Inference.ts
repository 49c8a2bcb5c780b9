/**
 * One inference request, from its headers to its last byte: the handler behind `POST /v1/chat/completions` and its like.
 *
 * One fiber per request between two raw edges: `node:http` in, the engine's transport out. A caller who disconnects
 * interrupts the fiber, and with it the upstream call; so does the end of a shutdown, and then the caller is told.
 */
import { Context, Effect, Result, Tracer } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Call } from "../Call.ts"
import type { Engine } from "../Engine.ts"
import { type EngineError, InvalidRequest, ShuttingDown } from "../Errors.ts"
import type { Grant } from "../Grant.ts"
import { defaultTenant, type Request } from "../Request.ts"
import { makeRequestId } from "../RequestId.ts"
import { CallerTrace, readTrace } from "../TraceContext.ts"
import { readJson } from "./Body.ts"
import { readHeaders } from "./CallHeaders.ts"
import type { InboundDialect } from "./Dialect.ts"
import { errorOf, logDefect, writeError, writeJson, writeReply } from "./Respond.ts"

export interface InferenceOptions {
  readonly engine: Engine["Service"]
  readonly dialect: InboundDialect
  readonly bodyLimitBytes: number
  /** What the key allows that came with the request; undefined without a valid one. */
  readonly grant?: Grant | undefined
  /** Whether nobody is let in without a key: then a tenant is nobody's to choose. */
  readonly keysRequired?: boolean | undefined
  /** Hears what is refused before it is a call. */
  readonly refused?: ((error: EngineError) => void) | undefined
  /** Counts the prompt instead of answering it. */
  readonly count?: ((request: Request) => Effect.Effect<number, EngineError>) | undefined
}

/** Answers one request; never fails: every failure is written in the caller's dialect. */
export const infer = (
  options: InferenceOptions,
  request: IncomingMessage,
  response: ServerResponse
): Effect.Effect<void> => {
  const { dialect, engine } = options
  const id = makeRequestId()
  let call: Call | undefined
  const answer: Effect.Effect<void, EngineError> = Effect.flatMap(
    readJson(request, options.bodyLimitBytes),
    (body): Effect.Effect<void, EngineError> => {
      const decoded = decode(id, options, body, request)
      if (Result.isFailure(decoded)) return Effect.fail(decoded.failure)
      if (options.count !== undefined) {
        return Effect.map(options.count(decoded.success), (tokens) =>
          writeJson(response, 200, dialect.encodeCount!(tokens), { "x-millrace-request-id": id })
        )
      }
      return Effect.flatMap(engine.call(decoded.success), (made) => {
        call = made
        return Effect.scoped(Effect.flatMap(engine.open(made), (reply) => writeReply(response, dialect, made, reply)))
      })
    }
  )
  return joinTrace(
    request,
    Effect.onInterrupt(
      Effect.catchCause(answer, (cause) => {
        const error = errorOf(cause)
        if (call === undefined && options.count === undefined) options.refused?.(error)
        writeError(response, dialect, error, id, call)
        return logDefect(cause, id)
      }),
      () => Effect.sync(() => writeError(response, dialect, new ShuttingDown({ retryAfterMs: 1000 }), id, call))
    )
  )
}

const decode = (
  id: string,
  { dialect, grant, keysRequired }: InferenceOptions,
  body: { readonly [key: string]: unknown },
  request: IncomingMessage
): Result.Result<Request, EngineError> => {
  const headers = readHeaders(request)
  if (Result.isFailure(headers)) return Result.fail(headers.failure)
  const tenant = tenantOf(headers.success.tenant, grant, keysRequired === true, request)
  if (Result.isFailure(tenant)) return Result.fail(tenant.failure)
  const decoded = dialect.decode(body, tenant.success)
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  return Result.succeed({
    id,
    provider: undefined,
    providerOptions: undefined,
    embed: undefined,
    ...decoded.success,
    ...headers.success,
    tenant: tenant.success,
    key: grant,
    wire: withHeaders(decoded.success.wire, dialect, request)
  })
}

/** Who pays: the key's tenant, or the one that the caller names where keys are not required and the key has none of its own. */
const tenantOf = (
  named: string,
  grant: Grant | undefined,
  keysRequired: boolean,
  request: IncomingMessage
): Result.Result<string, InvalidRequest> => {
  const own = grant === undefined || grant.tenant === defaultTenant ? undefined : grant.tenant
  if (request.headers[tenantHeader] === undefined) return Result.succeed(own ?? named)
  if (keysRequired) {
    return Result.fail(new InvalidRequest({ field: tenantHeader, detail: "the tenant is the key's, leave it out" }))
  }
  return own === undefined || own === named
    ? Result.succeed(named)
    : Result.fail(new InvalidRequest({ field: tenantHeader, detail: "the key is of another tenant" }))
}

const tenantHeader = "x-millrace-tenant"

/** The body with the headers that belong to it. */
const withHeaders = (
  wire: Request["wire"],
  { headers: names = [] }: InboundDialect,
  request: IncomingMessage
): Request["wire"] => {
  if (wire === undefined || names.length === 0) return wire
  const headers: { [name: string]: string } = {}
  for (const name of names) {
    const value = request.headers[name]
    if (typeof value === "string") headers[name] = value
  }
  return Object.keys(headers).length === 0 ? wire : { ...wire, headers }
}

/** Spans of the request are children of the caller's, when a valid W3C `traceparent` names one. */
const joinTrace = <A, E, R>(request: IncomingMessage, effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> => {
  const { traceparent, tracestate } = request.headers
  if (traceparent === undefined) return effect
  const trace = readTrace(traceparent, tracestate)
  if (trace === undefined) return effect
  const { sampled, spanId, traceId } = trace
  const annotations = Context.make(CallerTrace, trace)
  const parent = Tracer.externalSpan({ traceId, spanId, sampled, annotations })
  return Effect.withParentSpan(effect, parent) as Effect.Effect<A, E, R>
}
