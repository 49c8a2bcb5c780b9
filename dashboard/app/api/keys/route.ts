import { Effect } from "effect"
import { KeysQuery, MadeVirtualKey } from "millrace/admin-api"
import { callAdmin, sendAdmin } from "@/features/gateway/admin-client"
import { readBody } from "@/features/gateway/body"
import { decodeQuery } from "@/features/gateway/query"
import { answer, withSession, withSessionFromOwnPage } from "@/features/gateway/respond"

export const GET = (request: Request) =>
  withSession((session) =>
    answer(
      session,
      Effect.flatMap(decodeQuery(KeysQuery, request.url), (query) =>
        callAdmin(session.token, (client) => client.keys({ query }))
      ),
      request.signal
    )
  )

/** Makes a key; the answer holds its secret, this once. */
export const POST = (request: Request) =>
  withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      Effect.flatMap(readBody(request), (body) => sendAdmin(session.token, "POST", "/keys", body, MadeVirtualKey)),
      request.signal
    )
  )
