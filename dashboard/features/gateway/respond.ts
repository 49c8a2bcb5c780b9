/** Answers of the dashboard's own routes: JSON, never kept in a cache, failures with the status of their kind. */
import "server-only"
import { Cause, Effect, Exit } from "effect"
import { sessionCookie } from "@/features/session/cookie"
import { currentSession, isSameOrigin } from "@/features/session/guard"
import { closeSession, type Session } from "@/features/session/store"
import { GatewayFailed } from "./admin-client"
import { statusOf, type Failure } from "./failure"

export const failed = (failure: Failure, headers?: HeadersInit): Response =>
  Response.json(failure, { status: statusOf[failure.kind], ...(headers === undefined ? {} : { headers }) })

export const sessionEnded: Failure = { kind: "unauthorized", message: "The session has ended. Log in again." }

export const clearedCookie = `${sessionCookie}=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0`

/** Serves a request of a logged-in browser; without a session the answer is 401. */
export const withSession = async (serve: (session: Session) => Promise<Response>): Promise<Response> => {
  const session = await currentSession()
  return session === undefined ? failed(sessionEnded, { "set-cookie": clearedCookie }) : serve(session)
}

/** As `withSession`, for requests that change something: they must come from our own page. */
export const withSessionFromOwnPage = async (
  request: Request,
  serve: (session: Session) => Promise<Response>
): Promise<Response> =>
  isSameOrigin(request)
    ? withSession(serve)
    : Response.json({ kind: "rejected", message: "The request came from another site." } satisfies Failure, {
        status: 403
      })

/** Runs an effect for a session and answers with its value as JSON. A refused token ends the session. */
export const answer = async <A>(
  session: Session,
  effect: Effect.Effect<A, GatewayFailed>,
  signal: AbortSignal
): Promise<Response> => {
  const exit = await Effect.runPromiseExit(effect, { signal })
  if (Exit.isSuccess(exit)) return Response.json(exit.value)
  const error = Cause.squash(exit.cause)
  if (!(error instanceof GatewayFailed)) throw error
  if (error.failure.kind !== "unauthorized") return failed(error.failure)
  closeSession(session.id)
  return failed(error.failure, { "set-cookie": clearedCookie })
}
