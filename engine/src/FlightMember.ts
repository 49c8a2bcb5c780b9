/**
 * A caller of a shared upstream call, from the moment it joins until it is settled.
 *
 * It waits for the first part, reads at its own pace, and leaves when it fails or its scope closes. Of the callers of a flight one is the
 * payer: its record tells the attempts and costs, all others were `coalesced` and cost nothing. When the flight fails
 * before its first part it may lead another one, once.
 */
import { Cause, Effect, Stream } from "effect"
import type { Call, Outcome, Settler } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import type { Flight, Member, Pull } from "./Flight.ts"
import { askedBy, couldEndBetter } from "./FlightFailure.ts"
import * as Reply from "./Reply.ts"

type Opened = Effect.Effect<Reply.Reply, EngineError>

export interface MemberHost {
  /** Another flight for a caller whose flight failed before its first part. */
  readonly again: (member: FlightMember) => Opened
  /** A caller that was served from another's upstream call has been settled. */
  readonly onCoalesced: () => void
}

export class FlightMember implements Member {
  readonly call: Call
  flight: Flight | undefined
  cursor = 0
  cutOff: EngineError | undefined
  readonly shared: ReadonlyArray<Settler>
  isSecond = false
  private readonly host: MemberHost
  private present = false

  constructor(host: MemberHost, call: Call) {
    this.host = host
    this.call = call
    const { settlement } = call
    this.shared = settlement.takeShared()
    settlement.release = this.leave
    settlement.review = (outcome) => this.review(outcome)
  }

  enter(flight: Flight): void {
    this.flight = flight
    this.present = true
    this.cursor = 0
  }

  /** Its scope has closed: a caller that nothing else has settled has left early. */
  readonly close: Effect.Effect<void> = Effect.suspend(() => {
    const { flight } = this
    return this.call.settlement.settled || flight === undefined
      ? this.leave
      : this.call.settlement.breakOff({ _tag: "Cancelled", partial: flight.partial() })
  })

  /** Leaves the flight; the last one to leave waits until the upstream call is closed and settled. */
  private readonly leave: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.present) return Effect.void
    this.present = false
    return this.flight!.remove(this)
  })

  /** Waits for the first part; a caller of a whole answer waits for the last one where the flight is streamed. */
  open(): Opened {
    const flight = this.flight!
    if (!flight.started) {
      if (flight.cause === undefined) return flight.wait(() => this.open())
      return this.leadsNext(flight) ? this.move() : Effect.failCause(flight.cause as Cause.Cause<EngineError>)
    }
    this.adopt()
    if (flight.whole !== undefined) return Effect.succeed(flight.whole)
    if (this.call.request.stream || !flight.call.request.stream) {
      const parts = Stream.fromPull(Effect.succeed(Effect.suspend(() => this.read())))
      return Effect.succeed({ _tag: "Parts", parts, settles: true })
    }
    this.cursor = Number.POSITIVE_INFINITY
    return this.complete()
  }

  adopt(): void {
    const { call, flight } = this
    const { journal, request } = call
    const flown = flight!.call.journal
    journal.target = flown.target
    journal.omitted = flown.omitted
    journal.promptTokens = flown.promptTokens
    journal.cacheAgeMs = flown.cacheAgeMs
    journal.cacheStale = flown.cacheStale
    journal.cacheSimilarity = flown.cacheSimilarity
    journal.semanticKey = flown.semanticKey
    journal.elsewhere = flown.elsewhere
    if (flown.cache !== "miss") journal.cache = flown.cache
    // What others have left, by a shared namespace or another key, is none of a caller's business.
    const payer = flight!.call.request
    if (payer.tenant !== request.tenant || payer.key?.keyId !== request.key?.keyId) return
    journal.callerLimits = flown.callerLimits
    journal.budgetLeftUsd = flown.budgetLeftUsd
  }

  /** The parts as this caller reads them: all at once that have come, then one chunk after the other. */
  private read(): Pull {
    const ready = this.ready()
    if (ready !== undefined) return ready
    const flight = this.flight!
    flight.readOn()
    return this.ready() ?? flight.wait(() => this.read())
  }

  /** What can be read now. The last part settles the caller, and so does a failure. */
  private ready(): Pull | undefined {
    const { cutOff, flight } = this
    if (cutOff !== undefined) return this.failed(cutOff, Cause.fail(cutOff))
    const { cause, outcome, over } = flight!
    const chunk = flight!.take(this)
    if (chunk !== undefined) {
      if (!over || outcome?._tag !== "Success") return Effect.succeed(chunk)
      const settled = this.call.settlement.run(outcome)
      return settled === Effect.void ? Effect.succeed(chunk) : Effect.as(settled, chunk)
    }
    if (cause !== undefined) return this.failed(cause.reasons.find(Cause.isFailReason)?.error, cause)
    return over ? Cause.done() : undefined
  }

  private failed(error: EngineError | Cause.Done | undefined, cause: Cause.Cause<EngineError | Cause.Done>): Pull {
    if (error === undefined || Cause.isDone(error)) return Effect.failCause(cause)
    const settled = this.call.settlement.breakOff({ _tag: "Failure", error, partial: this.flight!.partial() })
    return Effect.andThen(settled, Effect.failCause(cause))
  }

  private complete(): Opened {
    const flight = this.flight!
    const { cause, outcome, over } = flight
    if (cause !== undefined) return Effect.failCause(cause as Cause.Cause<EngineError>)
    if (over && outcome?._tag === "Success") return Effect.succeed(Reply.whole(outcome.completion))
    const { events } = flight
    flight.readOn()
    const again = () => this.complete()
    return events === flight.events ? flight.wait(again) : Effect.suspend(again)
  }

  /** Whether this caller may ask upstream itself: once, where its own call could end better, and never twice. */
  private leadsNext(flight: Flight): boolean {
    if (this.isSecond || flight.isSecond || flight.payer === this) return false
    const error = flight.cause!.reasons.find(Cause.isFailReason)?.error
    if (error === undefined || Cause.isDone(error)) return false
    return couldEndBetter(error, askedBy(flight.call.request), askedBy(this.call.request))
  }

  private move(): Opened {
    this.isSecond = true
    return Effect.andThen(
      this.leave,
      Effect.suspend(() => this.host.again(this))
    )
  }

  /** Books the end of this caller: the flight's attempts, tokens and costs are told by its payer alone. */
  private review(outcome: Outcome): Outcome {
    const { flight } = this
    if (flight === undefined) return outcome
    const { journal } = this.call
    const flown = flight.call.journal
    const pays = flight.payer === this
    if (pays) {
      journal.candidates = flown.candidates
      journal.queueMs = flown.queueMs
      // A second leader has waited for somebody else's call, which is no work of ours.
      journal.overheadMs = this.isSecond ? undefined : flown.overheadMs
    }
    // A caller whose flight failed may have been served what the cache still had.
    if (journal.cache === "hit") return outcome
    this.adopt()
    if (flown.cache === "miss") journal.cache = pays ? "miss" : "coalesced"
    if (journal.cache === "coalesced") this.host.onCoalesced()
    if (!pays) return outcome
    if (outcome._tag === "Success" || flight.outcome === undefined) return outcome
    const partial = flight.outcome._tag === "Success" ? flight.outcome.completion : flight.outcome.partial
    return { ...outcome, partial }
  }
}
