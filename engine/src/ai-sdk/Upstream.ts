/**
 * Any AI SDK model, or all models of an AI SDK provider, as a provider of the engine.
 *
 * The model is asked once per attempt and never retries; interruption aborts its request. It opens the SDK's provider
 * packages to the engine's cache, limits, fallback and accounting.
 */
import type { EmbeddingModelV4, LanguageModelV4, LanguageModelV4StreamPart, ProviderV4 } from "@ai-sdk/provider"
import { Cause, Effect, Result, type Scope } from "effect"
import { type EngineError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import { openParts } from "../FirstPart.ts"
import { defaultInfo, type Provider, type ProviderInfo } from "../Provider.ts"
import * as Reply from "../Reply.ts"
import type { EmbedInput } from "../Request.ts"
import type { AttemptCall } from "../Stage.ts"
import * as Usage from "../Usage.ts"
import { AnswerReader, leftOut, wholeParts } from "./UpstreamAnswer.ts"
import { toCall, type UpstreamCall, type UpstreamModel } from "./UpstreamCall.ts"
import { toEngineError } from "./UpstreamFailure.ts"

export interface AiSdkOptions extends Partial<Omit<ProviderInfo, "name" | "dialect" | "embeddingModel">> {
  /** Answers requests for embeddings: a model, or the id of one of the provider. */
  readonly embeddingModel?: EmbeddingModelV4 | string | undefined
  /** The name under which the models read `providerOptions`; taken from the model unless given. */
  readonly namespace?: string | undefined
}

type Opened = Effect.Effect<Reply.Reply, EngineError, Scope.Scope>

/**
 * A provider over an AI SDK model, or over an AI SDK provider: then `model` names the default one, and any model that the
 * provider knows is served. Throws for models of another specification than v4.
 *
 * @example
 * new AIEngine({}, { providers: [fromAiSdk("mistral", mistral, { model: "mistral-large-latest" })] })
 */
export const fromAiSdk = (name: string, source: LanguageModelV4 | ProviderV4, options: AiSdkOptions = {}): Provider => {
  const { embeddingModel, namespace, ...settings } = options
  const first = "doGenerate" in source ? source : source.languageModel(defaultOf(name, settings.model))
  if (first.specificationVersion !== "v4") {
    throw new TypeError(`${name}: expected a model of specification v4, got ${String(first.specificationVersion)}`)
  }
  const embedder = typeof embeddingModel === "string" ? embeddingModel : embeddingModel?.modelId
  const group = first.provider.split(".")[0]!
  const info: ProviderInfo = {
    ...defaultInfo,
    name,
    kind: kinds.find((kind) => kind === group) ?? "openai-compatible",
    model: first.modelId,
    models: "doGenerate" in source ? [first.modelId, ...(embedder === undefined ? [] : [embedder])] : undefined,
    ...settings,
    embeddingModel: embedder
  }
  const modelOf = (id: string): LanguageModelV4 =>
    "doGenerate" in source ? source : id === first.modelId ? first : source.languageModel(id)
  const embedderOf = (id: string): EmbeddingModelV4 | undefined => {
    if (typeof embeddingModel === "object") return embeddingModel
    return "doGenerate" in source ? undefined : source.embeddingModel(id)
  }
  return {
    ...info,
    open: (call) => {
      const ask = new Ask(call, info, namespace ?? group)
      const { embed } = call.request
      return Effect.suspend(() =>
        embed === undefined
          ? Effect.flatMap(
              ask.made(() => modelOf(call.target.model)),
              (model) => ask.open(model)
            )
          : Effect.flatMap(
              ask.made(() => embedderOf(call.target.model)),
              (model) => ask.embed(model, embed)
            )
      )
    }
  }
}

const kinds = ["openai", "anthropic", "google"] as const

const defaultOf = (name: string, model: string | undefined): string => {
  if (model === undefined) throw new TypeError(`${name}: expected options.model, the default model of the provider`)
  return model
}

/** One call of a model. */
class Ask {
  private readonly call: AttemptCall
  private readonly info: ProviderInfo
  private readonly namespace: string

  constructor(call: AttemptCall, info: ProviderInfo, namespace: string) {
    this.call = call
    this.info = info
    this.namespace = namespace
  }

  /** A provider package may refuse to make a model: it has no key, or does not know the id. */
  made<A>(make: () => A): Effect.Effect<A, EngineError> {
    return Effect.try({ try: make, catch: (error) => this.failure(error) })
  }

  open(model: LanguageModelV4): Opened {
    return Effect.flatMap(
      this.attempt(async () => await model.supportedUrls),
      (supportedUrls) => {
        const { maxTokens, name } = this.info
        const known: UpstreamModel = { provider: name, namespace: this.namespace, maxTokens, supportedUrls }
        const encoded = toCall(this.call.request, known)
        if (Result.isFailure(encoded)) return Effect.fail(encoded.failure)
        this.omit(encoded.success.omitted)
        return this.call.request.stream ? this.stream(model, encoded.success) : this.generate(model, encoded.success)
      }
    )
  }

  embed(model: EmbeddingModelV4 | undefined, { dimensions, input }: EmbedInput): Opened {
    if (model === undefined) {
      return Effect.fail(new UnsupportedAbility({ provider: this.info.name, ability: "embeddings" }))
    }
    const { providerOptions } = this.call.request
    const asked = this.attempt(async (abortSignal) => {
      const max = (await model.maxEmbeddingsPerCall) ?? Infinity
      if (input.length > max) {
        return new InvalidRequest({
          field: "input",
          detail: `${this.info.name} takes at most ${max} texts in one call`
        })
      }
      return model.doEmbed({
        values: input.slice(),
        abortSignal,
        ...(dimensions === undefined ? {} : { dimensions }),
        ...(providerOptions === undefined ? {} : { providerOptions: { [this.namespace]: providerOptions as {} } })
      })
    })
    return Effect.flatMap(asked, (result) => {
      if (result instanceof InvalidRequest) return Effect.fail(result)
      this.omit(leftOut(result.warnings))
      return Effect.succeed(
        Reply.whole({
          id: "",
          model: model.modelId,
          content: [],
          finishReason: "stop",
          rawFinishReason: undefined,
          usage: { ...Usage.zero, uncachedInput: result.usage?.tokens ?? 0, estimated: result.usage === undefined },
          embeddings: result.embeddings
        })
      )
    })
  }

  private generate(model: LanguageModelV4, { options }: UpstreamCall): Opened {
    const { target } = this.call
    return Effect.flatMap(
      this.attempt((abortSignal) => model.doGenerate({ ...options, abortSignal })),
      (result) => {
        this.omit(leftOut(result.warnings))
        const reader = new AnswerReader(target, () => undefined)
        const collector = new Reply.Collector()
        const parts: Array<Reply.Part> = []
        const asksJson = options.responseFormat?.type === "json"
        for (const part of wholeParts(result, target, asksJson)) {
          const error = reader.read(part, parts)
          if (error !== undefined) return Effect.fail(error)
        }
        for (const part of parts) collector.add(part)
        return Effect.succeed(Reply.whole(collector.completion()))
      }
    )
  }

  private stream(model: LanguageModelV4, { options }: UpstreamCall): Opened {
    // The controller lives as long as the scope: closing it aborts the request.
    const controller = Effect.acquireRelease(
      Effect.sync(() => new AbortController()),
      (controller) => Effect.sync(() => controller.abort())
    )
    return Effect.flatMap(controller, ({ signal }) =>
      Effect.flatMap(
        this.attempt(() => model.doStream({ ...options, abortSignal: signal })),
        ({ stream }) => this.read(stream.getReader())
      )
    )
  }

  private read(source: ReadableStreamDefaultReader<LanguageModelV4StreamPart>): Opened {
    const reader = new AnswerReader(this.call.target, (warnings) => this.omit(leftOut(warnings)))
    const opened = openParts<LanguageModelV4StreamPart>(this.call, this.info.idleTimeoutMs, {
      pull: Effect.flatMap(
        this.attempt(() => source.read()),
        (next) => (next.done ? Cause.done() : Effect.succeed([next.value]))
      ),
      read: (part, out) => reader.read(part, out)
    })
    // A stream that is already broken can't be cancelled, which is fine.
    const cancel = Effect.promise(() => source.cancel().catch(() => undefined))
    return Effect.andThen(
      Effect.addFinalizer(() => cancel),
      opened
    )
  }

  /** Runs one step; interruption aborts it. */
  private attempt<A>(run: (signal: AbortSignal) => PromiseLike<A>): Effect.Effect<A, EngineError> {
    return Effect.tryPromise({ try: async (signal) => await run(signal), catch: (error) => this.failure(error) })
  }

  private failure(error: unknown): EngineError {
    return toEngineError(error, this.call.target, this.call.clock.currentTimeMillisUnsafe())
  }

  private omit(omitted: ReadonlyArray<string>): void {
    const { attempt } = this.call
    if (omitted.length > 0) attempt.omitted = [...(attempt.omitted ?? []), ...omitted]
  }
}
