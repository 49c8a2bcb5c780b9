/**
 * Effect's `LanguageModel` over the Engine: `generateText`, `streamText`, `generateObject`, toolkits and `Chat`.
 *
 * Each step of a tool loop is one call of the engine with everything that belongs to it: cache, limits, retries,
 * metrics. Interrupting the fiber cancels the call up to the provider.
 */
import { Context, Effect, Function, Layer, Stream } from "effect"
import * as AiError from "effect/ai/AiError"
import * as LanguageModel from "effect/ai/LanguageModel"
import * as Model from "effect/ai/Model"
import type { Call } from "../Call.ts"
import { Engine } from "../Engine.ts"
import * as Reply from "../Reply.ts"
import { StreamParts, toParts } from "./CallAnswer.ts"
import { mergeSettings, type ModelSettings, toRequest } from "./CallRequest.ts"
import { toAiError } from "./Failure.ts"
import { portableCodec } from "./Schemas.ts"

/** Settings of the model calls in the current fiber; `withSettings` sets them. */
export const CurrentSettings = Context.Reference<ModelSettings>("millrace/effect-ai/CurrentSettings", {
  defaultValue: () => ({})
})

/** Settings for every model call inside an effect; nested ones add to the outer. */
export const withSettings: {
  (settings: ModelSettings): <A, E, R>(self: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  <A, E, R>(self: Effect.Effect<A, E, R>, settings: ModelSettings): Effect.Effect<A, E, R>
} = Function.dual(2, <A, E, R>(self: Effect.Effect<A, E, R>, settings: ModelSettings) =>
  Effect.flatMap(CurrentSettings, (outer) =>
    Effect.provideService(self, CurrentSettings, mergeSettings(outer, settings))
  )
)

/**
 * A `LanguageModel` that answers through the engine; `settings` hold for all its calls.
 *
 * @example
 * const Live = layer({ model: "fast", tenant: "acme" }).pipe(Layer.provide(Engine.layer(config)))
 * LanguageModel.generateText({ prompt: "hello" }).pipe(Effect.provide(Live))
 */
export const layer = (settings: ModelSettings = {}): Layer.Layer<LanguageModel.LanguageModel, never, Engine> =>
  Layer.effect(LanguageModel.LanguageModel, make(settings))

/** The same as a named `Model`, for `ExecutionPlan` and for code that asks which model it runs on. */
export const model = (
  id: string,
  settings: Omit<ModelSettings, "model"> = {}
): Model.Model<"millrace", LanguageModel.LanguageModel, Engine> =>
  Model.make("millrace", id, layer({ ...settings, model: id }))

const make = (settings: ModelSettings) =>
  Effect.flatMap(Engine, (engine) => {
    const prepare = (options: LanguageModel.ProviderOptions, method: string, stream: boolean) =>
      Effect.flatMap(CurrentSettings, (current): Effect.Effect<Call, AiError.AiError> => {
        const request = toRequest(options, mergeSettings(settings, current))
        return request._tag === "Success"
          ? Effect.mapError(engine.prepare(request.success, { stream }), toAiError(method))
          : Effect.fail(AiError.make({ module: "Millrace", method, reason: request.failure }))
      })
    return LanguageModel.make({
      codecTransformer: portableCodec,
      generateText: (options) =>
        Effect.flatMap(prepare(options, "generateText", false), (call) =>
          Effect.mapBoth(Effect.scoped(Effect.flatMap(engine.open(call), Reply.collect)), {
            onFailure: toAiError("generateText"),
            onSuccess: (completion) => toParts(call, completion, options)
          })
        ),
      streamText: (options) =>
        Stream.unwrap(
          Effect.flatMap(prepare(options, "streamText", true), (call) =>
            Effect.mapBoth(engine.open(call), {
              onFailure: toAiError("streamText"),
              onSuccess: (reply) => streamed(reply, new StreamParts(call, options))
            })
          )
        )
    })
  })

const streamed = (reply: Reply.Reply, parts: StreamParts) =>
  Reply.stream(reply).pipe(
    Stream.mapAccumArray(
      () => parts,
      (parts, chunk) => [parts, parts.read(chunk)] as const
    ),
    Stream.mapError(toAiError("streamText"))
  )
