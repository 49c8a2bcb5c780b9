import { callAdmin } from "@/features/gateway/admin-client"
import { answer, withSessionFromOwnPage } from "@/features/gateway/respond"

/** Puts in force what the gateway's configuration file says now. */
export const POST = (request: Request) =>
  withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      callAdmin(session.token, (client) => client.reloadConfig({})),
      request.signal
    )
  )
