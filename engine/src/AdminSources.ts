/**
 * What the admin routes need of the engine beside status and usage: one service, implemented where the engine is built.
 */
import { Context, type Effect } from "effect"
import type { ManualState } from "./Breaker.ts"
import type { CachePurge, CacheStatus, Provider, RedactedConfig } from "./AdminAnswers.ts"
import type { ModelsQuery, PriceList, PricesQuery } from "./AdminPriceAnswers.ts"
import type { CacheFeedback, CacheFeedbackResult, SemanticStatus } from "./AdminSemanticAnswers.ts"

export class AdminSources extends Context.Service<
  AdminSources,
  {
    readonly providers: Effect.Effect<ReadonlyArray<Provider>>
    /** Opens or closes circuits by hand; undefined when no provider has this name. */
    readonly setBreaker: (provider: string, manual: ManualState) => Effect.Effect<Provider | undefined>
    /** Windows and prices of models; undefined when no provider has the name. */
    readonly prices: (query: PricesQuery) => Effect.Effect<PriceList | undefined>
    readonly models: (query: ModelsQuery) => Effect.Effect<PriceList | undefined>
    /** The effective configuration without its secrets. */
    readonly config: Effect.Effect<RedactedConfig>
    readonly cache: Effect.Effect<CacheStatus>
    /** Removes one entry of the cache; false when there is none. */
    readonly evictCacheEntry: (key: string) => Effect.Effect<boolean>
    /** Removes the entries of the cache that match and returns their number. */
    readonly purgeCache: (filter: CachePurge) => Effect.Effect<number>
    /** Whether texts of answers may be shown (`logging.content`). */
    readonly showsContent: boolean
    readonly semanticCache: Effect.Effect<SemanticStatus>
    /** Evicts what was served wrongly; undefined when no such hit is known. */
    /** Pairs of wrong hits, to be kept beside an export of the cache. */
    readonly wrongPairs: Effect.Effect<ReadonlyArray<string>>
    readonly takeWrongPairs: (pairs: ReadonlyArray<string>) => Effect.Effect<number>
    readonly cacheFeedback: (wrong: CacheFeedback) => Effect.Effect<CacheFeedbackResult | undefined>
  }
>()("millrace/AdminSources") {}
