/**
 * Sessions of the dashboard, in the memory of its server: a random id for the browser, the admin token for the server.
 *
 * The token never leaves this process except towards the gateway. A restart ends every session, and so does the token
 * being refused by the gateway. The map is kept on `globalThis`, since routes and pages are bundled apart.
 */
import "server-only"
import { randomBytes } from "node:crypto"
import { sessionSeconds } from "./length"

export interface Session {
  readonly id: string
  readonly token: string
  readonly expiresAtMs: number
}

const maxSessions = 1000

const shared = globalThis as { __millraceSessions?: Map<string, Session> }
const sessions = (shared.__millraceSessions ??= new Map<string, Session>())

/** Opens a session for a token that the gateway has accepted. Beyond 1,000 sessions the oldest one ends. */
export const openSession = (token: string): Session => {
  const now = Date.now()
  for (const [id, session] of sessions) if (session.expiresAtMs <= now) sessions.delete(id)
  if (sessions.size >= maxSessions) sessions.delete(sessions.keys().next().value!)
  const session = { id: randomBytes(32).toString("base64url"), token, expiresAtMs: now + sessionSeconds() * 1000 }
  sessions.set(session.id, session)
  return session
}

/** The session of an id, unless it has expired or was closed. */
export const findSession = (id: string | undefined): Session | undefined => {
  const session = id === undefined ? undefined : sessions.get(id)
  return session !== undefined && session.expiresAtMs > Date.now() ? session : undefined
}

export const closeSession = (id: string): void => {
  sessions.delete(id)
}
