/**
 * One log line for each settled request, joined with its trace and its usage row by their ids.
 *
 * Acts at settlement only. Failures of providers are warnings and those of the engine errors; every other request has a line
 * at `info` for the share that `logging.requests` says, else at `debug`. Failed attempts and waits have lines of their own at
 * `debug`, by the modules `Fallback` and `RateLimiter`. What a line may say is in `Log.ts`: no key, and prompts and answers
 * only when `logging.content` is on (law 12). What is not written costs next to nothing.
 */
import { Context, Effect, Layer } from "effect"
import { type Attempt, type Call, type Outcome, reachedProvider, upstreamAttempts } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import { framesOf, type LogFields, type LogLevel, type LogModule, logOf, writes } from "./Log.ts"
import * as Reply from "./Reply.ts"
import { textOf } from "./Request.ts"
import type { Stage } from "./Stage.ts"
import { isTraceId } from "./TraceContext.ts"
import * as Usage from "./Usage.ts"

export interface RequestLogOptions {
  readonly level: LogLevel
  readonly levels: { readonly [M in LogModule]?: LogLevel }
  /** Share of the requests that have a line at `info`, 0–1; spread evenly. */
  readonly requests: number
  /** Adds prompts and answers. */
  readonly content: boolean
}

export class RequestLog extends Context.Service<RequestLog, { readonly stage: Stage }>()("millrace/RequestLog") {
  /** Logs through whatever loggers are in the context. */
  static readonly layer = (options: RequestLogOptions) => Layer.sync(RequestLog, () => make(options))
}

const requestLine = logOf("RequestLog")
const fallbackLine = logOf("Fallback")
const limiterLine = logOf("RateLimiter")

const make = (options: RequestLogOptions): RequestLog["Service"] => {
  const { content, level, levels, requests } = options
  const on = (module: LogModule, at: LogLevel) => writes(levels, level, module, at)
  const [debug, info] = [on("RequestLog", "debug"), on("RequestLog", "info")]
  const [warn, error] = [on("RequestLog", "warn"), on("RequestLog", "error")]
  const [attempts, waits] = [on("Fallback", "debug"), on("RateLimiter", "debug")]
  // In millionths: sums of shares are exact then.
  const whole = 1_000_000
  const share = Math.round(requests * whole)
  let due = 0

  /** Every so many requests, so that they come evenly. */
  const chosen = (): boolean => {
    due += share
    if (due < whole) return false
    due -= whole
    return true
  }

  const settle = (call: Call, outcome: Outcome): Effect.Effect<void> | undefined => {
    const failure = outcome._tag === "Failure" ? outcome.error : undefined
    if (failure?.fault === "engine") {
      if (!error) return undefined
      const frames = "cause" in failure ? framesOf(failure.cause) : []
      return requestLine.error("request failed", { ...fieldsOf(call, outcome, content), frames })
    }
    if (failure?.fault === "provider") {
      return warn ? requestLine.warn("request failed", fieldsOf(call, outcome, content)) : undefined
    }
    if (info && share > 0 && chosen()) return requestLine.info("request", fieldsOf(call, outcome, content))
    return debug ? requestLine.debug("request", fieldsOf(call, outcome, content)) : undefined
  }

  const onTheWay = (call: Call): ReadonlyArray<Effect.Effect<void>> =>
    call.journal.attempts.flatMap((attempt, index) => {
      const lines: Array<Effect.Effect<void>> = []
      const fields = () => attemptFields(call, attempt, index)
      if (waits && attempt.queueMs > 0) lines.push(limiterLine.debug("waited for a permit", fields()))
      if (attempts && attempt.error !== undefined) {
        lines.push(
          reachedProvider(attempt)
            ? fallbackLine.debug("attempt failed", fields())
            : fallbackLine.debug("attempt not sent", fields())
        )
      }
      return lines
    })

  const stage: Stage = (next) => (call) => {
    call.settlement.add((outcome) => {
      const line = settle(call, outcome)
      if (!attempts && !waits) return line
      const lines = onTheWay(call)
      if (lines.length === 0) return line
      return Effect.all(line === undefined ? lines : [...lines, line], { discard: true })
    })
    return next(call)
  }

  const silent = !error && !attempts && !waits
  return RequestLog.of({ stage: silent ? (next) => next : stage })
}

const fieldsOf = (call: Call, outcome: Outcome, content: boolean): LogFields => {
  const { journal, request } = call
  const error = outcome._tag === "Failure" ? outcome.error : undefined
  const cancelled = outcome._tag === "Cancelled" || error?._tag === "Cancelled"
  const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
  const target = journal.target ?? journal.attempts.at(-1)?.target ?? journal.candidates[0]
  const { cost, firstPartAtMs, saved, startedAtMs } = journal
  return {
    requestId: request.id,
    ...idsOf(call),
    tenant: request.tenant,
    keyId: request.key?.keyId ?? null,
    provider: target?.provider ?? null,
    model: target?.model ?? null,
    modelRequested: request.model ?? null,
    status: cancelled ? "cancelled" : error === undefined ? "success" : "error",
    ...(cancelled ? { fault: "caller", errorKind: "Cancelled" } : error === undefined ? {} : failureOf(error)),
    cache: journal.cache,
    cacheAgeMs: journal.cacheAgeMs,
    cacheSimilarity: journal.cacheSimilarity,
    stream: request.stream,
    attempts: upstreamAttempts(journal),
    latencyMs: call.clock.currentTimeMillisUnsafe() - startedAtMs,
    ttftMs: firstPartAtMs === undefined ? null : firstPartAtMs - startedAtMs,
    queueMs: journal.queueMs,
    ...(completion === undefined ? {} : tokensOf(completion.usage)),
    costUsd: cost?._tag === "Priced" ? cost.usd : null,
    savedUsd: saved?._tag === "Priced" ? saved.usd : undefined,
    content: content ? contentOf(call, completion, error) : undefined
  }
}

/** Ids of the trace that the call belongs to, where there is one. */
const idsOf = ({ journal: { span } }: Call): { readonly traceId?: string; readonly spanId?: string } =>
  span !== undefined && isTraceId(span.traceId) ? { traceId: span.traceId, spanId: span.spanId } : {}

const tokensOf = (usage: Usage.Usage): LogFields => ({
  promptTokens: Usage.promptTokens(usage),
  completionTokens: usage.output,
  cachedTokens: usage.cacheReadInput,
  reasoningTokens: usage.reasoning
})

/** What a failure is; its message may repeat a prompt and is content. */
const failureOf = (error: EngineError): LogFields => ({
  fault: error.fault,
  errorKind: error._tag,
  httpStatus: error.status,
  upstreamStatus: "upstreamStatus" in error ? error.upstreamStatus : undefined,
  retryAfterMs: "retryAfterMs" in error ? error.retryAfterMs : undefined
})

const contentOf = (call: Call, completion: Reply.Completion | undefined, error: EngineError | undefined) => ({
  prompt: call.request.messages.map((message) => ({ role: message.role, text: textOf(message) })),
  answer: completion === undefined ? null : Reply.textOf(completion),
  ...(error === undefined ? {} : { error: error.message })
})

const attemptFields = (call: Call, attempt: Attempt, index: number): LogFields => ({
  requestId: call.request.id,
  ...idsOf(call),
  ...attempt.target,
  attempt: index + 1,
  ...(attempt.error === undefined ? {} : failureOf(attempt.error)),
  queueMs: attempt.queueMs
})
