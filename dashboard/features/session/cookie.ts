/** The name of the cookie that carries the opaque session id. */
export const sessionCookie = "millrace_session"

/** The header in which the proxy tells a page its own address, so that a login can lead back to it. */
export const addressHeader = "x-millrace-address"
