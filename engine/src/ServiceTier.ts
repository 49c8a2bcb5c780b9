/**
 * The service tier of an answer: `flex`, `priority`, `batch` and the like, which are billed at prices of their own.
 *
 * Providers say in each answer which tier served it, whatever was asked for. Where an answer says nothing, the tier that
 * the request asked for is taken, so that it is never priced as if it had been an ordinary one. The ordinary tier has
 * many names and is `undefined` here.
 */
import { Predicate } from "effect"
import type { Dialect } from "./Reply.ts"
import type { Request } from "./Request.ts"
import type { Usage } from "./Usage.ts"

const ordinary: ReadonlySet<string> = new Set([
  "",
  "auto",
  "default",
  "on_demand",
  "service_tier_unspecified",
  "standard",
  "standard_only",
  "traffic_type_unspecified",
  "unspecified"
])

/** The name of a tier as prices know it: `ON_DEMAND_FLEX` is `flex`; undefined for the ordinary one. */
export const serviceTierOf = (stated: string): string | undefined => {
  const name = stated.trim().toLowerCase()
  if (ordinary.has(name)) return undefined
  return /^[a-z0-9_-]{1,32}$/.test(name) ? name.replace(/^(on_demand|service_tier)_(?=.)/, "") : "other"
}

/** The tier of an answer that states one, else the one that was asked for. */
export const answeredTier = (stated: unknown, asked: string | undefined): string | undefined =>
  Predicate.isString(stated) && stated !== "" ? serviceTierOf(stated) : asked

/**
 * The tier that a request asks of a provider that speaks a dialect; undefined where that is the ordinary one. The body of a
 * request that came in another dialect doesn't reach it.
 */
export const askedTier = ({ providerOptions, wire }: Request, dialect: Dialect | undefined): string | undefined => {
  if (providerOptions === undefined && wire === undefined) return undefined
  const asked = tierIn(providerOptions) ?? (wire?.dialect === dialect ? tierIn(wire?.body) : undefined)
  return asked === undefined ? undefined : serviceTierOf(asked)
}

/** The usage of an answer that broke off before it named its tier, with the tier that was asked for. */
export const withAskedTier = (usage: Usage, request: Request): Usage => {
  if (!usage.estimated || usage.detail !== undefined) return usage
  const serviceTier = askedTier(request, request.wire?.dialect)
  return serviceTier === undefined ? usage : { ...usage, detail: { serviceTier } }
}

const tierIn = (body: { readonly [key: string]: unknown } | undefined): string | undefined => {
  const tier = body?.["service_tier"] ?? body?.["serviceTier"]
  return Predicate.isString(tier) ? tier : undefined
}
