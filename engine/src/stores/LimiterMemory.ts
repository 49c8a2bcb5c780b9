/**
 * Limits that several engines of one process share, and what the Redis store is checked against.
 *
 * It keeps in maps what Redis keeps in keys, with the windows of `SlidingWindow` itself, so both decide alike at the same time.
 * Each engine opens the same memory; it can be taken out of reach, for all of them or for one.
 */
import { Effect } from "effect"
import {
  type Ask,
  claimAfterMs,
  claimSpareMs,
  leaseMs as defaultLeaseMs,
  leaseOf,
  type LimiterListener,
  type LimiterStore,
  type MemberStore,
  type NamedCount,
  type RateAsk,
  type RateKey,
  type Return,
  type Verdict
} from "../LimiterStore.ts"
import { SharedUnavailable } from "../SharedLink.ts"
import { SlidingWindow } from "../SlidingWindow.ts"

export interface LimiterMemoryOptions {
  readonly nowMs: () => number
  /** How long a member is taken for alive that was not heard of; 15 s unless told. */
  readonly leaseMs?: number | undefined
}

/** One engine's way to the memory. */
export interface MemoryAccess {
  readonly limits: LimiterStore
  readonly members: MemberStore
  /** Takes the memory out of this engine's reach, or brings it back. */
  readonly reach: (up: boolean) => void
}

interface Member {
  untilMs: number
  readonly counts: Map<string, number>
}

export class LimiterMemory {
  private readonly nowMs: () => number
  private readonly leaseMs: number
  private members = new Map<string, Member>()
  private windows = new Map<string, SlidingWindow>()
  private waiting = new Set<string>()
  private claims = new Map<string, { readonly id: string; readonly untilMs: number }>()
  private readonly listeners = new Set<LimiterListener>()
  private generation = 0

  constructor({ leaseMs = defaultLeaseMs, nowMs }: LimiterMemoryOptions) {
    this.nowMs = nowMs
    this.leaseMs = leaseMs
  }

  /** Loses everything, as a server that starts anew. */
  clear(): void {
    this.members = new Map()
    this.windows = new Map()
    this.waiting = new Set()
    this.claims = new Map()
    this.generation++
  }

  open(): MemoryAccess {
    let up = true
    const told = new Set<(up: boolean) => void>()
    const run = <A>(body: () => A) =>
      Effect.suspend(() =>
        up ? Effect.succeed(body()) : Effect.fail(new SharedUnavailable({ reason: "out of reach" }))
      )
    const tell = (body: () => void) => {
      if (up) body()
    }
    return {
      reach: (to) => {
        if (up === to) return
        up = to
        for (const each of told) each(to)
      },
      members: {
        up: () => up,
        onChange: (each) => {
          told.add(each)
          return () => void told.delete(each)
        },
        dropped: () => 0,
        join: (member, before, counts) => run(() => this.join(member, before, counts)),
        beat: (member, counts) => run(() => this.beat(member, counts)),
        bury: (member) => tell(() => this.bury(member)),
        leave: (member) => tell(() => void this.members.delete(member))
      },
      limits: {
        kind: "memory",
        admit: (ask) => run(() => this.admit(ask)),
        count: (ask) => tell(() => void this.take(ask)),
        giveBack: (given) => tell(() => this.giveBack(given)),
        restore: (rates) =>
          run(() => {
            for (const { key, passed } of rates) this.restore(key, passed)
          }),
        look: (rates) => run(() => rates.map((rate) => this.look(rate))),
        pause: (provider, forMs) =>
          tell(() => {
            for (const { paused } of this.listeners) paused(provider, forMs)
          }),
        lowered: (rate) =>
          tell(() => {
            for (const { lowered } of this.listeners) lowered(rate)
          }),
        listen: (on) =>
          Effect.asVoid(
            Effect.acquireRelease(
              Effect.sync(() => {
                this.listeners.add(on)
                on.freed(undefined)
              }),
              () => Effect.sync(() => void this.listeners.delete(on))
            )
          )
      }
    }
  }

  private admit(ask: Ask): Verdict {
    const { claim, member, places, rates } = ask
    const nowMs = this.nowMs()
    if (!((this.members.get(member)?.untilMs ?? 0) > nowMs)) return { _tag: "Stranger" }
    for (const { scope } of places) {
      const kept = this.claims.get(scope)
      if (kept === undefined || kept.untilMs <= nowMs || kept.id === claim?.id) continue
      this.waiting.add(scope)
      return { _tag: "Refused", scope, waitMs: kept.untilMs - nowMs }
    }
    for (const { concurrent, scope } of places) {
      if (concurrent === undefined || this.total(leaseOf(scope)) < concurrent) continue
      this.waiting.add(scope)
      return { _tag: "Refused", scope, waitMs: undefined }
    }
    let waitMs = 0
    let worst = ""
    for (const rate of rates) {
      const needMs = this.windowOf(rate, rate.burst).waitMs(Math.max(rate.need, Math.ceil(rate.amount)), nowMs)
      if (needMs > waitMs) {
        waitMs = needMs
        worst = rate.scope
      }
    }
    if (waitMs > 0) {
      if (claim !== undefined && claim.waitedMs >= claimAfterMs) {
        this.claims.set(worst, { id: claim.id, untilMs: nowMs + Math.floor(Math.min(waitMs, 1000)) + claimSpareMs })
      }
      this.waiting.add(worst)
      return { _tag: "Refused", scope: worst, waitMs }
    }
    const verdict = this.take(ask)
    // Whoever is told may ask at once.
    for (const { scope } of places) {
      if (claim === undefined || this.claims.get(scope)?.id !== claim.id) continue
      this.claims.delete(scope)
      this.tellFreed(scope)
    }
    return verdict
  }

  private take({ member, places, rates }: Ask): Verdict {
    const nowMs = this.nowMs()
    const counts = this.members.get(member)?.counts
    const used = rates.map((rate) => {
      const window = this.windowOf(rate, rate.burst)
      window.take(Math.ceil(rate.amount), nowMs)
      return window.usedAt(nowMs)
    })
    const active = places.map(({ concurrent, scope }) => {
      if (concurrent === undefined || counts === undefined) return 0
      const lease = leaseOf(scope)
      counts.set(lease, (counts.get(lease) ?? 0) + 1)
      return this.total(lease)
    })
    return { _tag: "Granted", atMs: nowMs, used, active }
  }

  private giveBack({ member, places, rates, scopes }: Return): void {
    const nowMs = this.nowMs()
    const counts = this.members.get(member)?.counts
    for (const scope of places) {
      const held = counts?.get(leaseOf(scope)) ?? 0
      if (held > 0) counts!.set(leaseOf(scope), held - 1)
    }
    for (const rate of rates) {
      const window = this.windowOf(rate)
      const [reserved, actual, late] = [rate.reserved, rate.actual, rate.late].map(Math.ceil) as [
        number,
        number,
        number
      ]
      window.correct(window.ticketAt(rate.takenAtMs), reserved, actual, nowMs, late)
    }
    for (const scope of scopes) this.tellFreed(scope)
  }

  private tellFreed(scope: string): void {
    if (!this.waiting.delete(scope)) return
    for (const { freed } of this.listeners) freed(scope)
  }

  private restore(key: RateKey, passed: ReadonlyArray<{ readonly agoMs: number; readonly amount: number }>): void {
    const nowMs = this.nowMs()
    const window = this.windowOf(key)
    for (const { agoMs, amount } of passed) {
      window.remember(amount, agoMs, nowMs)
      window.owe(Math.max(0, amount - agoMs / window.paceMs(1)), nowMs)
    }
  }

  private look(key: RateKey) {
    const nowMs = this.nowMs()
    const window = this.windowOf(key)
    return { used: window.usedAt(nowMs), level: window.owedAt(nowMs), parts: window.passed(nowMs) }
  }

  private join(member: string, before: ReadonlyArray<string>, counts: ReadonlyArray<NamedCount>) {
    for (const name of before) this.members.delete(name)
    this.members.set(member, { untilMs: this.nowMs() + this.leaseMs, counts: new Map(counts) })
    return { members: this.alive(), generation: `${this.generation}` }
  }

  private beat(member: string, counts: ReadonlyArray<NamedCount>) {
    const nowMs = this.nowMs()
    const known = this.members.get(member)
    if (known === undefined || known.untilMs <= nowMs) return undefined
    known.untilMs = nowMs + this.leaseMs
    for (const [name, value] of counts) known.counts.set(name, value)
    const dead = [...this.members].filter(([, { untilMs }]) => untilMs <= nowMs).map(([name]) => name)
    return { members: this.alive(), sums: counts.map(([name]) => this.total(name)), dead }
  }

  private bury(member: string): void {
    if ((this.members.get(member)?.untilMs ?? Infinity) <= this.nowMs()) this.members.delete(member)
  }

  private alive(): number {
    const nowMs = this.nowMs()
    return [...this.members.values()].filter(({ untilMs }) => untilMs > nowMs).length
  }

  /** What all members hold, those that are dead and not buried included. */
  private total(name: string): number {
    let total = 0
    for (const { counts } of this.members.values()) total += counts.get(name) ?? 0
    return total
  }

  private windowOf({ kind, limit, scope, windowMs }: RateKey, burst?: RateAsk["burst"]): SlidingWindow {
    const name = `${kind} ${windowMs} ${scope}`
    let window = this.windows.get(name)
    if (window === undefined) {
      window = new SlidingWindow({ limit, windowMs, minimumBurst: () => Infinity })
      this.windows.set(name, window)
    }
    if (window.limit !== limit) window.resize((limit * 60_000) / windowMs, windowMs, this.nowMs())
    if (burst !== undefined) window.boundBurst(burst)
    return window
  }
}
