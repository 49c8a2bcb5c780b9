/**
 * Several instances in one process that share limits: each has a limiter, a beat and a way to the store of its own.
 */
import { Clock, Context, Effect, Layer, References, type Scope } from "effect"
import { openAttempt, send } from "../../engine/src/Attempt.ts"
import { makeCall } from "../../engine/src/Call.ts"
import type { EngineError } from "../../engine/src/Errors.ts"
import type { LimiterStore, MemberStore } from "../../engine/src/LimiterStore.ts"
import { RateLimiter, type RateLimiterOptions } from "../../engine/src/RateLimiter.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { SharedBeat } from "../../engine/src/SharedBeat.ts"
import { SharedLimits } from "../../engine/src/SharedLimits.ts"
import { composeAttempt, type OpenAttempt } from "../../engine/src/Stage.ts"
import { makeRequest } from "../engine/requests.ts"
import { limits } from "./engine.ts"

export interface InstanceOptions {
  readonly name: string
  readonly limits: LimiterStore
  readonly members: MemberStore
  readonly rateLimits: Parameters<typeof limits>[0]
  readonly tenants?: RateLimiterOptions["tenants"]
  readonly maxWaitMs?: number
  /** Answers for the provider `p`. */
  readonly provider: OpenAttempt
}

export interface Instance {
  readonly open: OpenAttempt
  readonly limiter: RateLimiter["Service"]
  readonly shared: SharedLimits["Service"]
  readonly beat: SharedBeat["Service"]
}

export const instanceOf = (options: InstanceOptions): Effect.Effect<Instance, never, Scope.Scope> =>
  Effect.gen(function* () {
    const { maxWaitMs = 60_000, members, name, provider, rateLimits, tenants } = options
    const limiter = Context.get(
      yield* Layer.build(
        RateLimiter.layer({
          providers: [{ name: "p", maxTokens: undefined, rateLimits: limits(rateLimits) }],
          queue: { maxWaiting: 100_000, maxWaitMs },
          tenants
        })
      ),
      RateLimiter
    )
    const beat = yield* SharedBeat.make({ instance: name, store: members })
    const shared = Context.get(
      yield* Layer.build(
        SharedLimits.layer({ store: options.limits, beat, maxWaitMs: () => maxWaitMs, onPause: limiter.pause })
      ),
      SharedLimits
    )
    return { limiter, shared, beat, open: composeAttempt(limiter.stage, shared.stage, send)(provider) }
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

export interface Asked {
  readonly prompt: number
  /** What the answer takes, and what the caller names as its bound: the same unless told. */
  readonly output: number
  readonly maxTokens?: number
  readonly tenant?: string
}

/** One attempt from its admission to its settlement; fails as the attempt does. `timeoutMs` is the request's own. */
export const attemptAt = (
  { open }: Pick<Instance, "open">,
  { maxTokens, output, prompt, tenant }: Asked,
  timeoutMs?: number
): Effect.Effect<void, EngineError> =>
  Effect.scoped(
    Effect.flatMap(Clock.Clock, (clock) => {
      const request = makeRequest({
        maxTokens: maxTokens ?? output,
        timeoutMs,
        metadata: { prompt: `${prompt}`, output: `${output}` },
        ...(tenant === undefined ? {} : { tenant })
      })
      const call = makeCall(request, clock)
      call.journal.promptTokens = prompt
      return openAttempt(call, { provider: "p", model: "m" }, open).pipe(
        Effect.flatMap(Reply.collect),
        Effect.flatMap((completion) => call.settlement.run({ _tag: "Success", completion }))
      )
    })
  )
