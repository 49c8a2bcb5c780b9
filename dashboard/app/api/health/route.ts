import { readHealth } from "@/features/settings/read-health"
import { answer, withSession } from "@/features/gateway/respond"

/** What the gateway tells load balancers of itself. */
export const GET = (request: Request) => withSession((session) => answer(session, readHealth, request.signal))
