import "server-only"

/** Where the gateway is: `MILLRACE_URL`, by default http://127.0.0.1:4000. Without a slash at the end. */
export const gatewayUrl = (): string => {
  const value = process.env["MILLRACE_URL"] ?? "http://127.0.0.1:4000"
  if (!/^https?:$/.test(URL.canParse(value) ? new URL(value).protocol : "")) {
    throw new Error(`MILLRACE_URL: expected an http or https URL, got ${JSON.stringify(value)}`)
  }
  return value.replace(/\/+$/, "")
}
