import { gatewayUrl } from "@/features/gateway/address"
import { clearedCookie, failed, sessionEnded, withSessionFromOwnPage } from "@/features/gateway/respond"
import { closeSession } from "@/features/session/store"

const maxBodyBytes = 1_000_000

/**
 * Sends a chat completion by the gateway's playground, in the name of the virtual key that `?keyId=` names or of none, and
 * hands on status, body and the headers that say what the stages did. Leaving the page aborts the call.
 */
export const POST = (request: Request) =>
  withSessionFromOwnPage(request, async (session) => {
    const body = await request.arrayBuffer()
    if (body.byteLength > maxBodyBytes) {
      return failed({ kind: "rejected", message: `The playground sends up to ${maxBodyBytes / 1e6} MB.` })
    }
    const headers = new Headers({ "content-type": "application/json", authorization: `Bearer ${session.token}` })
    const cache = request.headers.get("x-millrace-cache")
    if (cache !== null) headers.set("x-millrace-cache", cache)
    const keyId = new URL(request.url).searchParams.get("keyId")
    const query = keyId === null ? "" : `?${new URLSearchParams({ keyId })}`
    try {
      const response = await fetch(`${gatewayUrl()}/admin/api/playground/chat/completions${query}`, {
        method: "POST",
        headers,
        body,
        cache: "no-store",
        redirect: "error",
        signal: request.signal
      })
      if (response.status === 401) {
        closeSession(session.id)
        return failed(sessionEnded, { "set-cookie": clearedCookie })
      }
      return new Response(response.body, { status: response.status, headers: handedOn(response.headers) })
    } catch (error) {
      if (request.signal.aborted) return new Response(null, { status: 499 })
      if (!(error instanceof TypeError)) throw error
      return failed({ kind: "unreachable", message: `Nothing answers at ${gatewayUrl()}. Is the gateway running?` })
    }
  })

const handedOn = (headers: Headers): Headers => {
  const kept = new Headers()
  for (const [name, value] of headers) {
    if (name === "content-type" || name === "retry-after" || /^x-(millrace|ratelimit)-/.test(name))
      kept.set(name, value)
  }
  return kept
}
