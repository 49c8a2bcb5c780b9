/**
 * What a virtual key lets its holder do: its tenant, its models and providers, its limits and budgets.
 *
 * A request that came with a valid key carries its grant; one that came without a key, or from code, has none and may do
 * everything. Patterns are judged here, so that the pipeline, the list of models and the counting of tokens agree. Pure.
 */
import type { Schema } from "effect"
import { PermissionDenied } from "./Errors.ts"

/** Money or tokens for a period; at least one of `usd` and `tokens`. */
export interface KeyBudget {
  readonly usd?: number | undefined
  readonly tokens?: number | undefined
  readonly period: "minute" | "hour" | "day" | "month" | "total"
  /** IANA name; UTC when not given. */
  readonly timeZone?: string | undefined
  /** Shares of the budget, each over 0 and at most 1, at which a warning is given. */
  readonly warnAt?: ReadonlyArray<number> | undefined
}

/** Limits of a key over all providers; undefined where there is none. */
export interface KeyLimits {
  readonly requestsPerMinute: number | undefined
  readonly tokensPerMinute: number | undefined
  /** Calls at the same time. */
  readonly concurrent: number | undefined
  readonly windowMs: number
}

export interface Grant {
  /** `key_…`: public, and what usage is booked on. */
  readonly keyId: string
  readonly name: string
  readonly tenant: string
  /** Patterns of models; undefined for every model. */
  readonly models?: ReadonlyArray<string> | undefined
  /** Names of providers; undefined for every provider. */
  readonly providers?: ReadonlyArray<string> | undefined
  readonly rateLimits?: KeyLimits | undefined
  readonly budgets?: ReadonlyArray<KeyBudget> | undefined
  readonly metadata?: { readonly [name: string]: Schema.Json } | undefined
  /** When the key was changed last, in epoch milliseconds: of two grants of a key the limits of the later one hold. */
  readonly changedAtMs?: number | undefined
}

interface Target {
  readonly provider: string
  readonly model: string
}

/** True when a key is kept to some models or providers. */
export const isNarrowed = ({ models, providers }: Grant): boolean => models !== undefined || providers !== undefined

/**
 * Whether a key may use a target when `asked` was asked for. A pattern with a slash is matched with `provider/model`, one
 * without with the model alone, and one that is the id that was asked for, letter by letter, lets in whatever that leads to.
 * `*` stands for any characters. The provider must be allowed too.
 */
export const allows = (grant: Grant, asked: string | undefined, { model, provider }: Target): boolean => {
  if (grant.providers !== undefined && !grant.providers.includes(provider)) return false
  if (grant.models === undefined) return true
  for (const pattern of grant.models) {
    const text = pattern.includes("/") ? `${provider}/${model}` : model
    if (pattern === asked || pattern === text || (pattern.includes("*") && matches(pattern, text))) return true
  }
  return false
}

/** The candidates that a request's key allows; fails when it allows none of them. */
export const permitted = <A extends Target>(
  { key, model }: { readonly key?: Grant | undefined; readonly model: string | undefined },
  candidates: ReadonlyArray<A>
): ReadonlyArray<A> | PermissionDenied => {
  if (key === undefined || !isNarrowed(key)) return candidates
  const kept = candidates.filter((target) => allows(key, model, target))
  if (kept.length === 0) {
    const asked = model === undefined ? "the default model" : `the model ${JSON.stringify(model.slice(0, 256))}`
    return new PermissionDenied({ detail: `this key may not use ${asked}` })
  }
  return kept.length === candidates.length ? candidates : kept
}

/** The grant for calls that Millrace makes to serve a request: its budgets and nothing that could stop or count them. */
export const ofOwnCalls = (grant: Grant | undefined): Grant | undefined =>
  grant === undefined ? undefined : { ...grant, models: undefined, providers: undefined, rateLimits: undefined }

/** Whether a text is of the form of a pattern in which `*` stands for any characters; linear but for the stars. */
export const matches = (pattern: string, text: string): boolean => {
  let at = 0
  let from = 0
  let star = -1
  let retry = 0
  while (at < text.length) {
    if (from < pattern.length && pattern[from] === "*") {
      star = from++
      retry = at
    } else if (from < pattern.length && pattern[from] === text[at]) {
      from++
      at++
    } else if (star >= 0) {
      from = star + 1
      at = ++retry
    } else return false
  }
  while (pattern[from] === "*") from++
  return from === pattern.length
}
