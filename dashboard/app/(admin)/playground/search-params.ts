import { anyText } from "@/lib/url-state"

export const playgroundParams = {
  model: anyText,
  /** A second model, asked at the same time. */
  against: anyText,
  /** The virtual key in whose name calls go. */
  key: anyText,
  /** The request that is to be sent again. */
  replay: anyText
}
