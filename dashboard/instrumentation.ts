/** Runs once before the first request: a wrong setting ends the server with a message instead of failing every page. */
export const register = async () => {
  if (process.env["NEXT_RUNTIME"] !== "nodejs") return
  const { checkSettings } = await import("@/features/gateway/check-settings")
  checkSettings()
}
