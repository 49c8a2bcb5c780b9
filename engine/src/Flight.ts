/**
 * One upstream call that several callers share: what has come of it so far, and everybody who reads it.
 *
 * The call runs in fibers of the flight and not of a caller, so nobody's leaving breaks it while another stays; the last
 * to leave closes it. Upstream is read when a reader has read all that is there, never ahead and never for somebody who
 * does not read, so one who is slow holds up nobody. All parts are kept up to a bound, for those who join later; past it
 * nobody joins, and whoever is further behind than the bound is cut off.
 */
import { Cause, Context, Effect, Exit, Fiber, Scope } from "effect"
import { outcomeOfCause } from "./Attempt.ts"
import { type Call, type Outcome, type Settler, Settlement } from "./Call.ts"
import { Ending, type EndingOptions, withUsage } from "./Ending.ts"
import { type EngineError, RateLimitExceeded } from "./Errors.ts"
import { type Chunk, FlightBuffer, type Reader } from "./FlightBuffer.ts"
import * as Reply from "./Reply.ts"
import type { Open } from "./Stage.ts"

export type Pull = Effect.Effect<Chunk, EngineError | Cause.Done>

/** Opens the upstream call of a flight. */
export type OpenFlight = (call: Call, flight: Flight) => ReturnType<Open>

/** What the flights of an engine have in common. */
export interface FlightHost {
  /** The pipeline below. */
  readonly open: OpenFlight
  readonly ending: EndingOptions
  /** Bytes of an answer that are kept for those who join or read later, by the texts of its parts. */
  readonly bufferBytesMax: number
  /** Nobody can join this flight any more. */
  readonly closeDoor: (flight: Flight) => void
}

/** A caller of a flight, as far as the flight knows it. */
export interface Member extends Reader {
  readonly call: Call
  /** What its cache stage has to do once for the answer, whoever is still there then. */
  readonly shared: ReadonlyArray<Settler>
  /** True once it has had a flight that failed. */
  readonly isSecond: boolean
  /** Set when it read too slowly. */
  cutOff: EngineError | undefined
  readonly enter: (flight: Flight) => void
  /** Notes in its journal who answers. */
  readonly adopt: () => void
  /** Whether it can become the payer, where that is not certain; nobody reads along for a reader who can't. */
  readonly pays?: () => Effect.Effect<boolean>
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
  /** Nothing will come any more. */
  over = false
  /** True when a flight with the same callers has failed before. */
  isSecond: boolean
  /** False once the answer is longer than what is kept of it. */
  keepsAll = true
  /** Counts what those who wait wait for. */
  events = 0
  private readonly host: FlightHost
  private readonly members = new Set<Member>()
  private readonly scope = Scope.makeUnsafe()
  private readonly runFork: ReturnType<typeof Effect.runForkWith<Scope.Scope>>
  private reading: Fiber.Fiber<unknown, unknown> | undefined
  private busy = false
  private closed = false
  /** What is kept and how it ends, of an answer in parts. */
  private parts: { readonly buffer: FlightBuffer; readonly ending: Ending } | undefined
  private upstream: Pull | undefined
  private pulled: ((exit: Exit.Exit<Chunk, EngineError | Cause.Done>) => void) | undefined
  private waiting: Set<() => void> | undefined

  constructor(host: FlightHost, leader: Member, context: Context.Context<never>) {
    const { clock, journal, request } = leader.call
    this.host = host
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
    const open = Effect.suspend(() => this.host.open(this.call, this))
    this.run(open, (exit) => (Exit.isSuccess(exit) ? this.opened(exit.value) : this.fail(exit.cause)))
  }

  /** Reads the next parts from upstream, unless that is being done. */
  readOn(): void {
    if (this.busy || this.over || this.upstream === undefined) return
    this.pulled ??= (exit) => (Exit.isSuccess(exit) ? this.keep(exit.value) : this.fail(exit.cause))
    this.run(this.upstream, this.pulled)
  }

  /** What a caller can read at once. */
  take(member: Member): Chunk | undefined {
    return this.parts!.buffer.take(member)
  }

  /** Goes on when something has happened since it was called; its fiber may be halted before it begins to wait. */
  wait<A, E>(next: () => Effect.Effect<A, E>): Effect.Effect<A, E> {
    const { events } = this
    const waiting = Effect.callback<void>((resume) => {
      if (events !== this.events) return resume(Effect.void)
      const wake = () => resume(Effect.void)
      this.waiting = (this.waiting ?? new Set()).add(wake)
      return Effect.sync(() => void this.waiting?.delete(wake))
    })
    return Effect.flatMap(waiting, next)
  }

  /** What has come until now; undefined before the first part. */
  partial(): Reply.Completion | undefined {
    if (this.outcome?._tag === "Success") return this.outcome.completion
    return this.started ? this.parts?.ending.partial() : undefined
  }

  remove(member: Member): Effect.Effect<void> {
    if (!this.members.delete(member)) return Effect.void
    if (this.members.size > 0) {
      return this.payer === member && !this.over ? this.handOver(member) : Effect.void
    }
    this.host.closeDoor(this)
    this.closed = true
    if (this.over) return Scope.close(this.scope, Exit.void)
    const close = Effect.andThen(
      Effect.suspend(() => this.call.settlement.breakOff({ _tag: "Cancelled", partial: this.partial() })),
      Scope.close(this.scope, Exit.void)
    )
    return this.reading === undefined ? close : Effect.andThen(Fiber.interrupt(this.reading), close)
  }

  private admit(member: Member): void {
    member.enter(this)
    this.members.add(member)
  }

  private handOver(from: Member): Effect.Effect<void> {
    // What another instance has taken over is told there.
    if (from.pays !== undefined) return Effect.void
    const members = [...this.members]
    const next = members.find(({ pays }) => pays === undefined) ?? members[0]!
    this.pass(from, next)
    if (next.pays === undefined) return Effect.void
    return Effect.map(next.pays(), (pays) => {
      if (!pays && this.payer === next) this.pass(next, from)
    })
  }

  private pass(from: Member, to: Member): void {
    this.payer = to
    to.call.journal.attempts = this.call.journal.attempts
    to.call.journal.cache = "miss"
    from.call.journal.attempts = []
    from.call.journal.cache = "coalesced"
  }

  private opened(reply: Reply.Reply): void {
    this.call.journal.firstPartAtMs = this.call.clock.currentTimeMillisUnsafe()
    if (reply._tag === "Parts") {
      this.parts = {
        buffer: new FlightBuffer(this.host.bufferBytesMax),
        ending: new Ending(this.host.ending, this.call)
      }
      return this.run(Reply.toPull(reply.parts, this.scope), (exit) => {
        if (Exit.isFailure(exit)) return this.fail(exit.cause)
        this.upstream = exit.value
        this.started = true
        this.wake()
      })
    }
    const completion = withUsage(this.host.ending, this.call, reply.completion)
    this.whole = completion === reply.completion ? reply : Reply.whole(completion)
    this.end(this.call.settlement.run({ _tag: "Success", completion }), () => {
      this.started = true
    })
  }

  private keep(chunk: Chunk): void {
    const { ending } = this.parts!
    const seen = ending.see(chunk)
    this.call.journal.recorder?.record(seen, this.call.clock.currentTimeMillisUnsafe())
    const { completion } = ending
    if (completion !== undefined) {
      return this.end(this.call.settlement.run({ _tag: "Success", completion }), () => this.add(seen))
    }
    this.add(seen)
    this.wake()
  }

  private fail(cause: Cause.Cause<EngineError | Cause.Done>): void {
    const ending = this.started && !Cause.hasInterruptsOnly(cause) ? this.parts?.ending : undefined
    const outcome = ending?.failure(cause) ?? outcomeOfCause(cause as Cause.Cause<EngineError>)
    this.end(this.call.settlement.breakOff(outcome), () => {
      this.cause = ending !== undefined && outcome._tag === "Failure" ? Cause.fail(outcome.error) : cause
    })
  }

  /** Settles the upstream call, then tells everybody. */
  private end(settled: Effect.Effect<void>, then: () => void): void {
    const ended = () => {
      then()
      this.over = true
      this.host.closeDoor(this)
      this.wake()
    }
    if (settled === Effect.void) ended()
    else this.run(settled, ended, { uninterruptible: true })
  }

  /** Runs something in a fiber of the flight, as far as it goes at once; nothing comes of it once everybody has left. */
  private run<A, E>(
    effect: Effect.Effect<A, E, Scope.Scope>,
    onExit: (exit: Exit.Exit<A, E>) => void,
    options?: Effect.RunOptions
  ): void {
    this.busy = true
    const fiber = this.runFork(effect, options)
    const exit = fiber.pollUnsafe()
    if (exit === undefined) {
      this.reading = fiber
      fiber.addObserver((late) => {
        this.reading = undefined
        this.exited(late, onExit)
      })
    } else this.exited(exit, onExit)
  }

  private exited<A, E>(exit: Exit.Exit<A, E>, onExit: (exit: Exit.Exit<A, E>) => void): void {
    this.busy = false
    if (this.closed) return
    try {
      onExit(exit)
    } catch (defect) {
      // Whatever a provider has made of its parts, nobody waits for ever.
      this.fail(Cause.die(defect))
    }
  }

  private wake(): void {
    this.events++
    const { waiting } = this
    if (waiting === undefined) return
    this.waiting = undefined
    for (const wake of waiting) wake()
  }

  private add(chunk: Chunk): void {
    const { buffer } = this.parts!
    if (buffer.push(chunk)) return
    this.keepsAll = false
    this.host.closeDoor(this)
    for (const member of buffer.trim(this.members)) this.cut(member)
  }

  private cut(member: Member): void {
    member.cutOff = new RateLimitExceeded({
      limit: "shared answer",
      detail: `the caller reads more than ${this.host.bufferBytesMax} bytes behind the others who share it`
    })
    this.members.delete(member)
    if (this.payer === member && !this.over) this.runFork(this.handOver(member))
  }
}
