import { Effect } from "effect"
import { MadeVirtualKey } from "millrace/admin-api"
import { sendAdmin } from "@/features/gateway/admin-client"
import { readBody } from "@/features/gateway/body"
import { answer, withSessionFromOwnPage } from "@/features/gateway/respond"

/** Gives a key a new secret; the answer holds it, this once. */
export const POST = async (request: Request, context: { readonly params: Promise<{ readonly id: string }> }) => {
  const { id } = await context.params
  return withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      Effect.flatMap(readBody(request), (body) =>
        sendAdmin(session.token, "POST", `/keys/${encodeURIComponent(id)}/rotate`, body, MadeVirtualKey)
      ),
      request.signal
    )
  )
}
