/**
 * A flight as other instances read it: publishes what has come and what comes, while somebody elsewhere follows.
 *
 * To its flight it is one more reader, so the upstream call goes on for it when all callers of this instance have left, and
 * ends when the last follower leaves too. With no follower it reads nothing and publishes nothing. One fiber does one step
 * after the other; what did not arrive is published again from the beginning, which adds nothing for who has it.
 */
import { Cause, Effect } from "effect"
import { internalError } from "./Attempt.ts"
import { type Call, Settlement } from "./Call.ts"
import type { EngineError } from "./Errors.ts"
import type { Flight, Member } from "./Flight.ts"
import { askedBy } from "./FlightFailure.ts"
import { billOf, type FlightMessage, headOf, write, writeBill } from "./FlightMessage.ts"
import * as Scripts from "./FlightScripts.ts"
import type { SharedLink } from "./SharedLink.ts"
import { recovered } from "./SharedRecovery.ts"

/** What the flights that an instance leads have in common. */
export interface PublisherHost {
  readonly link: SharedLink
  readonly fork: (effect: Effect.Effect<void>) => void
  /** Bytes that are published of one answer. */
  readonly bytesMax: number
  /** Milliseconds that a leader and its followers are taken for alive after their last word. */
  readonly leaseMs: number
  /** Milliseconds that followers wait for a link that is down. */
  readonly healMs: number
  /** The flight is over, and told where it had to be. */
  readonly done: (id: string) => void
}

export class FlightPublisher implements Member {
  readonly call: Call
  readonly shared = []
  cursor = 0
  cutOff: EngineError | undefined
  private readonly host: PublisherHost
  private readonly flight: Flight
  private readonly id: string
  private readonly keys: Scripts.FlightKeys
  private readonly partsKey: string
  private readonly instance: string
  /** Somebody elsewhere follows. */
  private wanted = false
  /** Counts followers as they come: an answer from before one of them says nothing of it. */
  private come = 0
  /** Epoch milliseconds until which followers may not have come back to a link that was down. */
  private graceUntilMs = 0
  private running = false
  private isSettled = false
  private stop: (() => void) | undefined
  /** Parts that have been published. */
  private sent = 0
  private bytes = 0

  constructor(host: PublisherHost, flight: Flight, id: string) {
    const { clock, journal, request } = flight.call
    this.host = host
    this.flight = flight
    this.id = id
    this.keys = Scripts.keysOf(flight.key)
    this.partsKey = Scripts.partsKeyOf(flight.key, id)
    this.instance = host.link.instance
    this.call = {
      request: { ...request, timeoutMs: undefined },
      clock,
      journal: { ...journal, attempts: [] },
      settlement: new Settlement()
    }
  }

  get isSecond(): boolean {
    return this.flight.isSecond
  }

  enter(): void {}

  adopt(): void {}

  /** Nobody is left here: the bill waits for whoever leaves last elsewhere, or gets the end. */
  pays(): Effect.Effect<boolean> {
    const { flight, followers } = this.keys
    const bill = writeBill(billOf(this.flight.call.journal))
    return Effect.catch(this.host.link.run(Scripts.owe, [flight, followers], [this.id, bill]), () =>
      Effect.succeed(false)
    )
  }

  /** Somebody follows. */
  follow(): void {
    this.come++
    this.wanted = true
    this.run()
  }

  /** Nobody follows any more. */
  unfollow(): void {
    this.wanted = false
    this.stop?.()
  }

  /** Its flight has been settled. */
  settled(): void {
    this.isSettled = true
    this.run()
  }

  /** Stays the leader, and learns who follows. */
  readonly renew: Effect.Effect<void> = Effect.suspend(() => {
    const { come, flight, host, id, instance, keys } = this
    if (this.isSettled) return Effect.void
    const owed = flight.payer === this ? this.pays() : Effect.void
    const renewed = host.link.run(Scripts.renew, [keys.flight, keys.followers], [id, instance, host.leaseMs]).pipe(
      Effect.map((tokens) => {
        if (tokens.length > 0) this.follow()
        else if (this.isAlone(come)) this.unfollow()
      }),
      Effect.ignore
    )
    return Effect.andThen(owed, renewed)
  })

  /** Whether an answer that names no followers is to be believed. */
  private isAlone(come: number): boolean {
    return come === this.come && this.call.clock.currentTimeMillisUnsafe() >= this.graceUntilMs
  }

  private run(): void {
    if (this.running) return
    this.running = true
    this.host.fork(this.course)
  }

  private readonly course: Effect.Effect<void> = Effect.suspend(() => {
    if (this.wanted) {
      if (this.flight.outcome === undefined) this.flight.join(this)
      const left = Effect.suspend(() => this.flight.remove(this))
      return Effect.flatMap(
        Effect.onExit(this.publish, () => left),
        (told) => (told ? this.over : this.course)
      )
    }
    if (this.flight.outcome !== undefined) return this.release
    this.running = false
    return Effect.void
  })

  private readonly over: Effect.Effect<void> = Effect.sync(() => this.host.done(this.id))

  private readonly release: Effect.Effect<void> = Effect.suspend(() =>
    this.host.link.run(Scripts.release, [this.keys.flight, this.keys.followers], [this.id, this.ended()])
  ).pipe(
    Effect.matchEffect({
      onFailure: () => this.over,
      onSuccess: (tokens) => {
        if (tokens.length === 0) return this.over
        this.wanted = true
        return this.course
      }
    })
  )

  /** Publishes until the end, true, or until nobody follows. */
  private readonly publish: Effect.Effect<boolean> = Effect.suspend(() => {
    if (!this.wanted) return Effect.succeed(false)
    const message = this.next()
    if (message !== undefined) return this.send(message)
    const stopped = Effect.callback<void>((resume) => {
      this.stop = () => resume(Effect.void)
      if (!this.wanted) this.stop()
    })
    const something = this.flight.wait(() => Effect.void)
    return Effect.flatMap(Effect.raceFirst(something, stopped), () => this.publish)
  })

  private next(): FlightMessage | undefined {
    const { flight } = this
    const { cause, outcome, started, whole } = flight
    if (this.cutOff !== undefined || !flight.keepsAll || outcome?._tag === "Cancelled") return { type: "gone" }
    if (!started) return cause === undefined ? undefined : this.failure(cause)
    if (this.bytes > this.host.bytesMax) return { type: "gone" }
    const head = this.sent > 0 ? undefined : headOf(flight.call.journal, flight.isSecond)
    if (whole?._tag === "Whole") return { type: "whole", head: head!, completion: whole.completion }
    let parts = flight.take(this)
    if (parts === undefined) {
      flight.readOn()
      parts = flight.take(this)
    }
    if (parts !== undefined) return { type: "parts", head, from: this.sent, parts }
    return flight.cause === undefined ? undefined : this.failure(flight.cause)
  }

  private ended(): Scripts.FlightEnd {
    const { isSecond, outcome } = this.flight
    return outcome?._tag !== "Failure" ? "answered" : isSecond ? "second" : "failed"
  }

  private failure(cause: NonNullable<Flight["cause"]>): FlightMessage {
    const { flight } = this
    const failed = cause.reasons.find(Cause.isFailReason)?.error
    const error =
      failed === undefined || Cause.isDone(failed)
        ? internalError(cause.reasons.find(Cause.isDieReason)?.defect)
        : failed
    const head = headOf(flight.call.journal, flight.isSecond)
    return { type: "failure", head, error, asked: askedBy(flight.call.request) }
  }

  private send(message: FlightMessage): Effect.Effect<boolean> {
    const { flight, host } = this
    const last = message.type !== "parts" || (flight.over && flight.outcome?._tag === "Success")
    const bill = flight.payer === this && last && message.type !== "gone" ? billOf(flight.call.journal) : undefined
    const text = write(bill === undefined || message.type === "gone" ? message : { ...message, bill })
    const keys = [this.keys.flight, this.keys.followers, this.partsKey]
    const billed = bill === undefined ? "" : writeBill(bill)
    const { come } = this
    const args = [this.id, this.instance, host.leaseMs, last ? this.ended() : "", billed, ...fragmentsOf(text)]
    return Effect.matchEffect(host.link.run(Scripts.append, keys, args), {
      onSuccess: (tokens) => {
        if (last) return Effect.succeed(true)
        this.sent += message.parts.length
        this.bytes += text.length
        if (tokens.length === 0 && this.isAlone(come)) this.wanted = false
        return this.publish
      },
      // Whether it has arrived nobody knows.
      onFailure: () => {
        this.graceUntilMs = this.call.clock.currentTimeMillisUnsafe() + host.leaseMs
        this.cursor = 0
        this.sent = 0
        this.bytes = 0
        return Effect.flatMap(recovered(host.link, host.healMs), (up) => (up ? this.publish : this.giveUp))
      }
    })
  }

  /** Followers have gone their own ways by now. */
  private readonly giveUp: Effect.Effect<boolean> = Effect.sync(() => {
    this.wanted = false
    return false
  })
}

const fragmentsOf = (text: string): ReadonlyArray<string> => {
  if (text.length <= Scripts.fragmentMax) return [text]
  const out: Array<string> = []
  for (let at = 0; at < text.length;) {
    const end = at + Scripts.fragmentMax
    // A pair of surrogates is one character, and half of it none.
    const cut = end < text.length && isHighSurrogate(text.charCodeAt(end - 1)) ? end - 1 : end
    out.push(text.slice(at, cut))
    at = cut
  }
  return out
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
