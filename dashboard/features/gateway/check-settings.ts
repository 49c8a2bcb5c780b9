import { sessionSeconds } from "@/features/session/length"
import { gatewayUrl } from "./address"

/** Ends the process when the gateway's address, or the length of sessions, makes no sense. */
export const checkSettings = (): void => {
  try {
    gatewayUrl()
    sessionSeconds()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
