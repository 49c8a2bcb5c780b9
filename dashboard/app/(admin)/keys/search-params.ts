import { anyText, oneOf } from "@/lib/url-state"

export const keyParams = {
  /** A part of the name. */
  name: anyText,
  tenant: anyText,
  /** The key that is open beside the list. */
  id: anyText,
  create: oneOf(["1"], null)
}
