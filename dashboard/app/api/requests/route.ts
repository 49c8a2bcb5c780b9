import { Effect } from "effect"
import { RequestQuery } from "millrace/admin-api"
import { callAdmin } from "@/features/gateway/admin-client"
import { decodeQuery } from "@/features/gateway/query"
import { answer, withSession } from "@/features/gateway/respond"

export const GET = (request: Request) =>
  withSession((session) =>
    answer(
      session,
      Effect.flatMap(decodeQuery(RequestQuery, request.url), (query) =>
        callAdmin(session.token, (client) => client.requests({ query }))
      ),
      request.signal
    )
  )
