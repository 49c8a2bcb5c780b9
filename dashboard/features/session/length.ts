import "server-only"

const defaultSeconds = 12 * 60 * 60
const mostSeconds = 30 * 24 * 60 * 60

/** How long a session lasts, in seconds: `MILLRACE_SESSION_SECONDS`, 12 hours by default, at most 30 days. */
export const sessionSeconds = (): number => {
  const value = process.env["MILLRACE_SESSION_SECONDS"]
  if (value === undefined || value === "") return defaultSeconds
  const seconds = Number(value)
  if (!Number.isInteger(seconds) || seconds < 1 || seconds > mostSeconds) {
    throw new Error(
      `MILLRACE_SESSION_SECONDS: expected whole seconds from 1 to ${mostSeconds}, got ${JSON.stringify(value)}`
    )
  }
  return seconds
}
