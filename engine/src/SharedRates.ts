/**
 * What this process knows of the rates that instances share, and its part of each while the store is away.
 *
 * It follows what the windows of all hold by the answers to asks and by a look with each beat, and takes over a lower limit that
 * another instance has learned, for one window. It asks nobody by itself and decides nothing.
 */
import { Effect } from "effect"
import type { LimiterStore, RateAsk, RateKey, RateKind, Verdict } from "./LimiterStore.ts"
import { type KnownUse, LocalShare } from "./LocalShare.ts"
import type { ReservedScope } from "./RateReservation.ts"

interface Known {
  /** As it was asked for last. */
  rate: RateAsk
  /** Its limit in this process. */
  limit: number
  askedAtMs: number
  use: KnownUse | undefined
  share: LocalShare | undefined
  /** A lower limit that another instance has learned. */
  told: { readonly limit: number; readonly untilMs: number } | undefined
}

/** Rates that are looked at with each beat, those that were asked for last. */
const lookedMax = 64

/** From so many rates on it is looked for idle ones. */
const idleMin = 1024

export class SharedRates {
  private readonly known = new Map<string, Known>()
  private readonly store: LimiterStore

  constructor(store: LimiterStore) {
    this.store = store
  }

  get size(): number {
    return this.known.size
  }

  /** The ask of a rate; undefined where there is no such limit. A limit that has fallen is told to the others. */
  askOf(scope: ReservedScope, kind: RateKind, amount: number, nowMs: number): RateAsk | undefined {
    const window = scope[kind]
    if (window === undefined) return undefined
    const { burstSize, limit, windowMs } = window
    const name = nameOf({ scope: scope.id, kind, windowMs })
    const known = this.known.get(name)
    const told = known?.told !== undefined && known.told.untilMs > nowMs ? known.told.limit : Infinity
    const rate: RateAsk = {
      scope: scope.id,
      kind,
      windowMs,
      limit: Math.min(limit, told),
      burst: Math.min(burstSize, told),
      amount: Math.ceil(amount),
      need: scope.learned[kind].needOf(amount)
    }
    if (known === undefined) {
      if (this.known.size >= idleMin && this.known.size % 256 === 0) this.forgetIdle(nowMs)
      this.known.set(name, { rate, limit, askedAtMs: nowMs, use: undefined, share: undefined, told: undefined })
      return rate
    }
    if (limit < known.limit) this.store.lowered(rate)
    known.rate = rate
    known.limit = limit
    known.askedAtMs = nowMs
    return rate
  }

  /** Another instance goes by a lower limit from now on. */
  lowered({ limit, ...key }: RateKey, nowMs: number): void {
    const known = this.known.get(nameOf(key))
    if (known !== undefined && limit < known.limit) known.told = { limit, untilMs: nowMs + key.windowMs }
  }

  /** What all hold was told with an answer. */
  heard(rates: ReadonlyArray<RateAsk>, { used }: Extract<Verdict, { _tag: "Granted" }>, nowMs: number): void {
    for (const [index, rate] of rates.entries()) {
      const known = this.known.get(nameOf(rate))
      if (known === undefined) continue
      const before = known.use ?? { used: 0, level: 0, parts: [], atMs: nowMs - rate.windowMs, latest: undefined }
      known.use = { ...before, latest: { used: used[index] ?? 0, atMs: nowMs } }
    }
  }

  shareOf(rate: RateAsk, members: number, awaySinceMs: number, nowMs: number): LocalShare {
    const known = this.known.get(nameOf(rate))
    if (known === undefined) return new LocalShare(rate, undefined, members, awaySinceMs, nowMs)
    return (known.share ??= new LocalShare(rate, known.use, members, awaySinceMs, nowMs))
  }

  endShares(): void {
    for (const known of this.known.values()) known.share = undefined
  }

  /** Tells what went while the store was away, and everything that is known, where it has lost what it kept. */
  tell(lost: boolean, members: number, awaySinceMs: number, nowMs: number): Effect.Effect<void> {
    const rates = [...this.known.values()].flatMap((known) =>
      known.share === undefined && !lost
        ? []
        : [{ key: known.rate, passed: this.shareOf(known.rate, members, awaySinceMs, nowMs).untold(lost, nowMs) }]
    )
    return Effect.ignore(this.store.restore(rates))
  }

  /** Looks what all hold of the rates that were asked for lately. */
  look(nowMs: number): Effect.Effect<void> {
    const lately = [...this.known.values()]
      .filter(({ askedAtMs, rate }) => nowMs - askedAtMs < rate.windowMs)
      .sort((a, b) => b.askedAtMs - a.askedAtMs)
      .slice(0, lookedMax)
    return Effect.match(this.store.look(lately.map(({ rate }) => rate)), {
      onFailure: () => {},
      onSuccess: (uses) => {
        for (const [index, use] of uses.entries()) lately[index]!.use = { ...use, atMs: nowMs, latest: undefined }
      }
    })
  }

  /** Limit and use of all, as it was heard last; null where nothing was. */
  useOf(scope: string, kind: RateKind): { readonly limit: number; readonly used: number } | null {
    for (const { rate, use } of this.known.values()) {
      if (rate.scope === scope && rate.kind === kind && use !== undefined) {
        return { limit: rate.limit, used: use.latest?.used ?? use.used }
      }
    }
    return null
  }

  private forgetIdle(nowMs: number): void {
    for (const [name, { askedAtMs, rate }] of this.known) {
      if (nowMs - askedAtMs > 2 * rate.windowMs) this.known.delete(name)
    }
  }
}

const nameOf = ({ kind, scope, windowMs }: Pick<RateKey, "kind" | "scope" | "windowMs">): string =>
  `${kind} ${windowMs} ${scope}`
