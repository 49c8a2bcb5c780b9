import { Effect } from "effect"
import { Provider } from "millrace/admin-api"
import { sendAdmin } from "@/features/gateway/admin-client"
import { readBody } from "@/features/gateway/body"
import { answer, withSessionFromOwnPage } from "@/features/gateway/respond"

export const POST = async (request: Request, context: { params: Promise<{ name: string }> }) => {
  const { name } = await context.params
  return withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      Effect.flatMap(readBody(request), (body) =>
        sendAdmin(session.token, "POST", `/providers/${encodeURIComponent(name)}/breaker`, body, Provider)
      ),
      request.signal
    )
  )
}
