import { Effect } from "effect"
import { ErrorsQuery } from "millrace/admin-api"
import { callAdmin } from "@/features/gateway/admin-client"
import { decodeQuery } from "@/features/gateway/query"
import { answer, withSession } from "@/features/gateway/respond"

export const GET = (request: Request) =>
  withSession((session) =>
    answer(
      session,
      Effect.flatMap(decodeQuery(ErrorsQuery, request.url), (query) =>
        callAdmin(session.token, (client) => client.errors({ query }))
      ),
      request.signal
    )
  )
