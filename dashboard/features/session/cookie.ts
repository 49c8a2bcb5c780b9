/** The name of the cookie that carries the opaque session id. */
export const sessionCookie = "millrace_session"

/** How long a session lasts, in seconds. */
export const sessionSeconds = 12 * 60 * 60
