/**
 * Spans at the request and at each attempt, with OpenTelemetry's GenAI attributes; none per stage.
 *
 * Costs nothing while nobody listens: without a tracer of the host or an exporter no span is made. Prompts and answers
 * are never attributes. Names follow the GenAI semantic conventions of OpenTelemetry.
 */
import { Effect, Exit, type Scope, Tracer } from "effect"
import type { Call, Outcome } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import type { AttemptStage, Stage } from "./Stage.ts"
import { completionTokens, promptTokens } from "./Usage.ts"

export const traceCall: Stage = (next) => (call) =>
  spanned(
    () => ({
      name:
        call.request.embed !== undefined ? "Engine.embed" : call.request.stream ? "Engine.stream" : "Engine.generate",
      attributes: {
        "gen_ai.operation.name": operationOf(call),
        ...(call.request.model === undefined ? {} : { "gen_ai.request.model": call.request.model }),
        "millrace.request.id": call.request.id
      }
    }),
    call,
    next(call)
  )

export const traceAttempt: AttemptStage = (next) => (call) =>
  spanned(
    () => ({
      name: `${operationOf(call)} ${call.target.model}`,
      attributes: {
        "gen_ai.operation.name": operationOf(call),
        "gen_ai.provider.name": call.target.provider,
        "gen_ai.request.model": call.target.model,
        "millrace.attempt": call.journal.attempts.length
      }
    }),
    call,
    next(call)
  )

const operationOf = ({ request }: Call): string => (request.embed === undefined ? "chat" : "embeddings")

const spanned = <A>(
  describe: () => { readonly name: string; readonly attributes: Record<string, unknown> },
  call: Call,
  effect: Effect.Effect<A, EngineError, Scope.Scope>
): Effect.Effect<A, EngineError, Scope.Scope> =>
  Effect.withFiber((fiber) => {
    if (fiber.getRef(Tracer.Tracer) === Tracer.nativeTracer) return effect
    const { attributes, name } = describe()
    return Effect.flatMap(Effect.makeSpan(name, { attributes, kind: "client" }), (span) => {
      call.settlement.add((outcome) => {
        annotate(span, call, outcome)
        span.end(call.clock.currentTimeNanosUnsafe(), exitOf(outcome))
      })
      return Effect.withParentSpan(effect, span)
    })
  })

/** The end of a span as tracers record it: the kind of an error, and no text, for that may quote a prompt (law 12). */
const exitOf = (outcome: Outcome): Exit.Exit<void, Error> => {
  if (outcome._tag === "Success") return Exit.void
  if (outcome._tag === "Cancelled") return Exit.interrupt()
  const error = new Error(outcome.error._tag)
  error.name = outcome.error._tag
  error.stack = ""
  return Exit.fail(error)
}

const annotate = (span: Tracer.Span, call: Call, outcome: Outcome): void => {
  const completion = outcome._tag === "Success" ? outcome.completion : outcome.partial
  if (call.journal.target !== undefined) span.attribute("gen_ai.provider.name", call.journal.target.provider)
  span.attribute("millrace.cache", call.journal.cache)
  if (completion !== undefined) {
    span.attribute("gen_ai.response.model", completion.model)
    span.attribute("gen_ai.response.finish_reasons", [completion.finishReason])
    span.attribute("gen_ai.usage.input_tokens", promptTokens(completion.usage))
    span.attribute("gen_ai.usage.output_tokens", completionTokens(completion.usage))
  }
  if (outcome._tag === "Failure") {
    span.attribute("error.type", outcome.error._tag)
    span.attribute("millrace.fault", outcome.error.fault)
  } else if (outcome._tag === "Cancelled") span.attribute("error.type", "Cancelled")
}
