/**
 * What this process holds of the shared limits, what it knows of the others, and by which of the two it goes.
 *
 * It makes asks of reservations, keeps count of what is held (also of asks whose answer has not come), follows what all hold
 * by the beat, and turns to equal parts while the store is away. When it is back, what went meanwhile is told at once, and
 * parts hold for three seconds more, so that all instances have told. It never waits.
 */
import { Effect } from "effect"
import {
  type Ask,
  leaseMs,
  leaseOf,
  type LimiterStore,
  type RateAsk,
  type RateKey,
  type Verdict
} from "./LimiterStore.ts"
import type { RateReservation, ReservedHold } from "./RateReservation.ts"
import type { RateUsed } from "./RateUsed.ts"
import type { BeatPart, SharedBeat } from "./SharedBeat.ts"
import { SharedRates } from "./SharedRates.ts"

/** What an attempt has taken. */
export interface Ticket {
  readonly reserved: RateReservation
  readonly ask: Ask
  /** By the clock of this process. */
  readonly takenAtMs: number
}

/** What all instances hold of a scope, as it was heard last; null where it has no such limit. */
export interface SharedUse {
  readonly requests: { readonly limit: number; readonly used: number } | null
  readonly tokens: { readonly limit: number; readonly used: number } | null
  readonly concurrent: { readonly limit: number; readonly active: number } | null
}

/** Calls at once of a scope. */
interface Place {
  /** By this process, asks without answer included. */
  held: number
  /** Calls at once of all when they were told last. */
  total: number
  concurrent: number
}

/** Parts hold for so long after the store has come back. */
const graceMs = 3000

/** From so many places on those are forgotten of which nothing is held. */
const placesMax = 1024

export class SharedLedger {
  /** True while all instances are asked. */
  shared: boolean
  decidedAlone = 0
  private readonly store: LimiterStore
  private readonly beat: SharedBeat["Service"]
  private readonly now: () => number
  private readonly rates: SharedRates
  private readonly places = new Map<string, Place>()
  /** Milliseconds by which the store's clock is ahead. */
  private aheadMs = 0
  /** Instances among which limits are divided. */
  private members = 1
  private awaySinceMs = 0
  /** Until when parts hold though the store is back; undefined while it is away. */
  private graceUntilMs: number | undefined

  constructor(store: LimiterStore, beat: SharedBeat["Service"], now: () => number) {
    this.store = store
    this.beat = beat
    this.now = now
    this.rates = new SharedRates(store)
    this.shared = beat.joined()
  }

  /** What it says and hears with the beat; `changed` when it goes by something else from now on. */
  beatPart(on: { readonly changed: () => void; readonly fork: (effect: Effect.Effect<void>) => void }): BeatPart {
    return {
      held: () => [...this.places].map(([id, { held }]) => [leaseOf(id), held] as const),
      left: () => {
        // Those that have not come back yet from the last time are among those that were counted before.
        this.members = this.shared ? this.beat.members() : Math.max(this.beat.members(), this.members)
        if (this.shared) this.awaySinceMs = this.now()
        this.shared = false
        this.graceUntilMs = undefined
        on.changed()
      },
      joined: (lost) => {
        const nowMs = this.now()
        const never = this.rates.size === 0 && this.places.size === 0
        this.graceUntilMs = nowMs + (never ? 0 : graceMs)
        if (never) this.shared = true
        else on.fork(this.rates.tell(lost, this.members, this.awaySinceMs, nowMs))
      },
      hear: () => {
        if (this.shared || this.graceUntilMs === undefined || this.now() < this.graceUntilMs) return
        this.shared = true
        this.rates.endShares()
        on.changed()
      },
      after: Effect.suspend(() => this.rates.look(this.now()))
    }
  }

  askOf({ key, model, provider, tenant, tokens }: RateReservation): Ask {
    const nowMs = this.now()
    const rates: Array<RateAsk> = []
    const places: Array<{ readonly scope: string; readonly concurrent: number | undefined }> = []
    for (const hold of [provider, model, tenant, key]) {
      if (hold === undefined) continue
      const { scope } = hold
      places.push({ scope: scope.id, concurrent: Number.isFinite(scope.concurrent) ? scope.concurrent : undefined })
      const requests = this.rates.askOf(scope, "requests", 1, nowMs)
      if (requests !== undefined) rates.push(requests)
      const ofTokens = this.rates.askOf(scope, "tokens", tokens, nowMs)
      if (ofTokens !== undefined) rates.push(ofTokens)
    }
    return { member: this.beat.member(), places, rates }
  }

  /** An ask is on its way: until it is answered, its places count as held. */
  asking(ask: Ask): {
    readonly granted: (verdict: Extract<Verdict, { _tag: "Granted" }>, reserved: RateReservation) => Ticket
    readonly refused: () => void
    /** Nobody knows whether it was granted. */
    readonly lost: () => void
  } {
    this.hold(ask, 1)
    return {
      granted: (verdict, reserved) => this.granted(verdict, ask, reserved),
      refused: () => {
        this.hold(ask, -1)
        this.takeBackPlaces(ask)
      },
      lost: () => {
        this.hold(ask, -1)
        this.takeBackPlaces(ask)
        // Whether it was taken is not known: what is held is told anew.
        this.beat.forgotten(ask.member)
      }
    }
  }

  /** Takes this process's part of every limit, or says what has no room. */
  takeShare(
    reserved: RateReservation
  ): { readonly ticket: Ticket } | { readonly scope: string; readonly waitMs: number | undefined } {
    const ask = this.askOf(reserved)
    const nowMs = this.now()
    for (const { concurrent, scope } of ask.places) {
      if (concurrent === undefined) continue
      if ((this.places.get(scope)?.held ?? 0) >= this.placesOf(scope, concurrent, nowMs))
        return { scope, waitMs: undefined }
    }
    let waitMs = 0
    let worst = ""
    const shares = ask.rates.map((rate) => this.rates.shareOf(rate, this.members, this.awaySinceMs, nowMs))
    for (const [index, share] of shares.entries()) {
      const rate = ask.rates[index]!
      const rateMs = share.waitMs(rate, this.members, nowMs)
      if (rateMs <= waitMs) continue
      waitMs = rateMs
      worst = rate.scope
    }
    if (waitMs > 0) return { scope: worst, waitMs }
    const told = this.beat.joined()
    for (const [index, share] of shares.entries()) share.take(ask.rates[index]!.amount, told, nowMs)
    this.hold(ask, 1)
    // What is taken while joining is told with the rest; its places are not in what was told.
    if (this.beat.telling()) this.store.count({ ...ask, rates: told ? ask.rates : [] })
    this.decidedAlone++
    return { ticket: { reserved, ask, takenAtMs: nowMs } }
  }

  /** Replaces what was reserved by what was used, nothing where the attempt never went, and gives its places back. */
  giveBack({ ask, reserved, takenAtMs }: Ticket, used: RateUsed | undefined): void {
    const nowMs = this.now()
    const told = this.beat.joined()
    this.hold(ask, -1)
    const late = Math.min(used?.output ?? 0, used?.tokens ?? 0)
    const corrections = ask.rates.flatMap((rate) => {
      const isOwn = rate.scope === reserved.tenant?.scope.id || rate.scope === reserved.key?.scope.id
      const requests = (isOwn ? used?.own : used?.requests) ?? 0
      const actual = rate.kind === "requests" ? requests : (used?.tokens ?? 0)
      const correction = { ...rate, reserved: rate.amount, actual, late: rate.kind === "requests" ? 0 : late }
      return actual === rate.amount && correction.late === 0 ? [] : [correction]
    })
    if (!this.shared) {
      for (const { actual, late: lateHere, reserved: amount, ...rate } of corrections) {
        const share = this.rates.shareOf(rate, this.members, this.awaySinceMs, nowMs)
        share.correct(takenAtMs, amount, actual, lateHere, told, nowMs)
      }
    }
    if (!this.beat.telling()) return
    this.store.giveBack({
      member: this.beat.member(),
      places: ask.places.flatMap(({ concurrent, scope }) => (concurrent === undefined ? [] : [scope])),
      rates: told
        ? corrections.map((correction) => ({ ...correction, takenAtMs: Math.floor(takenAtMs + this.aheadMs) }))
        : [],
      scopes: ask.places.map(({ scope }) => scope)
    })
  }

  /** Another instance goes by a lower limit. */
  lowered(rate: RateKey): void {
    this.rates.lowered(rate, this.now())
  }

  /** Somebody waits because of a scope. */
  blocked({ key, model, provider, tenant }: RateReservation, id: string): void {
    const nowMs = this.now()
    for (const hold of [provider, model, tenant, key]) {
      if (hold?.scope.id !== id) continue
      hold.scope.learned.requests.sharedUse(undefined, true, nowMs)
      hold.scope.learned.tokens.sharedUse(undefined, true, nowMs)
    }
  }

  /** What all hold of a provider. */
  useOf(provider: string): SharedUse | undefined {
    const id = `at ${provider}`
    const place = this.places.get(id)
    const use: SharedUse = {
      requests: this.rates.useOf(id, "requests"),
      tokens: this.rates.useOf(id, "tokens"),
      concurrent: place === undefined ? null : { limit: place.concurrent, active: Math.max(place.held, place.total) }
    }
    return use.requests === null && use.tokens === null && use.concurrent === null ? undefined : use
  }

  private granted(verdict: Extract<Verdict, { _tag: "Granted" }>, ask: Ask, reserved: RateReservation): Ticket {
    const nowMs = this.now()
    this.aheadMs = verdict.atMs - nowMs
    this.rates.heard(ask.rates, verdict, nowMs)
    for (const [index, { scope }] of ask.places.entries()) {
      const place = this.places.get(scope)
      if (place !== undefined) place.total = verdict.active[index] ?? 0
    }
    teach(reserved, ask, verdict, nowMs)
    // Under another name than it asked with, the places are among those that it joined with.
    return { reserved, ask, takenAtMs: nowMs }
  }

  /** An ask was refused that counted as held when this process joined anew since. */
  private takeBackPlaces(ask: Ask): void {
    if (ask.member === this.beat.member() || !this.beat.telling()) return
    const places = ask.places.flatMap(({ concurrent, scope }) => (concurrent === undefined ? [] : [scope]))
    this.store.giveBack({ member: this.beat.member(), places, rates: [], scopes: [] })
  }

  private hold({ places }: Ask, amount: number): void {
    for (const { concurrent, scope } of places) {
      if (concurrent === undefined) continue
      const place = this.places.get(scope)
      if (place === undefined) this.places.set(scope, { held: amount, total: 0, concurrent })
      else {
        place.held += amount
        place.concurrent = concurrent
        if (place.held === 0 && this.places.size > placesMax) this.places.delete(scope)
      }
    }
  }

  /** This process's part of calls at once; what others held beyond theirs is free when their calls have probably ended. */
  private placesOf(scope: string, concurrent: number, nowMs: number): number {
    const part = Math.max(1, Math.floor(concurrent / this.members))
    const place = this.places.get(scope)
    if (place === undefined) return part
    const beyond = Math.max(0, place.total - place.held - (concurrent - part))
    return Math.floor(part - beyond * Math.max(0, 1 - (nowMs - this.awaySinceMs) / leaseMs))
  }
}

/** Shows the limiter of this process how full the windows of all are. */
const teach = (
  { key, model, provider, tenant }: RateReservation,
  ask: Ask,
  verdict: Extract<Verdict, { _tag: "Granted" }>,
  nowMs: number
): void => {
  for (const hold of [provider, model, tenant, key]) if (hold !== undefined) teachHold(hold, ask, verdict, nowMs)
}

const teachHold = (
  hold: ReservedHold,
  ask: Ask,
  verdict: Extract<Verdict, { _tag: "Granted" }>,
  nowMs: number
): void => {
  const { id, learned } = hold.scope
  for (const [index, { kind, scope }] of ask.rates.entries()) {
    if (scope !== id) continue
    const used = verdict.used[index] ?? 0
    learned[kind].sharedUse(used, false, nowMs)
    if (kind === "requests") hold.requestsHeld = used
    else hold.tokensHeld = used
  }
  const place = ask.places.findIndex(({ concurrent, scope }) => concurrent !== undefined && scope === id)
  if (place >= 0) hold.activeHeld = verdict.active[place] ?? hold.activeHeld
}
