/**
 * One inference request, from its headers to its last byte: the handler behind `POST /v1/chat/completions` and its like.
 *
 * One fiber per request between two raw edges: `node:http` in, the engine's transport out. A caller who disconnects
 * interrupts the fiber, and with it the upstream call.
 */
import { Effect, Result } from "effect"
import type { IncomingMessage, ServerResponse } from "node:http"
import type { Call } from "../Call.ts"
import type { Engine } from "../Engine.ts"
import type { EngineError } from "../Errors.ts"
import type { Request } from "../Request.ts"
import { makeRequestId } from "../RequestId.ts"
import { readJson } from "./Body.ts"
import { readHeaders } from "./CallHeaders.ts"
import type { InboundDialect } from "./Dialect.ts"
import { errorOf, writeError, writeReply } from "./Respond.ts"

export interface InferenceOptions {
  readonly engine: Engine["Service"]
  readonly dialect: InboundDialect
  readonly bodyLimitBytes: number
}

/** Answers one request; never fails: every failure is written in the caller's dialect. */
export const infer = (
  options: InferenceOptions,
  request: IncomingMessage,
  response: ServerResponse
): Effect.Effect<void> => {
  const { dialect, engine } = options
  let call: Call | undefined
  const answer: Effect.Effect<void, EngineError> = Effect.flatMap(
    readJson(request, options.bodyLimitBytes),
    (body): Effect.Effect<void, EngineError> => {
      const decoded = decode(dialect, body, request)
      if (Result.isFailure(decoded)) return Effect.fail(decoded.failure)
      return Effect.flatMap(engine.call(decoded.success), (made) => {
        call = made
        return Effect.scoped(Effect.flatMap(engine.open(made), (reply) => writeReply(response, dialect, made, reply)))
      })
    }
  )
  return Effect.catchCause(answer, (cause) => Effect.sync(() => writeError(response, dialect, errorOf(cause), call)))
}

const decode = (
  dialect: InboundDialect,
  body: { readonly [key: string]: unknown },
  request: IncomingMessage
): Result.Result<Request, EngineError> => {
  const headers = readHeaders(request.headers)
  if (Result.isFailure(headers)) return Result.fail(headers.failure)
  const decoded = dialect.decode(body)
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  return Result.succeed({
    id: makeRequestId(),
    provider: undefined,
    cacheSemantic: undefined,
    providerOptions: undefined,
    ...decoded.success,
    ...headers.success
  })
}
