/**
 * The ways in which the cache can take part in a request.
 */
import type { CacheKind } from "./AdminAnswers.ts"

/** True when the answer came from the cache or from another request's upstream call. */
export const servedByCache = (cache: CacheKind): boolean =>
  cache === "hit" || cache === "semantic" || cache === "coalesced"
