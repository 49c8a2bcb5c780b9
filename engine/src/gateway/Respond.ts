/**
 * Writes replies and errors to a socket.
 *
 * Status and headers go out with the first part, so a failure before it has its real status. A stream is written as it
 * comes, one write for what came together, and waits when the socket is full. Nothing is written after a failure in the
 * stream but the dialect's own error event.
 */
import { Cause, Effect, Stream } from "effect"
import type { OutgoingHttpHeaders, ServerResponse } from "node:http"
import type { Call } from "../Call.ts"
import { internalError } from "../Attempt.ts"
import { Cancelled, type EngineError, ShuttingDown } from "../Errors.ts"
import { retryAfterSeconds } from "../Fallback.ts"
import * as Reply from "../Reply.ts"
import { defectFields, logOf } from "../Log.ts"
import { lossesOf } from "./AnswerLosses.ts"
import { answerHeaders } from "./CallHeaders.ts"
import type { InboundDialect, StreamEncoder } from "./Dialect.ts"

/** Writes a reply in the way the caller asked for. */
export const writeReply = (
  response: ServerResponse,
  dialect: InboundDialect,
  call: Call,
  reply: Reply.Reply
): Effect.Effect<void, EngineError> => {
  if (call.request.stream && dialect.encodeStream !== undefined)
    return writeStream(response, dialect.encodeStream(call), call, Reply.stream(reply))
  return Effect.map(Reply.collect(reply), (completion) => {
    const lost = lossesOf(dialect.dialect, completion)
    writeJson(response, 200, dialect.encodeWhole(call, completion), answerHeaders(call, {}, lost))
  })
}

export const writeJson = (
  response: ServerResponse,
  status: number,
  body: string,
  headers: OutgoingHttpHeaders = {}
): void => {
  if (response.headersSent || response.destroyed) return
  headers["content-type"] = "application/json"
  headers["content-length"] = Buffer.byteLength(body)
  response.writeHead(status, headers)
  response.end(body)
}

/** Writes an error in the caller's dialect; does nothing when the answer has begun. */
export const writeError = (
  response: ServerResponse,
  dialect: Pick<InboundDialect, "encodeError">,
  error: EngineError,
  requestId: string,
  call: Call | undefined
): void => {
  const headers: OutgoingHttpHeaders =
    call === undefined ? { "x-millrace-request-id": requestId } : answerHeaders(call, {})
  headers["x-millrace-fault"] = error.fault
  if (error.status === 429 || error.status >= 500) {
    const retryAfter = retryAfterSeconds(error) ?? (error.retryable && error.status === 429 ? 1 : undefined)
    if (retryAfter !== undefined) headers["retry-after"] = String(retryAfter)
    // The SDKs of OpenAI and Anthropic retry what looks like a fault of the server, unless they are told not to.
    if (!error.retryable) headers["x-should-retry"] = "false"
  }
  writeJson(response, error.status, dialect.encodeError(error, requestId), headers)
}

const writeStream = (
  response: ServerResponse,
  encoder: StreamEncoder,
  call: Call,
  parts: Reply.Parts
): Effect.Effect<void> => {
  response.writeHead(
    200,
    answerHeaders(call, {
      "content-type": encoder.contentType ?? "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no"
    })
  )
  const end = (text: string) => {
    if (!response.destroyed) response.end(text)
  }
  return Effect.onInterrupt(
    Effect.matchCauseEffect(
      Stream.runForEachArray(parts, (chunk) => {
        let text = ""
        for (const part of chunk) text += encoder.part(part)
        return text === "" || response.write(text) ? Effect.void : drained(response)
      }),
      {
        onSuccess: () => Effect.sync(() => end(encoder.end())),
        onFailure: (cause) => {
          end(encoder.error(errorOf(cause)))
          return logDefect(cause, call.request.id)
        }
      }
    ),
    () => Effect.sync(() => end(encoder.error(new ShuttingDown({}))))
  )
}

/** How long a caller may leave its stream unread before the connection is closed. */
const unreadMs = 300_000

const drained = (response: ServerResponse): Effect.Effect<void> =>
  Effect.timeoutOrElse(
    Effect.callback<void>((resume) => {
      const go = () => resume(Effect.void)
      if (!response.writableNeedDrain) return go()
      response.once("drain", go)
      return Effect.sync(() => void response.off("drain", go))
    }),
    { duration: unreadMs, orElse: () => Effect.sync(() => void response.destroy()) }
  )

/** The failure of a cause; a defect is an internal error, an interruption a cancellation. */
export const errorOf = (cause: Cause.Cause<EngineError>): EngineError => {
  const failure = cause.reasons.find(Cause.isFailReason)
  if (failure !== undefined) return failure.error
  const defect = cause.reasons.find(Cause.isDieReason)
  return defect === undefined ? new Cancelled() : internalError(defect.defect)
}

const log = logOf("Gateway")

/** Logs what went wrong in the gateway itself; failures of calls are logged with their settlement. */
export const logDefect = (cause: Cause.Cause<EngineError>, requestId: string): Effect.Effect<void> => {
  const defect = cause.reasons.find(Cause.isDieReason)
  if (defect === undefined) return Effect.void
  return log.error("answer failed", { requestId, ...defectFields(defect.defect) })
}
