import { Effect } from "effect"
import { CacheEntriesQuery } from "millrace/admin-api"
import { callAdmin } from "@/features/gateway/admin-client"
import { decodeQuery } from "@/features/gateway/query"
import { answer, withSession } from "@/features/gateway/respond"

export const GET = (request: Request) =>
  withSession((session) =>
    answer(
      session,
      Effect.flatMap(decodeQuery(CacheEntriesQuery, request.url), (query) =>
        callAdmin(session.token, (client) => client.cacheEntries({ query }))
      ),
      request.signal
    )
  )
