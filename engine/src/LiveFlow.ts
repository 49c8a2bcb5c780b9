/**
 * Circuits, retries and flights as the configuration asks for them: over all instances of one Redis, or in this process alone.
 */
import { Effect, Layer } from "effect"
import { Breaker } from "./Breaker.ts"
import { Cache } from "./Cache.ts"
import type { EngineConfig } from "./Config.ts"
import { Shared } from "./LiveShared.ts"
import { Retry } from "./Retry.ts"
import * as SharedFlights from "./SharedFlights.ts"
import { SingleFlight } from "./SingleFlight.ts"
import * as BreakerRedis from "./stores/BreakerRedis.ts"
import { Tokenizer } from "./Tokenizer.ts"

export const breakerLayer = ({ breaker }: EngineConfig): Layer.Layer<Breaker, never, Shared> =>
  Layer.unwrap(
    Effect.map(Shared, ({ beat, link }) =>
      Breaker.layer({
        ...breaker,
        shared: link === undefined || beat === undefined ? undefined : { store: BreakerRedis.make(link), beat }
      })
    )
  )

export const retryLayer = ({ retry }: EngineConfig): Layer.Layer<Retry, never, Shared> =>
  Layer.unwrap(Effect.map(Shared, ({ beat }) => Retry.layer({ ...retry, shared: beat })))

export const flightsLayer = ({ cache }: EngineConfig): Layer.Layer<SingleFlight, never, Cache | Shared | Tokenizer> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { estimateAnswer } = yield* Tokenizer
      const { link } = yield* Shared
      const { shared: entries } = yield* Cache
      const shared =
        link === undefined || !cache.coalesce ? undefined : yield* SharedFlights.make({ link, cache: entries })
      return SingleFlight.layer({ enabled: cache.coalesce, estimateTokens: estimateAnswer, shared })
    })
  )
