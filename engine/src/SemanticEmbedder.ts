/**
 * Vectors of prompts for the semantic cache: from a provider's embeddings endpoint, or from a function of the application.
 *
 * A provider's embedding is a call through the whole pipeline, so it is limited, priced and counted like any other; it
 * passes by the cache, which is for answers. One that fails or takes longer than its time is no vector: the lookup is a
 * miss and the request goes on (law 11). After some failures in a row nobody is asked for a while.
 */
import { Cause, Clock, Effect, Option } from "effect"
import { makeCall } from "./Call.ts"
import { fromAIEmbedRequest } from "./EmbedRequest.ts"
import { ofOwnCalls } from "./Grant.ts"
import * as Reply from "./Reply.ts"
import type { Request } from "./Request.ts"
import { makeRequestId } from "./RequestId.ts"
import type { Ask } from "./SemanticJudge.ts"

/** Any function that makes a vector of a text; the signal aborts when nobody waits for it any more. */
export type EmbedFunction = (text: string, signal: AbortSignal) => ArrayLike<number> | Promise<ArrayLike<number>>

export interface EmbedderOptions {
  /** `provider/model`, or a function. */
  readonly source: string | EmbedFunction
  readonly timeoutMs: number
}

export interface EmbedderStats {
  readonly asked: number
  readonly failed: number
  readonly late: number
  /** Lookups in the time after failures in which nobody is asked. */
  readonly skipped: number
}

/** Failures in a row after which nobody is asked for a while. */
const failuresMax = 3
const pauseMs = 10_000

export class SemanticEmbedder {
  private readonly options: EmbedderOptions
  private inARow = 0
  private pausedUntilMs = Number.NEGATIVE_INFINITY
  private asked = 0
  private failed = 0
  private late = 0
  private skipped = 0

  constructor(options: EmbedderOptions) {
    this.options = options
  }

  stats(): EmbedderStats {
    const { asked, failed, late, skipped } = this
    return { asked, failed, late, skipped }
  }

  /** The vector of a text; undefined when there is none in time. Never fails. */
  readonly embed = (ask: Ask, asker: Request, text: string): Effect.Effect<ArrayLike<number> | undefined> =>
    Clock.clockWith((clock) => {
      if (clock.currentTimeMillisUnsafe() < this.pausedUntilMs) {
        this.skipped++
        return Effect.succeed(undefined)
      }
      this.asked++
      const { source, timeoutMs } = this.options
      const vector: Effect.Effect<ArrayLike<number> | undefined, unknown> =
        typeof source === "string" ? fromProvider(ask, asker, source, text, clock) : fromCode(source, text)
      const none = () => {
        if (++this.inARow >= failuresMax) this.pausedUntilMs = clock.currentTimeMillisUnsafe() + pauseMs
        return Effect.succeed(undefined)
      }
      return Effect.matchCauseEffect(Effect.timeoutOption(vector, timeoutMs), {
        onSuccess: (found) => {
          if (Option.isNone(found)) {
            this.late++
            return none()
          }
          if (!isVector(found.value)) {
            this.failed++
            return none()
          }
          this.inARow = 0
          return Effect.succeed(found.value)
        },
        onFailure: (cause) => {
          // An interruption is the caller's leaving.
          if (Cause.hasInterruptsOnly(cause)) return Effect.interrupt
          this.failed++
          return none()
        }
      })
    })
}

const fromProvider = (ask: Ask, asker: Request, model: string, text: string, clock: Clock.Clock) => {
  const { priority, tenant } = asker
  const input = { input: text, model, tenant, priority, cache: { mode: "bypass" } }
  return Effect.flatMap(fromAIEmbedRequest(input, makeRequestId()), (request) =>
    Effect.scoped(
      Effect.map(
        Effect.flatMap(ask(makeCall({ ...request, key: ofOwnCalls(asker.key) }, clock)), Reply.collect),
        (completion): ArrayLike<number> | undefined => completion.embeddings?.[0]
      )
    )
  )
}

const fromCode = (embed: EmbedFunction, text: string) =>
  Effect.tryPromise(async (signal): Promise<ArrayLike<number> | undefined> => embed(text, signal))

const isVector = (value: ArrayLike<number> | undefined): value is ArrayLike<number> => {
  if (value === undefined || value === null || !(value.length > 0)) return false
  let sum = 0
  for (let i = 0; i < value.length; i++) sum += value[i]! * value[i]!
  return sum > 0 && sum < Infinity
}
