import { Effect, Stream } from "effect"
import type { Status } from "millrace/admin-api"
import { statusStream } from "@/features/gateway/admin-client"
import { sessionEnded, withSession } from "@/features/gateway/respond"
import { closeSession, findSession } from "@/features/session/store"
import type { Failure } from "@/features/gateway/failure"

const retryEvery = "1 second"

/**
 * The live status as server-sent events: `status` with the gateway's status, `failure` with the reason why there is
 * none. A lost gateway is tried again every second; the stream ends with the session, also by a logout elsewhere, or
 * when the token is refused.
 */
export const GET = (request: Request) =>
  withSession(async (session) => {
    const connection = statusStream(session.token).pipe(
      Stream.map((status) =>
        findSession(session.id) === undefined ? failureEvent(sessionEnded) : statusEvent(status)
      ),
      Stream.catch((error) => {
        if (error.failure.kind === "unauthorized") closeSession(session.id)
        return Stream.succeed(failureEvent(error.failure))
      }),
      Stream.concat(Stream.drain(Stream.fromEffect(Effect.sleep(retryEvery))))
    )
    const events = Stream.forever(connection).pipe(
      Stream.takeUntil((event) => event.last),
      Stream.map((event) => event.text),
      Stream.interruptWhen(Effect.sleep(session.expiresAtMs - Date.now())),
      Stream.interruptWhen(aborted(request.signal)),
      Stream.encodeText
    )
    return new Response(Stream.toReadableStream(events), {
      headers: { "content-type": "text/event-stream; charset=utf-8", "x-accel-buffering": "no" }
    })
  })

interface LiveEvent {
  readonly text: string
  readonly last: boolean
}

const statusEvent = (status: Status): LiveEvent => ({
  text: `event: status\ndata: ${JSON.stringify(status)}\n\n`,
  last: false
})

const failureEvent = (failure: Failure): LiveEvent => ({
  text: `event: failure\ndata: ${JSON.stringify(failure)}\n\n`,
  last: failure.kind === "unauthorized"
})

const aborted = (signal: AbortSignal) =>
  Effect.callback<void>((resume) => {
    const end = () => resume(Effect.void)
    signal.addEventListener("abort", end, { once: true })
    return Effect.sync(() => signal.removeEventListener("abort", end))
  })
