import { callAdmin } from "@/features/gateway/admin-client"
import { answer, withSession } from "@/features/gateway/respond"

export const GET = (request: Request) =>
  withSession((session) =>
    answer(
      session,
      callAdmin(session.token, (client) => client.semanticCache({})),
      request.signal
    )
  )
