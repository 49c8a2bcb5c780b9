import { callAdmin } from "@/features/gateway/admin-client"
import { answer, withSessionFromOwnPage } from "@/features/gateway/respond"

export const DELETE = async (request: Request, context: { params: Promise<{ key: string }> }) => {
  const { key } = await context.params
  return withSessionFromOwnPage(request, (session) =>
    answer(
      session,
      callAdmin(session.token, (client) => client.evictCacheEntry({ params: { key } })),
      request.signal
    )
  )
}
