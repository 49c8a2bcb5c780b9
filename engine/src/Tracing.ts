/**
 * A span for each request and for each attempt of it, with OpenTelemetry's GenAI attributes; none per stage.
 *
 * Acts at admission, where the span begins and its headers are given to the attempt, and at settlement, where everything
 * that is known by then is written on it. Costs nothing while nobody listens: without a tracer no span is made. It holds no
 * key and no text of an error; prompts and answers only where `telemetry.content` is on (law 12).
 */
import { Context, Effect, Exit, Layer, type Scope, Tracer } from "effect"
import type { Call, Outcome } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import { type Conventions, type Names, names } from "./GenAiNames.ts"
import type { Completion } from "./Reply.ts"
import type { AttemptCall, AttemptStage, Stage } from "./Stage.ts"
import { finishReasonOf, inputMessages, outputMessages } from "./TraceContent.ts"
import { CallerTrace, RemoteParent, traceHeaders } from "./TraceContext.ts"
import { attemptEvents, requestEvents, type TraceEvent } from "./TraceEvents.ts"
import * as Usage from "./Usage.ts"

/** What spans say of a provider. */
export interface TracedProvider {
  /** `gen_ai.provider.name`. */
  readonly genAiName: string
  readonly address: string | undefined
  readonly port: number | undefined
  /** Whether it is told the trace that an attempt belongs to. */
  readonly propagates: boolean
}

export interface TracingOptions {
  readonly conventions: Conventions
  /** Adds prompts and answers. */
  readonly content: boolean
  readonly providerOf: (name: string) => TracedProvider | undefined
}

export class Tracing extends Context.Service<
  Tracing,
  {
    /** The span of a request. */
    readonly stage: Stage
    /** The span of an attempt. */
    readonly attempt: AttemptStage
  }
>()("millrace/Tracing") {
  /** Spans go to whatever tracer is in the context of the request. */
  static readonly layer = (options: TracingOptions) => Layer.sync(Tracing, () => make(options))
}

type Attributes = { [name: string]: unknown }
type Opened<A> = Effect.Effect<A, EngineError, Scope.Scope>

const make = (options: TracingOptions): Tracing["Service"] => {
  const { content, conventions, providerOf } = options
  const known = names[conventions]
  const genAiNameOf = (provider: string) => providerOf(provider)?.genAiName ?? provider

  /** What an answer, or what came of it, says; the conventions have these on both kinds of spans. */
  const answered = (span: Tracer.Span, outcome: Outcome, completion: Completion | undefined) => {
    if (completion !== undefined) {
      if (completion.id !== "") span.attribute(known.responseId, clip(completion.id))
      if (completion.model !== "") span.attribute(known.responseModel, clip(completion.model))
    }
    if (outcome._tag === "Success") {
      span.attribute(known.finishReasons, [finishReasonOf(outcome.completion.finishReason)])
      return
    }
    // The conventions' newer version wants to be told that nothing came to an end.
    if (conventions === "latest") span.attribute(known.finishReasons, ["error"])
    span.attribute(known.errorType, outcome._tag === "Failure" ? outcome.error._tag : "Cancelled")
    if (outcome._tag === "Failure") {
      span.attribute("millrace.fault", outcome.error.fault)
      const status = "upstreamStatus" in outcome.error ? outcome.error.upstreamStatus : undefined
      if (status !== undefined) span.attribute(known.upstreamStatus, status)
    }
  }

  const used = (span: Tracer.Span, usage: Usage.Usage) => {
    span.attribute(known.inputTokens, Usage.promptTokens(usage))
    span.attribute(known.outputTokens, usage.output)
    if (usage.cacheReadInput > 0) span.attribute(known.cacheReadTokens, usage.cacheReadInput)
    if (usage.cacheWriteInput > 0) span.attribute(known.cacheWriteTokens, usage.cacheWriteInput)
    if (usage.reasoning > 0) span.attribute(known.reasoningTokens, usage.reasoning)
    if (usage.estimated) span.attribute("millrace.usage.estimated", true)
  }

  const told = (span: Tracer.Span, call: Call, completion: Completion | undefined) => {
    if (!content || call.request.embed !== undefined) return
    span.attribute(known.inputMessages, inputMessages(call.request.messages))
    if (completion !== undefined) span.attribute(known.outputMessages, outputMessages(completion, conventions))
  }

  const endRequest = (span: Tracer.Span, call: Call, outcome: Outcome) => {
    const { journal } = call
    const completion = completionOf(outcome)
    const served = journal.cache === "hit" || journal.cache === "semantic" || journal.cache === "coalesced"
    answered(span, outcome, completion)
    const target = journal.target ?? journal.attempts.at(-1)?.target
    if (target !== undefined) {
      span.attribute(known.provider, genAiNameOf(target.provider))
      span.attribute("millrace.provider", target.provider)
      span.attribute("millrace.model", target.model)
    }
    span.attribute("millrace.cache", journal.cache)
    span.attribute("millrace.attempts", journal.attempts.length)
    if (journal.queueMs > 0) span.attribute("millrace.queue_ms", journal.queueMs)
    // Tokens that no provider was asked for are no usage of anybody's.
    if (completion !== undefined) {
      if (served) span.attribute("millrace.saved_tokens", Usage.totalTokens(completion.usage))
      else used(span, completion.usage)
    }
    if (journal.cost?._tag === "Priced") span.attribute("millrace.cost_usd", journal.cost.usd)
    if (journal.saved?._tag === "Priced") span.attribute("millrace.saved_usd", journal.saved.usd)
    if (journal.attempts.length === 0 && journal.cache !== "coalesced") told(span, call, completion)
  }

  const endAttempt = (span: Tracer.Span, call: AttemptCall, outcome: Outcome) => {
    const { firstPartAtMs, queueMs, sentAtMs } = call.attempt
    const completion = completionOf(outcome)
    answered(span, outcome, completion)
    if (completion !== undefined) used(span, completion.usage)
    if (queueMs > 0) span.attribute("millrace.queue_ms", queueMs)
    if (call.request.stream && sentAtMs !== undefined && firstPartAtMs !== undefined) {
      span.attribute(known.timeToFirstChunk, (firstPartAtMs - sentAtMs) / 1000)
    }
    told(span, call, completion)
  }

  return Tracing.of({
    stage: (next) => (call) =>
      Effect.withFiber((fiber): ReturnType<typeof next> => {
        const parent = fiber.cache.span
        if (fiber.getRef(Tracer.Tracer) === Tracer.nativeTracer) {
          if (parent !== undefined) call.journal.span = parent
          return next(call)
        }
        const { request } = call
        const name = request.embed !== undefined ? "Engine.embed" : request.stream ? "Engine.stream" : "Engine.generate"
        const trace = parent === undefined ? undefined : Context.getOrUndefined(parent.annotations, CallerTrace)
        const joined =
          trace !== undefined && parent?._tag === "ExternalSpan" ? fiber.getRef(RemoteParent)(parent, trace) : undefined
        const kind = request.wire === undefined ? "internal" : "server"
        return Effect.flatMap(Effect.makeSpan(name, { kind, ...below(joined, trace) }), (span) => {
          if (span.sampled) begin(span, requestAttributes(known, call))
          call.journal.span = span
          return lived(span, call, next(call), endRequest, requestEvents)
        })
      }),
    attempt: (next) => (call) =>
      Effect.withFiber((fiber): ReturnType<typeof next> => {
        const provider = providerOf(call.target.provider)
        if (fiber.getRef(Tracer.Tracer) === Tracer.nativeTracer) {
          // Without a span of ours the provider's spans are children of the caller's.
          const { span } = call.journal
          if (span?._tag === "ExternalSpan" && provider?.propagates === true)
            call.attempt.traceHeaders = traceHeaders(span)
          return next(call)
        }
        const parent = fiber.cache.span
        const trace = parent === undefined ? undefined : Context.getOrUndefined(parent.annotations, CallerTrace)
        return Effect.flatMap(
          Effect.makeSpan(`${operationOf(call)} ${clip(call.target.model)}`, {
            kind: "client",
            ...below(undefined, trace)
          }),
          (span) => {
            if (span.sampled) begin(span, attemptAttributes(known, call, provider))
            if (provider?.propagates === true) call.attempt.traceHeaders = traceHeaders(span)
            return lived(span, call, next(call), endAttempt, (_, endedAtMs, outcome) =>
              attemptEvents(call, outcome, endedAtMs)
            )
          }
        )
      })
  })
}

/** What is known at the start. What is not recorded is not worked out. */
const begin = (span: Tracer.Span, attributes: Attributes): void => {
  for (const name in attributes) span.attribute(name, attributes[name])
}

/** A span's place in the trace of a caller, whose `tracestate` its own children carry on. */
const below = (parent: Tracer.AnySpan | undefined, trace: CallerTrace["Service"] | undefined) => ({
  ...(parent === undefined ? {} : { parent }),
  ...(trace === undefined ? {} : { annotations: Context.make(CallerTrace, trace) })
})

/** Runs below a span, which ends with the call or the attempt: for a stream, when its last part has been read. */
const lived = <C extends Call, A>(
  span: Tracer.Span,
  call: C,
  effect: Opened<A>,
  end: (span: Tracer.Span, call: C, outcome: Outcome) => void,
  events: (call: C, endedAtMs: number, outcome: Outcome) => ReadonlyArray<TraceEvent>
): Opened<A> => {
  call.settlement.add((outcome) => {
    const endedAt = call.clock.currentTimeNanosUnsafe()
    if (span.sampled) {
      end(span, call, outcome)
      const endedAtMs = call.clock.currentTimeMillisUnsafe()
      for (const { atMs, attributes, name } of events(call, endedAtMs, outcome)) {
        const agoNanos = BigInt(Math.round(Math.max(0, endedAtMs - atMs) * 1e6))
        span.event(name, later(endedAt - agoNanos, span), attributes)
      }
    }
    span.end(endedAt, exitOf(outcome))
  })
  return Effect.withParentSpan(effect, span)
}

/** The journal's milliseconds are rounded down, and no event is before its span. */
const later = (at: bigint, { status }: Tracer.Span): bigint => (at < status.startTime ? status.startTime : at)

const requestAttributes = (known: Names, call: Call): Attributes => {
  const { request } = call
  const attributes: Attributes = {
    [known.operation]: operationOf(call),
    "millrace.request.id": request.id,
    "millrace.tenant": clip(request.tenant)
  }
  if (request.key !== undefined) attributes["millrace.key.id"] = request.key.keyId
  if (request.model !== undefined) attributes[known.requestModel] = clip(request.model)
  return withParameters(known, call, attributes)
}

const attemptAttributes = (known: Names, call: AttemptCall, provider: TracedProvider | undefined): Attributes => {
  const attributes: Attributes = {
    [known.operation]: operationOf(call),
    [known.provider]: provider?.genAiName ?? call.target.provider,
    [known.requestModel]: clip(call.target.model),
    "millrace.provider": call.target.provider,
    "millrace.request.id": call.request.id,
    "millrace.attempt": call.journal.attempts.indexOf(call.attempt) + 1
  }
  if (provider?.address !== undefined) attributes[known.serverAddress] = provider.address
  if (provider?.port !== undefined) attributes[known.serverPort] = provider.port
  if (call.attempt.hedge === true) attributes["millrace.hedge"] = true
  return withParameters(known, call, attributes)
}

const withParameters = (known: Names, { request }: Call, attributes: Attributes): Attributes => {
  const set = (name: string | undefined, value: unknown) => {
    if (name !== undefined && value !== undefined) attributes[name] = value
  }
  if (request.stream) attributes[known.requestStream] = true
  set(known.requestMaxTokens, request.maxTokens)
  set(known.requestTemperature, request.temperature)
  set(known.requestTopP, request.topP)
  set(known.requestTopK, request.topK)
  set(known.requestSeed, request.seed)
  set(known.requestPresencePenalty, request.presencePenalty)
  set(known.requestFrequencyPenalty, request.frequencyPenalty)
  set(known.requestReasoning, request.reasoning?.effort)
  set(known.embeddingDimensions, request.embed?.dimensions)
  if (request.responseFormat !== undefined) {
    attributes[known.outputType] = request.responseFormat.type === "text" ? "text" : "json"
  }
  return attributes
}

const operationOf = ({ request }: Call): string => (request.embed === undefined ? "chat" : "embeddings")

const completionOf = (outcome: Outcome): Completion | undefined =>
  outcome._tag === "Success" ? outcome.completion : outcome.partial

/** Names come from callers and from providers: this bounds what one of them can put on a span. */
const clip = (name: string): string => (name.length <= 256 ? name : name.slice(0, 256))

/** The end of a span as tracers record it: the kind of an error, and no text, for that may quote a prompt (law 12). */
const exitOf = (outcome: Outcome): Exit.Exit<void, Error> => {
  if (outcome._tag === "Success") return Exit.void
  if (outcome._tag === "Cancelled") return Exit.interrupt()
  const error = new Error(outcome.error._tag)
  error.name = outcome.error._tag
  error.stack = ""
  return Exit.fail(error)
}
