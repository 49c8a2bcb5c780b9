import { Effect } from "effect"
import { CacheExplanation } from "millrace/admin-api"
import { sendAdmin } from "@/features/gateway/admin-client"
import { readBody } from "@/features/gateway/body"
import { answer, withSessionFromOwnPage } from "@/features/gateway/respond"

export const POST = (request: Request) =>
  withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      Effect.flatMap(readBody(request), (body) =>
        sendAdmin(session.token, "POST", "/cache/explain", body, CacheExplanation)
      ),
      request.signal
    )
  )
