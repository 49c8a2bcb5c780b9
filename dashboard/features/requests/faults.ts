/** Whose fault a failure is, and what can be done about it, in words for an operator. */
import type { RequestDetail } from "millrace/admin-api"

export const faults = ["caller", "policy", "provider", "engine"] as const

export type Fault = NonNullable<RequestDetail["fault"]>

export const faultSentences: Record<Fault, string> = {
  caller: "The request is wrong",
  policy: "A limit of this gateway said no",
  provider: "The provider failed",
  engine: "Millrace failed"
}

/** What to do, and the page where that is done. */
export interface Fix {
  readonly text: string
  readonly href?: string
}

const providers = { href: "/providers" }

/** By the name of the error, as the errors of OpenAI's dialect spell it. */
const fixes: Readonly<Record<string, Fix>> = {
  model_not_found: { text: "Choose a model that the gateway offers, or add it to a provider.", href: "/settings" },
  context_length_exceeded: { text: "Shorten the messages, or choose a model with a larger window." },
  content_filter: { text: "The provider's filter has stopped this: change the messages, or choose another provider." },
  unsupported_ability: { text: "Choose a model that can do what the request asks for." },
  permission_denied: { text: "The key may not use this model: change the key, or choose another one.", href: "/keys" },
  authentication_failed: { text: "Send a valid key.", href: "/keys" },
  keys_unavailable: { text: "The keys could not be read yet: look at the database.", href: "/settings" },
  budget_exceeded: { text: "Raise the budget, or wait for its next period.", href: "/budgets" },
  queue_full: { text: "Too many wait already: see who, and raise the limits or the queue.", href: "/live" },
  deadline_exceeded: { text: "Give the request more time, or see where it waited.", href: "/live" },
  cache_only_miss: { text: "The cache has no answer: choose another cache mode." },
  circuit_open: { text: "The circuit is open after failures: wait for the probe, or close it by hand.", ...providers },
  provider_auth_failed: { text: "The provider refuses its key: replace it in the configuration.", href: "/settings" },
  provider_rate_limited: { text: "The provider's own limit is reached: wait, or add a fallback.", ...providers },
  provider_quota_exceeded: { text: "The account at the provider has nothing left: top it up.", ...providers },
  provider_timeout: { text: "It took longer than the provider's timeout: see how slow it is now.", ...providers },
  provider_unreachable: { text: "Nothing answers at the provider's address: check its base URL.", href: "/settings" },
  stream_truncated: { text: "The answer broke off: send it again, or choose another provider.", ...providers },
  stream_stalled: { text: "The answer stopped coming: send it again, or choose another provider.", ...providers },
  shutting_down: { text: "The gateway is stopping: send it again in a moment." }
}

const fixByFault: Record<Fault, Fix> = {
  caller: { text: "Change what the message names, then send it again." },
  policy: { text: "Raise the limit that the message names, or wait.", href: "/live" },
  provider: { text: "Send it again, choose another provider, or see how this one is doing.", href: "/providers" },
  engine: { text: "The log of the gateway says why; the id of the request leads to it." }
}

/** OpenAI's words that stand for several errors. */
const shared: Readonly<Record<string, Readonly<Partial<Record<Fault, string>>>>> = {
  rate_limit_exceeded: { provider: "provider_rate_limited" },
  insufficient_quota: { policy: "budget_exceeded", provider: "provider_quota_exceeded" },
  invalid_api_key: { caller: "authentication_failed", policy: "authentication_failed" }
}

/** What to do about a failure, by its code or the name of its error. */
export const fixOf = (code: string | null, fault: Fault | null): Fix | null => {
  const name = code?.replaceAll(/(?<!^)([A-Z])/g, "_$1").toLowerCase() ?? ""
  const own = fault === null ? name : (shared[name]?.[fault] ?? name)
  return fixes[own] ?? (fault === null ? null : fixByFault[fault])
}

export const isFault = (text: string | null): text is Fault => text !== null && Object.hasOwn(faultSentences, text)
