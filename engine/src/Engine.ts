/**
 * The engine: the one place where the order of the pipeline is written.
 *
 * A request travels down the stages once and comes up once. `open` succeeds with the first part in hand, and everything
 * else (`generateText`, `streamText`, the gateway, the adapters) is made from it, so a streamed and a whole answer take
 * the same path. The engine holds no state of its own; each concern's state is in its Layer.
 */
import { Clock, Context, Effect, Layer, Stream } from "effect"
import { Breaker } from "./Breaker.ts"
import { Budget } from "./Budget.ts"
import { Cache } from "./Cache.ts"
import { type Call, makeCall } from "./Call.ts"
import * as Config from "./Config.ts"
import { deadline } from "./Deadline.ts"
import { type AIEmbedRequest, fromAIEmbedRequest } from "./EmbedRequest.ts"
import type { EngineError, InvalidRequest } from "./Errors.ts"
import { internalError, send } from "./Attempt.ts"
import { fallback } from "./Fallback.ts"
import { Hedge } from "./Hedge.ts"
import { Keys } from "./Keys.ts"
import { type LiveOptions, type Services, services } from "./Live.ts"
import { Metrics } from "./Metrics.ts"
import { Pricing } from "./Pricing.ts"
import { Providers } from "./Providers.ts"
import { RateLimiter } from "./RateLimiter.ts"
import * as Reply from "./Reply.ts"
import { type AIRequest, fromAIRequest, type Request } from "./Request.ts"
import { makeRequestId } from "./RequestId.ts"
import { type AIEmbedResponse, type AIResponse, toAIEmbedResponse, toAIResponse } from "./Response.ts"
import { RequestLog } from "./RequestLog.ts"
import { Retry } from "./Retry.ts"
import { Routing } from "./Routing.ts"
import { SemanticCache } from "./SemanticCache.ts"
import { settle } from "./Settle.ts"
import { SharedLimits } from "./SharedLimits.ts"
import { SingleFlight } from "./SingleFlight.ts"
import { compose, composeAttempt, type Open, type Stage } from "./Stage.ts"
import { StatusSource } from "./Status.ts"
import { Tokenizer } from "./Tokenizer.ts"
import { Tracing } from "./Tracing.ts"
import { UsageLog } from "./UsageLog.ts"

export class Engine extends Context.Service<
  Engine,
  {
    /** Opens a call; succeeds with the first part in hand. The scope owns the connection and settles the call. */
    readonly open: Open
    /** A call for a request that a door has decoded. */
    readonly call: (request: Request) => Effect.Effect<Call>
    /** A call for a caller's request; fails with the field that is wrong. */
    readonly prepare: (request: AIRequest, options: { readonly stream: boolean }) => Effect.Effect<Call, InvalidRequest>
    /** A call for a caller's texts; fails with the field that is wrong. */
    readonly prepareEmbed: (request: AIEmbedRequest) => Effect.Effect<Call, InvalidRequest>
    readonly generateText: (request: AIRequest) => Effect.Effect<AIResponse, EngineError>
    /** Parts of the answer, ending with one `finish`; stopping early cancels the call upstream. */
    readonly streamText: (request: AIRequest) => Reply.Parts
    /** Vectors of texts, in the order of the texts. */
    readonly embed: (request: AIEmbedRequest) => Effect.Effect<AIEmbedResponse, EngineError>
  }
>()("millrace/Engine") {
  /** The pipeline over whatever layers are provided; every requirement is a concern that can be replaced. */
  static readonly layerPipeline = Layer.effect(
    Engine,
    Effect.suspend(() => Effect.map(pipeline, make))
  )

  /** The engine for a configuration: an object as people write it, decoded and checked when the layer is built. */
  static readonly layer = (
    config?: Config.EngineConfigInput,
    options?: LiveOptions
  ): Layer.Layer<Engine | Services, Config.ConfigError> =>
    Layer.unwrap(
      Effect.map(Config.decode(config, { providers: options?.providers }), (decoded) =>
        Engine.layerOf(decoded, options)
      )
    )

  /** The engine for a decoded configuration, with everything that a door needs beside it. */
  static readonly layerOf = (config: Config.EngineConfig, options?: LiveOptions): Layer.Layer<Engine | Services> =>
    Layer.provideMerge(Engine.layerPipeline, services(config, options))

  /** What the engine is doing now. */
  static readonly status = Effect.flatMap(StatusSource, (source) => source.get)

  static readonly generateText = (request: AIRequest): Effect.Effect<AIResponse, EngineError, Engine> =>
    Effect.flatMap(Engine, (engine) => engine.generateText(request))

  static readonly streamText = (request: AIRequest): Stream.Stream<Reply.Part, EngineError, Engine> =>
    Stream.unwrap(Effect.map(Engine, (engine) => engine.streamText(request)))

  static readonly embed = (request: AIEmbedRequest): Effect.Effect<AIEmbedResponse, EngineError, Engine> =>
    Effect.flatMap(Engine, (engine) => engine.embed(request))
}

/** The pipeline, in the order in which a request travels. */
const pipeline = Effect.gen(function* () {
  const tracing = yield* Tracing
  const requestLog = yield* RequestLog
  const usageLog = yield* UsageLog
  const metrics = yield* Metrics
  const pricing = yield* Pricing
  const routing = yield* Routing
  const keys = yield* Keys
  const cache = yield* Cache
  const singleFlight = yield* SingleFlight
  const semantic = yield* SemanticCache
  const tokenizer = yield* Tokenizer
  const retry = yield* Retry
  const hedge = yield* Hedge
  const breaker = yield* Breaker
  const budget = yield* Budget
  const limiter = yield* RateLimiter
  const sharedLimits = yield* SharedLimits
  const providers = yield* Providers

  // Calls that a stage makes of its own, for vectors and verdicts, take the whole way.
  const ask: Open = (call) => open(call)
  const admission: Stage = compose(
    settle({ estimateTokens: tokenizer.estimateAnswer }),
    tracing.stage,
    requestLog.stage,
    usageLog.stage,
    metrics.stage,
    pricing.stage,
    deadline,
    routing.stage,
    keys.stage,
    cache.stage,
    semantic.notes,
    singleFlight.stage,
    cache.stageShared,
    semantic.stage(ask),
    tokenizer.stage,
    routing.order
  )
  const attempt = composeAttempt(
    tracing.attempt,
    budget.stage,
    limiter.stage,
    sharedLimits.stage,
    breaker.stage,
    send
  )(providers.open)

  const { windowOf } = tokenizer

  const open = admission(fallback({ retry, breaker, limiter, hedge, windowOf }, attempt))
  cache.renewThrough(open)
  return open
})

const make = (pipeline: Open): Engine["Service"] => {
  const open: Open = (call) => Effect.catchDefect(pipeline(call), (defect) => Effect.fail(internalError(defect)))

  const call = (request: Request): Effect.Effect<Call> =>
    Clock.clockWith((clock) => Effect.succeed(makeCall(request, clock)))

  const prepare = (request: AIRequest, options: { readonly stream: boolean }) =>
    Effect.flatMap(fromAIRequest(request, makeRequestId(), options), call)

  const prepareEmbed = (request: AIEmbedRequest) => Effect.flatMap(fromAIEmbedRequest(request, makeRequestId()), call)

  const answer = (call: Call) => Effect.scoped(Effect.flatMap(open(call), Reply.collect))

  return Engine.of({
    open,
    call,
    prepare,
    prepareEmbed,
    generateText: (request) =>
      Effect.flatMap(prepare(request, { stream: false }), (call) =>
        Effect.map(answer(call), (completion) => toAIResponse(call, completion))
      ),
    streamText: (request) =>
      Stream.unwrap(Effect.flatMap(prepare(request, { stream: true }), (call) => Effect.map(open(call), Reply.stream))),
    embed: (request) =>
      Effect.flatMap(prepareEmbed(request), (call) =>
        Effect.map(answer(call), (completion) => toAIEmbedResponse(call, completion))
      )
  })
}
