/**
 * One upstream call that several callers share: what has come of it so far, and everybody who reads it.
 *
 * The call runs in fibers of the flight and not of a caller, so nobody's leaving breaks it while another stays; the last
 * to leave closes it. Upstream is read when a reader has read all that is there, never ahead and never for somebody who
 * does not read, so one who is slow holds up nobody. All parts are kept up to a bound, for those who join later; past it
 * nobody joins, and whoever is further behind than the bound is cut off.
 */
import { Cause, Context, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { type Call, type Outcome, type Settler, Settlement } from "./Call.ts"
import { type EngineError, RateLimitExceeded } from "./Errors.ts"
import { type Chunk, FlightBuffer, type Reader } from "./FlightBuffer.ts"
import { couldEndBetter } from "./FlightFailure.ts"
import * as Reply from "./Reply.ts"
import type { Open } from "./Stage.ts"

type Opened = Effect.Effect<Reply.Reply, EngineError>
type Pull = Effect.Effect<Chunk, EngineError | Cause.Done>

/** What the flights of an engine have in common. */
export interface FlightHost {
  /** The pipeline below, which settles the call of the flight. */
  readonly open: Open
  /** Bytes of an answer that are kept for those who join or read later, by the texts of its parts. */
  readonly bufferBytesMax: number
  /** Nobody can join this flight any more. */
  readonly closeDoor: (flight: Flight) => void
  /** Another flight for a caller whose flight failed before its first part. */
  readonly again: (member: Member) => Opened
  /** A caller that was served from another's upstream call has been settled. */
  readonly onCoalesced: () => void
}

/** A caller of a flight, from the moment it joins. */
export class Member implements Reader {
  readonly call: Call
  flight: Flight | undefined
  /** Chunks that it has read; infinite for one that only waits for the end. */
  cursor = 0
  /** Set when it read too slowly. */
  cutOff: EngineError | undefined
  /** What its cache stage has to do once for the answer, whoever is still there then. */
  readonly shared: ReadonlyArray<Settler>
  private readonly host: FlightHost
  private present = false
  private moved = false

  constructor(host: FlightHost, call: Call) {
    this.host = host
    this.call = call
    this.shared = call.settlement.takeShared()
    call.settlement.release = this.leave
    call.settlement.review = (outcome) => this.review(outcome)
  }

  /** True once it has had a flight that failed. */
  get isSecond(): boolean {
    return this.moved
  }

  enter(flight: Flight): void {
    this.flight = flight
    this.present = true
    this.cursor = 0
  }

  /** Leaves the flight; the last one to leave waits until the upstream call is closed and settled. */
  readonly leave: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.present) return Effect.void
    this.present = false
    return this.flight!.remove(this)
  })

  /** Waits for the first part; a caller of a whole answer waits for the last one where the flight is streamed. */
  readonly opened: Opened = Effect.suspend((): Opened => {
    const flight = this.flight!
    if (!flight.started) {
      if (flight.cause === undefined) return flight.wait(this.opened)
      return this.leadsNext(flight) ? this.move() : Effect.failCause(flight.cause as Cause.Cause<EngineError>)
    }
    this.adopt()
    if (flight.whole !== undefined) return Effect.succeed(flight.whole)
    if (this.call.request.stream || !flight.call.request.stream) {
      return Effect.succeed(Reply.parts(Stream.fromPull(Effect.succeed(this.pull))))
    }
    this.cursor = Number.POSITIVE_INFINITY
    return this.completed
  })

  /** Notes who answers, as far as the flight knows. */
  adopt(): void {
    const { journal } = this.call
    const flown = this.flight!.call.journal
    journal.target = flown.target
    journal.omitted = flown.omitted
    journal.promptTokens = flown.promptTokens
    journal.cacheAgeMs = flown.cacheAgeMs
    journal.cacheSimilarity = flown.cacheSimilarity
    if (flown.cache !== "miss") journal.cache = flown.cache
  }

  /** The parts as this caller reads them: all at once that have come, then one chunk after the other. */
  private readonly pull: Pull = Effect.suspend((): Pull => {
    const ready = this.ready()
    if (ready !== undefined) return ready
    const flight = this.flight!
    flight.readOn()
    return this.ready() ?? flight.wait(this.pull)
  })

  private ready(): Pull | undefined {
    const flight = this.flight!
    if (this.cutOff !== undefined) return Effect.fail(this.cutOff)
    const chunk = flight.buffer.take(this)
    if (chunk !== undefined) return Effect.succeed(chunk)
    if (flight.cause !== undefined) return Effect.failCause(flight.cause)
    return flight.over ? Cause.done() : undefined
  }

  private readonly completed: Opened = Effect.suspend((): Opened => {
    const flight = this.flight!
    if (!flight.over) flight.readOn()
    if (flight.cause !== undefined) return Effect.failCause(flight.cause as Cause.Cause<EngineError>)
    if (flight.outcome?._tag === "Success") return Effect.succeed(Reply.whole(flight.outcome.completion))
    return flight.wait(this.completed)
  })

  /** Whether this caller may ask upstream itself: once, where its own call could end better, and never twice. */
  private leadsNext(flight: Flight): boolean {
    if (this.moved || flight.isSecond || flight.payer === this) return false
    const error = flight.cause!.reasons.find(Cause.isFailReason)?.error
    if (error === undefined || Cause.isDone(error)) return false
    return couldEndBetter(error, flight.call.request, this.call.request)
  }

  private move(): Opened {
    this.moved = true
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
    if (flight.payer !== this) {
      journal.cache = flown.cache === "miss" ? "coalesced" : flown.cache
      if (journal.cache === "coalesced") this.host.onCoalesced()
      return outcome
    }
    this.adopt()
    journal.cache = flown.cache
    journal.candidates = flown.candidates
    journal.queueMs = flown.queueMs
    // A second leader has waited for somebody else's call, which is no work of ours.
    journal.overheadMs = this.moved ? undefined : flown.overheadMs
    if (outcome._tag === "Success" || flight.outcome === undefined) return outcome
    const partial = flight.outcome._tag === "Success" ? flight.outcome.completion : flight.outcome.partial
    return { ...outcome, partial }
  }
}

export class Flight {
  readonly key: string
  /** The call that goes upstream: with a settlement and a journal of its own. */
  readonly call: { -readonly [K in keyof Call]: Call[K] }
  /** Who tells the attempts and the costs: the one who led, and once it has left, whoever has been there longest. */
  payer: Member
  /** The first part is in hand. */
  started = false
  whole: Reply.Reply | undefined
  outcome: Outcome | undefined
  /** Why it failed; the same for everybody. */
  cause: Cause.Cause<EngineError | Cause.Done> | undefined
  /** True when a flight with the same callers has failed before. */
  readonly isSecond: boolean
  readonly buffer: FlightBuffer
  private readonly host: FlightHost
  private readonly members = new Set<Member>()
  private readonly scope = Scope.makeUnsafe()
  private readonly runFork: ReturnType<typeof Effect.runForkWith<Scope.Scope>>
  private reading: Fiber.Fiber<unknown, unknown> | undefined
  private busy = false
  private upstream: Pull | undefined
  private waiting: Set<() => void> | undefined

  constructor(host: FlightHost, leader: Member, context: Context.Context<never>) {
    const { clock, journal, request } = leader.call
    this.host = host
    this.buffer = new FlightBuffer(host.bufferBytesMax)
    this.key = journal.cacheKey!
    this.payer = leader
    this.isSecond = leader.isSecond
    const settlement = new Settlement()
    for (const settler of leader.shared) settlement.add(settler)
    settlement.add((outcome) => {
      this.outcome = outcome
      leader.adopt()
    })
    this.call = { request, clock, journal: { ...journal, cache: "miss" }, settlement }
    this.runFork = Effect.runForkWith(Context.add(context, Scope.Scope, this.scope))
    this.admit(leader)
    journal.cache = "miss"
  }

  /** Nothing will come any more. */
  get over(): boolean {
    return this.cause !== undefined || this.call.settlement.settled
  }

  /** Whether a caller may join. One that wants a fresh answer joins only what no provider has been asked for yet. */
  admits({ request }: Call): boolean {
    if (request.cacheMode !== "refresh") return true
    const { attempts } = this.call.journal
    return attempts.length > 0 && attempts.every(({ sentAtMs }) => sentAtMs === undefined)
  }

  join(member: Member): void {
    this.admit(member)
    const { journal, request } = member.call
    journal.cache = "coalesced"
    const flown = this.call.request
    const priority = Math.min(flown.priority, request.priority)
    // It may wait as long as the most patient of its callers.
    const timeoutMs =
      flown.timeoutMs === undefined || request.timeoutMs === undefined
        ? undefined
        : Math.max(flown.timeoutMs, journal.startedAtMs + request.timeoutMs - this.call.journal.startedAtMs)
    if (priority !== flown.priority || timeoutMs !== flown.timeoutMs) {
      this.call.request = { ...flown, priority, timeoutMs }
    }
  }

  /** Opens the upstream call. */
  start(): void {
    const open = Effect.flatMap(
      Effect.suspend(() => this.host.open(this.call)),
      (reply) => {
        if (reply._tag === "Parts") {
          return Effect.map(Reply.toPull(reply.parts, this.scope), (pull) => {
            this.upstream = pull
          })
        }
        this.whole = reply
        return Effect.void
      }
    )
    this.run(open, (exit) => {
      if (Exit.isSuccess(exit)) this.started = true
      else this.cause = exit.cause
    })
  }

  /** Reads the next parts from upstream, unless that is being done. */
  readOn(): void {
    if (this.busy || this.over || this.upstream === undefined) return
    this.run(this.upstream, (exit) => {
      if (Exit.isSuccess(exit)) this.keep(exit.value)
      else this.cause = exit.cause
    })
  }

  /** Goes on when something has happened. */
  wait<A, E>(next: Effect.Effect<A, E>): Effect.Effect<A, E> {
    const waiting = Effect.callback<void>((resume) => {
      const wake = () => resume(Effect.void)
      this.waiting = (this.waiting ?? new Set()).add(wake)
      return Effect.sync(() => void this.waiting?.delete(wake))
    })
    return Effect.flatMap(waiting, () => next)
  }

  remove(member: Member): Effect.Effect<void> {
    if (!this.members.delete(member)) return Effect.void
    if (this.members.size > 0) {
      if (this.payer === member && !this.over) this.handOver(member)
      return Effect.void
    }
    this.host.closeDoor(this)
    const close = Effect.suspend(() => Scope.close(this.scope, Exit.void))
    return this.reading === undefined ? close : Effect.andThen(Fiber.interrupt(this.reading), close)
  }

  private admit(member: Member): void {
    member.enter(this)
    this.members.add(member)
  }

  private handOver(from: Member): void {
    const [next] = this.members
    this.payer = next!
    this.payer.call.journal.attempts = this.call.journal.attempts
    this.payer.call.journal.cache = "miss"
    from.call.journal.attempts = []
    from.call.journal.cache = "coalesced"
  }

  /** Runs something in a fiber of the flight, as far as it goes at once, then tells everybody who waits. */
  private run<A, E>(effect: Effect.Effect<A, E, Scope.Scope>, onExit: (exit: Exit.Exit<A, E>) => void): void {
    this.busy = true
    const ended = (exit: Exit.Exit<A, E>) => {
      this.busy = false
      this.reading = undefined
      onExit(exit)
      if (this.over) this.host.closeDoor(this)
      this.wake()
    }
    const fiber = this.runFork(effect)
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) return ended(exit)
    this.reading = fiber
    fiber.addObserver(ended)
  }

  private wake(): void {
    const { waiting } = this
    if (waiting === undefined) return
    this.waiting = undefined
    for (const wake of waiting) wake()
  }

  private keep(chunk: Chunk): void {
    if (this.buffer.push(chunk)) return
    this.host.closeDoor(this)
    for (const member of this.buffer.trim(this.members)) this.cut(member)
  }

  private cut(member: Member): void {
    member.cutOff = new RateLimitExceeded({
      limit: "shared answer",
      detail: `the caller reads more than ${this.host.bufferBytesMax} bytes behind the others who share it`
    })
    this.members.delete(member)
    if (this.payer === member && !this.over) this.handOver(member)
  }
}
