/**
 * The words of `storage.redis`: `redis://user:password@host:port/database`, or `rediss://` over TLS.
 */

/** Whether it is a URL that can be used: nothing follows the database, and what a password has of `/`, `#` and `?` is escaped. */
export const isRedisUrl = (text: string): boolean => {
  if (!/^rediss?:\/\/./.test(text) || !URL.canParse(text)) return false
  const { hash, hostname, pathname, search } = new URL(text)
  return hostname !== "" && /^\/?\d*$/.test(pathname) && search === "" && hash === ""
}

/** The words of a failure, without what a client may quote of the URL. */
export const redisReason = (error: unknown, url: string): string => {
  const text = wordsOf(error)
  if (!URL.canParse(url)) return text
  const { password } = new URL(url)
  const secrets = [url, password, decoded(password)].filter((secret) => secret !== "")
  return secrets.reduce((out, secret) => out.replaceAll(secret, "<redacted>"), text)
}

/** A connection that was refused under several addresses fails with all of them and no words of its own. */
const wordsOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.message === "") return wordsOf(error.errors[0])
  return error instanceof Error ? error.message : String(error)
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
