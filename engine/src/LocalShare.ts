/**
 * This process's part of a shared rate, for as long as the shared state is away.
 *
 * Of what all instances had used when they were heard last, and of what they can have taken since, nobody knows more than
 * the others: each instance takes at most its equal part of what is left of the window, so that all parts together stay
 * within the limit. What it takes is remembered, to be told when the state is back. Pure arithmetic.
 */
import type { Passed, RateAsk, RateUse } from "./LimiterStore.ts"
import { SlidingWindow } from "./SlidingWindow.ts"

/** What was known of a rate when it was heard last. */
export interface KnownUse extends RateUse {
  readonly atMs: number
  /** What all held at a later time. */
  readonly latest: { readonly used: number; readonly atMs: number } | undefined
}

/** Milliseconds that may pass until everybody knows that the state is away. */
const noticeMs = 200

/** What is remembered is kept by so many parts of the window. */
const parts = 64

export class LocalShare {
  private readonly window: SlidingWindow
  /** Its part of what was used before. */
  private readonly before: ReadonlyArray<{ readonly atMs: number; readonly amount: number }>
  /** What it took and is not told, by the time until which it is counted. */
  private readonly taken = new Map<number, number>()

  /** `awaySinceMs` is when the state went away. */
  constructor(
    rate: Pick<RateAsk, "burst" | "limit" | "windowMs">,
    known: KnownUse | undefined,
    members: number,
    awaySinceMs: number,
    nowMs: number
  ) {
    const { burst, limit, windowMs } = rate
    this.window = new SlidingWindow({ limit: partOf(limit, members), windowMs, minimumBurst: () => Infinity })
    this.window.boundBurst(Math.max(1, burst / members))
    this.before = known === undefined ? [] : usedBefore(rate, known, members, awaySinceMs)
    for (const { amount, atMs } of this.before) this.window.remember(amount, nowMs - atMs, nowMs)
    this.window.owe(known === undefined ? 0 : known.level / members, known?.atMs ?? nowMs)
  }

  /** Milliseconds until so much may pass; 0 when it may now. */
  waitMs({ amount, burst, limit, need, windowMs }: RateAsk, members: number, nowMs: number): number {
    const part = partOf(limit, members)
    if (part !== this.window.limit) this.window.resize((part * 60_000) / windowMs, windowMs, nowMs)
    this.window.boundBurst(Math.max(1, burst / members))
    return this.window.waitMs(Math.max(need, amount), nowMs)
  }

  /** Takes an amount; `told` where the state is told at once. */
  take(amount: number, told: boolean, nowMs: number): void {
    this.window.take(amount, nowMs)
    if (!told) this.note(amount, nowMs)
  }

  /** Replaces what was taken then by what was used, of which `late` counts from now on. */
  correct(takenAtMs: number, reserved: number, actual: number, late: number, told: boolean, nowMs: number): void {
    this.window.correct(this.window.ticketAt(takenAtMs), reserved, actual, nowMs, late)
    if (told) return
    this.note(actual - late - reserved, takenAtMs)
    this.note(late, nowMs)
  }

  /** What it took and has not told, once; with its part of what was used before where that is lost. */
  untold(lost: boolean, nowMs: number): ReadonlyArray<Passed> {
    const { windowMs } = this.window
    const all = [...this.taken].map(([part, amount]) => ({ atMs: ((part + 1) * windowMs) / parts, amount }))
    this.taken.clear()
    return [...(lost ? this.before : []), ...all]
      .map(({ amount, atMs }) => ({ amount: Math.round(amount), agoMs: Math.max(0, nowMs - atMs) }))
      .filter(({ agoMs, amount }) => amount !== 0 && agoMs < windowMs)
  }

  private note(amount: number, atMs: number): void {
    if (amount === 0) return
    const part = Math.floor((atMs * parts) / this.window.windowMs)
    this.taken.set(part, (this.taken.get(part) ?? 0) + amount)
    for (const old of this.taken.keys()) {
      if (this.taken.size <= 2 * parts) return
      this.taken.delete(old)
    }
  }
}

/** At least one: a request must be able to go, however many instances there are. */
const partOf = (limit: number, members: number): number => Math.max(1, Math.floor(limit / members))

/** This process's part of what all had used, and of what the others may have taken since they were heard. */
const usedBefore = (
  { burst, limit, windowMs }: Pick<RateAsk, "burst" | "limit" | "windowMs">,
  { atMs, latest, level, parts: known, used }: KnownUse,
  members: number,
  awaySinceMs: number
): ReadonlyArray<{ readonly atMs: number; readonly amount: number }> => {
  const before = known.map(({ agoMs, amount }) => ({ atMs: atMs - agoMs, amount }))
  let total = used
  let heardAtMs = atMs
  if (latest !== undefined && latest.atMs > atMs) {
    heardAtMs = latest.atMs
    const more = Math.max(0, latest.used - used)
    total += more
    before.push({ atMs: latest.atMs, amount: more })
  }
  if (members > 1) {
    const paced = Math.max(0, burst - level) + (limit * Math.max(0, awaySinceMs - heardAtMs + noticeMs)) / windowMs
    before.push({ atMs: awaySinceMs, amount: Math.min(Math.max(0, limit - total), paced) })
  }
  return before.map(({ amount, atMs: at }) => ({ atMs: at, amount: amount / members }))
}
