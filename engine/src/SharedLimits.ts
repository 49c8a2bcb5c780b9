/**
 * The limits of providers, models, tenants and keys over all instances.
 *
 * At admission an attempt that the limiter of this process has let through asks the shared store once for all its scopes:
 * everything or nothing. Without room it waits in order, and lets nobody else of its scope through. At settlement it gives
 * back and corrects, without waiting. While the store is away each instance keeps to an equal part of each limit
 * (`LocalShare`), and a while longer when it is back, until all have told what went meanwhile. No request fails for it.
 */
import { Clock, Context, Effect, Layer } from "effect"
import type { Outcome } from "./Call.ts"
import { RateLimitExceeded } from "./Errors.ts"
import type { Ask, LimiterStore, Verdict } from "./LimiterStore.ts"
import type { RateReservation } from "./RateReservation.ts"
import { usedOf } from "./RateUsed.ts"
import type { SharedBeat } from "./SharedBeat.ts"
import { SharedLedger, type SharedUse, type Ticket } from "./SharedLedger.ts"
import { type LineWaiter, SharedLines } from "./SharedLines.ts"
import type { AttemptCall, AttemptStage, OpenAttempt } from "./Stage.ts"

export interface SharedLimitsOptions {
  readonly store: LimiterStore
  readonly beat: SharedBeat["Service"]
  /** Longest wait of an attempt in milliseconds, its wait in this process included. */
  readonly maxWaitMs: () => number
  /** Told about every wait that ended with admission. */
  readonly onWait?: ((provider: string, waitedMs: number) => void) | undefined
  /** Told that another instance was asked by a provider to wait. */
  readonly onPause?: ((provider: string, untilMs: number) => void) | undefined
}

export interface SharedLimitsStatus {
  /** Instances that were alive when they were counted last, this one included. */
  readonly instances: number
  /** `shared`: counted over all instances; `share`: an equal part for each, since the store is away or has just come back. */
  readonly mode: "shared" | "share"
  /** Attempts that wait for other instances. */
  readonly waiting: number
  /** Attempts that were let through by this process's part alone, since the start. */
  readonly decidedAlone: number
}

export class SharedLimits extends Context.Service<
  SharedLimits,
  {
    readonly stage: AttemptStage
    /** Undefined where limits are not shared. */
    readonly status: () => SharedLimitsStatus | undefined
    /** What all instances hold of a provider, as it was heard last; undefined where nothing is known. */
    readonly provider: (name: string) => SharedUse | undefined
  }
>()("millrace/SharedLimits") {
  /** Limits of this process alone: attempts pass untouched. */
  static readonly layerNone = Layer.succeed(SharedLimits, {
    stage: (next) => next,
    status: () => undefined,
    provider: () => undefined
  })

  static readonly layer = (options: SharedLimitsOptions): Layer.Layer<SharedLimits> =>
    Layer.effect(
      SharedLimits,
      Effect.gen(function* () {
        const { beat } = options
        const runFork = Effect.runForkWith(yield* Effect.context<never>())
        const gate = new Gate(options, beat, yield* Clock.Clock, (effect) => {
          const fiber = runFork(effect)
          return () => fiber.interruptUnsafe()
        })
        const stop = beat.add(gate.part)
        yield* Effect.addFinalizer(() => Effect.sync(stop))
        yield* options.store.listen({
          freed: (scope) => gate.lines.wake(scope),
          paused: (provider, forMs) => options.onPause?.(provider, gate.nowMs + forMs),
          lowered: (rate) => gate.ledger.lowered(rate)
        })
        return SharedLimits.of({
          stage: (next) => (call) => {
            const { reserved } = call.attempt
            return reserved === undefined ? next(call) : gate.admit(call, reserved, next)
          },
          status: () => ({
            instances: beat.members(),
            mode: gate.ledger.shared ? "shared" : "share",
            waiting: gate.lines.waiting,
            decidedAlone: gate.ledger.decidedAlone
          }),
          provider: (name) => gate.ledger.useOf(name)
        })
      })
    )
}

interface Waiter extends LineWaiter {
  /** By which its claims are known. */
  name: string | undefined
  readonly call: AttemptCall
  readonly reserved: RateReservation
  readonly next: OpenAttempt
  readonly resume: (effect: ReturnType<OpenAttempt>) => void
}

/** Shortest time in milliseconds that a refused caller is told to wait. */
const retryAfterMsMin = 1000

class Gate {
  readonly ledger: SharedLedger
  readonly lines: SharedLines<Waiter>
  readonly part
  private names = 0
  private readonly options: SharedLimitsOptions
  private readonly beat: SharedBeat["Service"]
  private readonly clock: Clock.Clock
  private readonly fork: (effect: Effect.Effect<void>) => () => void

  constructor(
    options: SharedLimitsOptions,
    beat: SharedBeat["Service"],
    clock: Clock.Clock,
    fork: (effect: Effect.Effect<void>) => () => void
  ) {
    this.options = options
    this.beat = beat
    this.clock = clock
    this.fork = fork
    this.ledger = new SharedLedger(options.store, beat, () => this.nowMs)
    const later = (run: () => void) => void fork(Effect.andThen(Effect.yieldNow, Effect.sync(run)))
    this.lines = new SharedLines<Waiter>({
      nowMs: () => this.nowMs,
      wakeAfter: (delayMs, run) => fork(Effect.andThen(Effect.sleep(delayMs), Effect.sync(run))),
      later,
      ask: (waiter) => this.ask(waiter),
      late: (waiter) => this.refuse(waiter, `waited ${Math.round(this.waitedMs(waiter))} ms for other instances`, 0)
    })
    this.part = this.ledger.beatPart({
      changed: () => this.lines.wake(undefined),
      fork: (effect) => void fork(effect)
    })
  }

  get nowMs(): number {
    return this.clock.currentTimeMillisUnsafe()
  }

  admit(call: AttemptCall, reserved: RateReservation, next: OpenAttempt): ReturnType<OpenAttempt> {
    return Effect.callback((resume) => {
      const waiter: Waiter = {
        call,
        reserved,
        next,
        resume,
        scopes: scopesOf(reserved),
        name: undefined,
        sinceMs: undefined,
        untilMs: this.nowMs + Math.max(0, this.options.maxWaitMs() - call.attempt.queueMs),
        gone: false
      }
      if (!this.lines.follow(waiter)) this.ask(waiter)
      return Effect.sync(() => {
        if (waiter.gone) return
        waiter.gone = true
        this.lines.leave(waiter)
      })
    })
  }

  private ask(waiter: Waiter): void {
    const { ledger } = this
    const ask = { ...ledger.askOf(waiter.reserved), claim: this.claimOf(waiter) }
    if (!ledger.shared) return this.decideAlone(waiter)
    const asked = ledger.asking(ask)
    void this.fork(
      Effect.match(this.options.store.admit(ask), {
        onFailure: () => {
          asked.lost()
          this.decideAlone(waiter)
        },
        onSuccess: (verdict) => {
          if (verdict._tag === "Granted") {
            const ticket = asked.granted(verdict, waiter.reserved)
            if (waiter.gone) ledger.giveBack(ticket, undefined)
            else this.go(waiter, ticket)
            return
          }
          asked.refused()
          if (waiter.gone) return
          if (verdict._tag === "Refused") return this.wait(waiter, verdict)
          this.beat.forgotten(ask.member)
          this.ask(waiter)
        }
      })
    )
  }

  /** By this process's part of each limit. */
  private decideAlone(waiter: Waiter): void {
    if (waiter.gone) return
    const verdict = this.ledger.takeShare(waiter.reserved)
    if ("ticket" in verdict) this.go(waiter, verdict.ticket)
    else this.wait(waiter, verdict)
  }

  private wait(
    waiter: Waiter,
    { scope, waitMs }: Pick<Extract<Verdict, { _tag: "Refused" }>, "scope" | "waitMs">
  ): void {
    const { nowMs } = this
    this.ledger.blocked(waiter.reserved, scope)
    const { journal, request } = waiter.call
    const leftMs = request.timeoutMs === undefined ? Infinity : journal.startedAtMs + request.timeoutMs - nowMs
    if (waitMs !== undefined && nowMs + waitMs > Math.min(waiter.untilMs, nowMs + leftMs)) {
      return this.refuse(waiter, "all instances together have no room in time", waitMs)
    }
    this.lines.refused(waiter, scope, waitMs)
  }

  private go(waiter: Waiter, ticket: Ticket): void {
    const { call, next, resume } = waiter
    const waitedMs = this.waitedMs(waiter)
    waiter.gone = true
    if (waiter.sinceMs !== undefined) {
      call.attempt.queueMs += waitedMs
      call.journal.queueMs += waitedMs
      this.options.onWait?.(call.target.provider, waitedMs)
    }
    call.settlement.add((outcome) => this.settle(call, ticket, outcome))
    resume(Effect.flatMap(Effect.yieldNow, () => next(call)))
    this.lines.leave(waiter)
  }

  private refuse(waiter: Waiter, detail: string, waitMs: number): void {
    const { call, resume } = waiter
    waiter.gone = true
    this.lines.leave(waiter)
    const retryAfterMs = Math.max(retryAfterMsMin, Math.ceil(waitMs))
    resume(Effect.fail(new RateLimitExceeded({ limit: `${call.target.provider} rate limit`, detail, retryAfterMs })))
  }

  /** Undefined for one that has not waited. */
  private claimOf(waiter: Waiter): Ask["claim"] {
    if (waiter.sinceMs === undefined) return undefined
    waiter.name ??= `${this.beat.member()}:${++this.names}`
    return { id: waiter.name, waitedMs: this.waitedMs(waiter) }
  }

  private waitedMs({ sinceMs }: Waiter): number {
    return sinceMs === undefined ? 0 : this.nowMs - sinceMs
  }

  private settle(call: AttemptCall, ticket: Ticket, outcome: Outcome): void {
    this.ledger.giveBack(ticket, usedOf(call, outcome))
    if (!this.ledger.shared) for (const { id } of scopesOf(ticket.reserved)) this.lines.wake(id)
    if (outcome._tag !== "Failure" || outcome.error._tag !== "ProviderRateLimited") return
    const { retryAfterMs } = outcome.error
    if (retryAfterMs !== undefined && retryAfterMs > 0) this.options.store.pause(call.target.provider, retryAfterMs)
  }
}

const scopesOf = ({ key, model, provider, tenant }: RateReservation) =>
  [provider, model, tenant, key].flatMap((hold) => (hold === undefined ? [] : [hold.scope]))
