import { callAdmin } from "@/features/gateway/admin-client"
import { answer, withSession } from "@/features/gateway/respond"

export const GET = async (request: Request, context: { params: Promise<{ id: string }> }) => {
  const { id } = await context.params
  return withSession((session) =>
    answer(
      session,
      callAdmin(session.token, (client) => client.cacheLookup({ params: { id }, query: {} })),
      request.signal
    )
  )
}
