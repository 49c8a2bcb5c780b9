/**
 * One log line for each settled request: failures of providers and of the engine as warnings and errors, the rest as debug.
 *
 * Acts at settlement only and costs nothing for levels that are off. A line joins usage rows and traces by the request id;
 * it holds no key, and prompts and answers only when `logging.content` is on (law 12).
 */
import { Context, Effect, Layer, Logger, References } from "effect"
import { type Call, type Outcome, upstreamAttempts } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import * as Reply from "./Reply.ts"
import { textOf } from "./Request.ts"
import type { Stage } from "./Stage.ts"
import { completionTokens, promptTokens } from "./Usage.ts"

export interface RequestLogOptions {
  readonly level: "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "none"
  readonly format: "pretty" | "json"
  /** Adds prompts and answers. */
  readonly content: boolean
}

export class RequestLog extends Context.Service<RequestLog, { readonly stage: Stage }>()("millrace/RequestLog") {
  /** Logs through whatever loggers are in the context. */
  static readonly layer = (options: RequestLogOptions) => Layer.sync(RequestLog, () => make(options))

  /** Loggers on the console for a server of our own; a host application brings its own. */
  static readonly layerConsole = (options: RequestLogOptions): Layer.Layer<never> =>
    Layer.merge(
      Logger.layer([options.format === "json" ? Logger.consoleJson : Logger.consolePretty()]),
      Layer.succeed(References.MinimumLogLevel, logLevels[options.level])
    )
}

const logLevels = {
  trace: "Trace",
  debug: "Debug",
  info: "Info",
  warn: "Warn",
  error: "Error",
  fatal: "Fatal",
  none: "None"
} as const

/** From the most to the least talkative. */
const ranks = Object.keys(logLevels)

const make = (options: RequestLogOptions): RequestLog["Service"] => {
  const logs = (level: keyof typeof logLevels): boolean => ranks.indexOf(options.level) <= ranks.indexOf(level)
  const [debug, warn, error] = [logs("debug"), logs("warn"), logs("error")]

  const settle = (call: Call, outcome: Outcome): Effect.Effect<void> | undefined => {
    const failure = outcome._tag === "Failure" ? outcome.error : undefined
    const fields = () => fieldsOf(call, outcome, options.content)
    if (failure?.fault === "engine") {
      return error ? Effect.logError("request failed", { ...fields(), cause: framesOf(failure) }) : undefined
    }
    if (failure?.fault === "provider") return warn ? Effect.logWarning("request failed", fields()) : undefined
    return debug ? Effect.logDebug("request", fields()) : undefined
  }

  return RequestLog.of({
    stage: (next) => (call) => {
      if (error) call.settlement.add((outcome) => settle(call, outcome))
      return next(call)
    }
  })
}

const fieldsOf = (call: Call, outcome: Outcome, content: boolean): Record<string, unknown> => {
  const { journal, request } = call
  const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
  const endedAtMs = call.clock.currentTimeMillisUnsafe()
  return {
    requestId: request.id,
    tenant: request.tenant,
    provider: journal.target?.provider ?? journal.candidates[0]?.provider ?? null,
    model: journal.target?.model ?? journal.candidates[0]?.model ?? null,
    outcome: outcome._tag.toLowerCase(),
    ...(outcome._tag === "Failure" ? failureOf(outcome.error, content) : {}),
    cache: journal.cache,
    attempts: upstreamAttempts(journal),
    latencyMs: endedAtMs - journal.startedAtMs,
    queueMs: journal.queueMs,
    ...(completion === undefined
      ? {}
      : { promptTokens: promptTokens(completion.usage), completionTokens: completionTokens(completion.usage) }),
    ...(content
      ? {
          prompt: request.messages.map((message) => ({ role: message.role, text: textOf(message) })),
          answer: completion === undefined ? null : Reply.textOf(completion)
        }
      : {})
  }
}

/** A provider's words may repeat a prompt, so the message is content. */
const failureOf = (error: EngineError, content: boolean): Record<string, unknown> => ({
  kind: error._tag,
  fault: error.fault,
  status: error.status,
  ...("upstreamStatus" in error && error.upstreamStatus !== undefined ? { upstreamStatus: error.upstreamStatus } : {}),
  ...(content ? { error: error.message } : {})
})

/** Where a defect came from, without its message: that may hold anything. */
export const framesOf = (error: EngineError): ReadonlyArray<string> => {
  const cause = "cause" in error ? error.cause : undefined
  if (!(cause instanceof Error) || cause.stack === undefined) return []
  return cause.stack
    .split("\n")
    .filter((line) => line.startsWith("    at "))
    .slice(0, 8)
    .map((line) => line.trim())
}
