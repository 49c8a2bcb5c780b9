import { Effect } from "effect"
import { ProviderProbe } from "millrace/admin-api"
import { sendAdmin } from "@/features/gateway/admin-client"
import { readBody } from "@/features/gateway/body"
import { answer, withSessionFromOwnPage } from "@/features/gateway/respond"

/** Calls a provider once, with a few tokens. */
export const POST = async (request: Request, context: { params: Promise<{ name: string }> }) => {
  const { name } = await context.params
  return withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      Effect.flatMap(readBody(request), (body) =>
        sendAdmin(session.token, "POST", `/providers/${encodeURIComponent(name)}/probe`, body, ProviderProbe)
      ),
      request.signal
    )
  )
}
