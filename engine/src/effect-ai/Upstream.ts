/**
 * Any Effect `LanguageModel` as a provider of the engine.
 *
 * The model is asked once per attempt, tools are handed on to the caller, and interruption reaches it. Effect's interface
 * has no place for sampling settings and the like: a request that sets one is refused by name, unless `context` hands
 * the model what it needs.
 */
import {
  Cause,
  Context,
  Effect,
  Layer,
  ManagedRuntime,
  Result,
  type Schema,
  SchemaRepresentation,
  Stream
} from "effect"
import * as JsonSchema from "effect/JsonSchema"
import * as LanguageModel from "effect/ai/LanguageModel"
import type * as Response from "effect/ai/Response"
import { InternalError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import { openParts } from "../FirstPart.ts"
import { defaultInfo, type Provider, type ProviderInfo } from "../Provider.ts"
import * as Reply from "../Reply.ts"
import type { Request } from "../Request.ts"
import type { AttemptCall } from "../Stage.ts"
import { AnswerReader } from "./UpstreamAnswer.ts"
import { toEngineError } from "./UpstreamFailure.ts"
import { toPrompt, toToolChoice, toToolkit, type UpstreamPrompt } from "./UpstreamPrompt.ts"

export interface ProviderOptions extends Partial<Omit<ProviderInfo, "name" | "dialect">> {
  /**
   * Services for the model during one call, such as its own configuration made from the request's temperature. Whoever
   * gives this answers for every setting of the request; without it, settings that Effect can't carry are refused.
   */
  readonly context?: ((request: Request) => Context.Context<never>) | undefined
  /** The name under which the model reads options of its provider; the provider's name unless given. */
  readonly namespace?: string | undefined
}

type Model = LanguageModel.LanguageModel
type Opened = ReturnType<Provider["open"]>

/**
 * A provider that asks a `LanguageModel`, given as a service or as the layer that makes one. A layer is built at the
 * first call and closed with the engine. The model is fixed, so only `models` (by default `model`) are routed here.
 *
 * @example
 * new AIEngine({}, { providers: [provider("local", MyModelLive, { model: "my-model" })] })
 */
export const provider = (
  name: string,
  model: Model | Layer.Layer<Model, unknown>,
  options: ProviderOptions = {}
): Provider => {
  const { context, namespace = name, ...info } = options
  const source = Layer.isLayer(model)
    ? fromLayer(name, model as Layer.Layer<Model, unknown>)
    : fromService(model as Model)
  const id = info.model ?? name
  const own: ProviderInfo = {
    ...defaultInfo,
    kind: "openai-compatible",
    name,
    model: id,
    models: [id],
    embeddingModel: undefined,
    ...info
  }
  return {
    ...own,
    open: (call) =>
      Effect.flatMap(source.model, (model) => new Ask(call, own, model, context?.(call.request)).open(namespace)),
    close: source.close
  }
}

interface Source {
  readonly model: Effect.Effect<Model, InternalError>
  readonly close: Effect.Effect<void> | undefined
}

const fromService = (model: Model): Source => ({ model: Effect.succeed(model), close: undefined })

const fromLayer = (name: string, layer: Layer.Layer<Model, unknown>): Source => {
  let runtime: ManagedRuntime.ManagedRuntime<Model, unknown> | undefined
  const forget = Effect.suspend(() => {
    const built = runtime
    runtime = undefined
    return built === undefined ? Effect.void : built.disposeEffect
  })
  return {
    model: Effect.suspend(() => {
      runtime ??= ManagedRuntime.make(layer)
      return Effect.matchEffect(runtime.contextEffect, {
        onSuccess: (context) => Effect.succeed(Context.get(context, LanguageModel.LanguageModel)),
        onFailure: (cause) =>
          Effect.andThen(
            forget,
            Effect.fail(new InternalError({ detail: `the model of ${name} can't be made`, cause }))
          )
      })
    }),
    close: forget
  }
}

type Asked = Effect.Effect<LanguageModel.GenerateTextResponse<{}>, unknown>

/** One call of the model. */
class Ask {
  private readonly call: AttemptCall
  private readonly info: ProviderInfo
  private readonly model: Model
  private readonly context: Context.Context<never> | undefined

  constructor(call: AttemptCall, info: ProviderInfo, model: Model, context: Context.Context<never> | undefined) {
    this.call = call
    this.info = info
    this.model = model
    this.context = context
  }

  open(namespace: string): Opened {
    const { request } = this.call
    const unable = inabilityOf(request, this.context !== undefined)
    if (unable !== undefined) {
      return Effect.fail(new UnsupportedAbility({ provider: this.info.name, ability: unable }))
    }
    const prompt = toPrompt(request, namespace)
    if (Result.isFailure(prompt)) return Effect.fail(prompt.failure)
    const { attempt } = this.call
    attempt.omitted = [...(attempt.omitted ?? []), ...prompt.success.omitted]
    return this.ask(prompt.success)
  }

  private ask({ prompt }: UpstreamPrompt): Opened {
    const { request } = this.call
    const toolkit = toToolkit(request)
    const toolChoice = toToolChoice(request)
    const options = {
      prompt,
      disableToolCallResolution: true,
      toolCallValidation: "deferred",
      ...(toolkit === undefined ? {} : { toolkit }),
      ...(toolkit === undefined || toolChoice === undefined ? {} : { toolChoice })
    } as LanguageModel.GenerateTextOptions<{}>
    const format = request.responseFormat
    if (format?.type === "json-schema") {
      const schema = schemaOf(format.schema)
      if (Result.isFailure(schema)) return Effect.fail(schema.failure)
      return this.whole(
        this.model.generateObject({
          ...options,
          schema: schema.success,
          objectName: format.name
        } as never) as unknown as Asked
      )
    }
    return request.stream
      ? this.streamed(this.model.streamText(options as never))
      : this.whole(this.model.generateText(options as never))
  }

  private whole(effect: Asked): Opened {
    return Effect.matchEffect(this.provided(effect), {
      onFailure: (error) => Effect.fail(toEngineError(error, this.call.target)),
      onSuccess: ({ content }) => {
        const reader = new AnswerReader(this.call.target)
        const collector = new Reply.Collector()
        const parts: Array<Reply.Part> = []
        for (const part of content) {
          const error = reader.read(part, parts)
          if (error !== undefined) return Effect.fail(error)
        }
        for (const part of parts) collector.add(part)
        return Effect.succeed(Reply.whole(collector.completion()))
      }
    })
  }

  private streamed(stream: Stream.Stream<Response.AnyPart, unknown>): Opened {
    const { target } = this.call
    const reader = new AnswerReader(target)
    return Effect.flatMap(Stream.toPull(stream), (pull) =>
      openParts(this.call, this.info.idleTimeoutMs, {
        pull: this.provided(
          Effect.mapError(pull, (error) => (Cause.isDone(error) ? error : toEngineError(error, target)))
        ),
        read: (part, out) => reader.read(part, out)
      })
    )
  }

  private provided<A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> {
    return this.context === undefined ? effect : Effect.provideContext(effect, this.context)
  }
}

/** What the request asks for and Effect's interface has no place for. */
const inabilityOf = (request: Request, configured: boolean): string | undefined => {
  if (request.embed !== undefined) return "embeddings"
  if (request.responseFormat?.type === "json") return "JSON mode without a schema (responseFormat json)"
  if (configured) return undefined
  const settings = [
    "temperature",
    "topP",
    "topK",
    "maxTokens",
    "stop",
    "seed",
    "presencePenalty",
    "frequencyPenalty",
    "logprobs",
    "reasoning",
    "providerOptions"
  ] as const
  const set = settings.filter((setting) => request[setting] !== undefined)
  return set.length === 0
    ? undefined
    : `${set.join(", ")} (a LanguageModel of Effect is configured by its own services)`
}

const schemaOf = (schema: { readonly [key: string]: Schema.Json }): Result.Result<Schema.Top, InvalidRequest> =>
  Result.try({
    try: () =>
      SchemaRepresentation.fromJsonSchemaDocument(JsonSchema.fromSchemaDraft2020_12(schema), { patterns: "ignore" }),
    catch: () =>
      new InvalidRequest({ field: "responseFormat.schema", detail: "expected a schema that Effect can read" })
  })
