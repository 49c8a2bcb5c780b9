import { gatewayUrl } from "./address"

/** Ends the process when the gateway's address makes no sense. */
export const checkAddress = (): void => {
  try {
    gatewayUrl()
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exit(1)
  }
}
