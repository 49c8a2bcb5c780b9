/**
 * Who may read and who may change something: the session of a request, and the proof that our own page sent it.
 */
import "server-only"
import { cookies, headers } from "next/headers"
import { redirect } from "next/navigation"
import { addressHeader, sessionCookie } from "./cookie"
import { findSession, type Session } from "./store"

/** The session of the request that is being served. */
export const currentSession = async (): Promise<Session | undefined> =>
  findSession((await cookies()).get(sessionCookie)?.value)

/** The session, or a redirect to the login. For pages and layouts. */
export const requireSession = async (): Promise<Session> => (await currentSession()) ?? (await sessionHasEnded())

/** To the login, and from there back to the page that was wanted. */
export const sessionHasEnded = async (): Promise<never> => {
  const address = (await headers()).get(addressHeader)
  redirect(`/login?ended=1${address === null ? "" : `&next=${encodeURIComponent(address)}`}`)
}

/**
 * True when a page of this very origin sent the request. Browsers say so in `Sec-Fetch-Site`, older ones in `Origin`;
 * without either it is not believed.
 */
export const isSameOrigin = (request: Request): boolean => {
  const site = request.headers.get("sec-fetch-site")
  if (site !== null) return site === "same-origin"
  const origin = request.headers.get("origin")
  return origin !== null && URL.canParse(origin) && new URL(origin).host === request.headers.get("host")
}
