/**
 * An engine whose providers are scripted, and what a test asks of it: connections that are open, figures that must be 0.
 */
import { Cause, Effect, Layer, type Pull, type Scope, Stream } from "effect"
import type { Registry } from "prom-client"
import { decode, type EngineConfigInput } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import type { Services } from "../../engine/src/Live.ts"
import { Metrics } from "../../engine/src/Metrics.ts"
import type { Provider } from "../../engine/src/Provider.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { type AIRequest, fromAIRequest, type Request } from "../../engine/src/Request.ts"
import type { AttemptCall } from "../../engine/src/Stage.ts"
import { StatusSource } from "../../engine/src/Status.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"

export interface EngineOptions {
  readonly providers: ReadonlyArray<Provider>
  /** Beside the providers, which are configured as they are scripted unless they are named here. */
  readonly config?: Partial<EngineConfigInput>
  readonly registry?: Registry
}

/** The layer of an engine over scripted providers. */
export const engineLayer = (options: EngineOptions): Layer.Layer<Engine | Services> =>
  Layer.unwrap(
    Effect.map(
      Effect.orDie(
        decode({
          providers: options.providers.map(({ contextWindow, maxTokens, model, models, name, rateLimits }) => ({
            name,
            kind: "openai-compatible",
            baseUrl: "http://127.0.0.1:9",
            model,
            ...(models === undefined ? {} : { models: [...models] }),
            ...(maxTokens === undefined ? {} : { maxTokens }),
            ...(contextWindow === undefined ? {} : { contextWindow }),
            rateLimits: {
              concurrent: rateLimits.concurrent,
              window: rateLimits.windowMs,
              learn: rateLimits.learn ?? false,
              ...(rateLimits.learn === undefined ? {} : { learn: rateLimits.learn }),
              ...(rateLimits.requestsPerMinute === undefined
                ? {}
                : { requestsPerMinute: rateLimits.requestsPerMinute }),
              ...(rateLimits.tokensPerMinute === undefined ? {} : { tokensPerMinute: rateLimits.tokensPerMinute })
            }
          })),
          logging: { level: "none" },
          ...options.config
        })
      ),
      (config) => Engine.layerOf(config, { providers: options.providers, registry: options.registry })
    )
  )

export const withEngine =
  (options: EngineOptions) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, Exclude<R, Engine | Services>> =>
    Effect.provide(effect, engineLayer(options)) as Effect.Effect<A, E, Exclude<R, Engine | Services>>

/** Connections of a provider: how many are open, how many were, and what happened in which order. */
export class Connections {
  open = 0
  opened = 0
  closed = 0
  mostOpen = 0
  readonly log: Array<string> = []

  /** A connection that is held by the scope of whoever opens it. */
  connect(name: string): Effect.Effect<void, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => {
        this.opened++
        this.open++
        this.mostOpen = Math.max(this.mostOpen, this.open)
        this.log.push(`open ${name}`)
      }),
      () =>
        Effect.sync(() => {
          this.closed++
          this.open--
          this.log.push(`close ${name}`)
        })
    )
  }
}

export const finish = (usage = completionOf("scripted", "a b").usage): Reply.Part => ({
  type: "finish",
  finishReason: "stop",
  rawFinishReason: "stop",
  usage
})

export const text = (value: string): Reply.Part => ({ type: "text", text: value })

/** Parts that come one by one, each after a pause; a step may fail, die, or never come. */
export const paced = (
  steps: ReadonlyArray<Reply.Part | EngineError | Effect.Effect<never>>,
  pause: Effect.Effect<void> = Effect.yieldNow
): Reply.Parts => {
  let index = 0
  const pull = Effect.suspend((): Pull.Pull<readonly [Reply.Part], EngineError> => {
    const step = steps[index++]
    if (step === undefined) return Cause.done()
    if (Effect.isEffect(step)) return Effect.andThen(pause, step)
    return Effect.andThen(pause, "fault" in step ? Effect.fail(step) : Effect.succeed([step] as const))
  })
  return Stream.fromPull(Effect.succeed(pull))
}

/** A provider that holds a connection for each call, and answers by the script once it is asked. */
export const connected = (
  name: string,
  connections: Connections,
  script: (call: AttemptCall, index: number) => Effect.Effect<Reply.Reply, EngineError, Scope.Scope>,
  options?: Parameters<typeof scriptedProvider>[2]
) =>
  scriptedProvider(
    name,
    (call, index) =>
      Effect.andThen(
        connections.connect(name),
        Effect.suspend(() => script(call, index))
      ),
    options
  )

export const limits = (fields: Partial<Provider["rateLimits"]>): Provider["rateLimits"] => ({
  requestsPerMinute: undefined,
  tokensPerMinute: undefined,
  concurrent: 64,
  windowMs: 60_000,
  ...fields
})

let ids = 0

export const requestOf = (fields: AIRequest): Effect.Effect<Request> =>
  Effect.orDie(fromAIRequest(fields, `req_test_${ids++}`))

/** Status of the engine under test. */
export const status = Effect.flatMap(StatusSource, (source) => source.get)

/** The samples of all `ai_*` metrics, as `name{labels}` and value. */
export const samples = Effect.gen(function* () {
  const { text } = yield* Metrics
  const out = new Map<string, number>()
  for (const line of (yield* text).split("\n")) {
    const match = /^(ai_[^ ]+) (.+)$/.exec(line)
    if (match !== null) out.set(match[1]!, Number(match[2]))
  }
  return out
})

/** Reads a reply to its end. */
export const readAll = (reply: Reply.Reply): Effect.Effect<ReadonlyArray<Reply.Part>, EngineError> =>
  Stream.runCollect(Reply.stream(reply))
