/**
 * Effect's `EmbeddingModel` over the Engine: batches of texts with cache, limits, retries and metrics.
 */
import { Context, Effect, Layer } from "effect"
import * as EmbeddingModel from "effect/ai/EmbeddingModel"
import * as Model from "effect/ai/Model"
import type { AIEmbedRequest } from "../EmbedRequest.ts"
import { Engine } from "../Engine.ts"
import type { ModelSettings } from "./CallRequest.ts"
import { toAiError } from "./Failure.ts"
import { CurrentSettings } from "./LanguageModel.ts"

/** What `EmbeddingModel` itself does not say about a request. Times are milliseconds. */
export interface EmbeddingSettings extends Omit<AIEmbedRequest, "input"> {}

/** An `EmbeddingModel` that answers through the engine; `settings` hold for all its calls. */
export const layerEmbedding = (
  settings: EmbeddingSettings = {}
): Layer.Layer<EmbeddingModel.EmbeddingModel, never, Engine> =>
  Layer.effect(
    EmbeddingModel.EmbeddingModel,
    Effect.flatMap(Engine, (engine) =>
      EmbeddingModel.make({
        // Texts of callers with other settings, such as another tenant, are never in one batch.
        batchKey: (context) => Context.get(context, CurrentSettings),
        embedMany: ({ inputs }) =>
          Effect.flatMap(CurrentSettings, (current) =>
            Effect.mapBoth(engine.embed({ ...settings, ...ownOf(current), input: inputs }), {
              onFailure: toAiError("embedMany"),
              onSuccess: ({ embeddings, usage }) => ({
                results: embeddings.map((vector) => vector.slice()),
                usage: { inputTokens: usage.promptTokens }
              })
            })
          )
      })
    )
  )

/** The same as a named `Model`, with the length of its vectors for code that stores them. */
export const embeddingModel = (
  id: string,
  settings: Omit<EmbeddingSettings, "model" | "dimensions"> & { readonly dimensions: number }
): Model.Model<"millrace", EmbeddingModel.EmbeddingModel | EmbeddingModel.Dimensions, Engine> =>
  Model.make(
    "millrace",
    id,
    Layer.merge(
      layerEmbedding({ ...settings, model: id }),
      Layer.succeed(EmbeddingModel.Dimensions, settings.dimensions)
    )
  )

/** The settings of the fiber that mean something for embeddings. */
const ownOf = ({
  cache,
  metadata,
  priority,
  provider,
  tenant,
  timeout
}: ModelSettings): Partial<EmbeddingSettings> => ({
  ...(cache === undefined ? {} : { cache }),
  ...(metadata === undefined ? {} : { metadata }),
  ...(priority === undefined ? {} : { priority }),
  ...(provider === undefined ? {} : { provider }),
  ...(tenant === undefined ? {} : { tenant }),
  ...(timeout === undefined ? {} : { timeout })
})
