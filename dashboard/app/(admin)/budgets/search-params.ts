import { anyText, oneOf } from "@/lib/url-state"

export const budgetScopes = ["global", "tenant", "key", "model", "provider"] as const

export const budgetParams = {
  scope: oneOf(budgetScopes, null),
  /** Name in the configuration. */
  budget: anyText,
  /** A tenant, a key's id, a model or a provider. */
  of: anyText
}
