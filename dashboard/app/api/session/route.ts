import { Cause, Effect, Exit } from "effect"
import { callAdmin, GatewayFailed } from "@/features/gateway/admin-client"
import { clearedCookie, failed } from "@/features/gateway/respond"
import { sessionCookie } from "@/features/session/cookie"
import { currentSession, isSameOrigin } from "@/features/session/guard"
import { sessionSeconds } from "@/features/session/length"
import { closeSession, openSession } from "@/features/session/store"

const maxTokenLength = 1024

const foreign = () =>
  Response.json({ kind: "rejected", message: "The request came from another site." }, { status: 403 })

/** Login: `{ token }` is tried at the gateway; a session is opened only when it is accepted there. */
export const POST = async (request: Request) => {
  if (!isSameOrigin(request)) return foreign()
  const body: unknown = await request.json().catch(() => null)
  const token = typeof body === "object" && body !== null && "token" in body ? body.token : undefined
  if (typeof token !== "string" || !/^[\x21-\x7e]+$/.test(token) || token.length > maxTokenLength) {
    return failed({ kind: "rejected", message: "Enter the admin token: printable characters without spaces." })
  }
  const exit = await Effect.runPromiseExit(
    callAdmin(token, (client) => client.status({}), "10 seconds"),
    { signal: request.signal }
  )
  if (Exit.isFailure(exit)) {
    const error = Cause.squash(exit.cause)
    if (error instanceof GatewayFailed) return failed(error.failure)
    throw error
  }
  const earlier = await currentSession()
  if (earlier !== undefined) closeSession(earlier.id)
  const session = openSession(token)
  const secure = new URL(request.url).protocol === "https:" || request.headers.get("x-forwarded-proto") === "https"
  return new Response(null, {
    status: 204,
    headers: {
      "set-cookie": `${sessionCookie}=${session.id}; Path=/; HttpOnly; SameSite=Strict; Max-Age=${sessionSeconds()}${secure ? "; Secure" : ""}`
    }
  })
}

/** Logout. */
export const DELETE = async (request: Request) => {
  if (!isSameOrigin(request)) return foreign()
  const session = await currentSession()
  if (session !== undefined) closeSession(session.id)
  return new Response(null, { status: 204, headers: { "set-cookie": clearedCookie } })
}
