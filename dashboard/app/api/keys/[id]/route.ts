import { Effect } from "effect"
import { VirtualKey } from "millrace/admin-api"
import { callAdmin, sendAdmin } from "@/features/gateway/admin-client"
import { readBody } from "@/features/gateway/body"
import { answer, withSession, withSessionFromOwnPage } from "@/features/gateway/respond"

interface Context {
  readonly params: Promise<{ readonly id: string }>
}

export const GET = async (request: Request, context: Context) => {
  const params = await context.params
  return withSession((session) =>
    answer(
      session,
      callAdmin(session.token, (client) => client.key({ params })),
      request.signal
    )
  )
}

export const PATCH = async (request: Request, context: Context) => {
  const { id } = await context.params
  return withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      Effect.flatMap(readBody(request), (body) =>
        sendAdmin(session.token, "PATCH", `/keys/${encodeURIComponent(id)}`, body, VirtualKey)
      ),
      request.signal
    )
  )
}

export const DELETE = async (request: Request, context: Context) => {
  const params = await context.params
  return withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      callAdmin(session.token, (client) => client.deleteKey({ params })),
      request.signal
    )
  )
}
