import { callAdmin } from "@/features/gateway/admin-client"
import { answer, withSession } from "@/features/gateway/respond"

/** Where each value of the configuration came from. */
export const GET = (request: Request) =>
  withSession((session) =>
    answer(
      session,
      callAdmin(session.token, (client) => client.configSources({})),
      request.signal
    )
  )
