/**
 * The periods of budgets: minutes, hours, days and months of the calendar in a time zone, or all time.
 *
 * A day is what the zone's calendar calls one, so it has 23 or 25 hours where clocks are changed, begins at the first moment
 * it has where midnight is skipped, and a date that a zone leaves out has no period. Minutes and hours always have their
 * length; they begin at full ones of the zone's offset. Pure: it is told the time.
 */
import { DateTime, Option } from "effect"

export const budgetPeriods = ["minute", "hour", "day", "month", "total"] as const
export type BudgetPeriod = (typeof budgetPeriods)[number]

/** Epoch milliseconds: the start is in it, the end is not. All time ends at infinity. */
export interface Span {
  readonly startMs: number
  readonly endMs: number
}

const lengths = { minute: 60_000, hour: 3_600_000 } as const

const allTime: Span = { startMs: 0, endMs: Number.POSITIVE_INFINITY }

/** True for a name of the IANA time zone database, such as `Europe/Berlin`, and for `UTC`. */
export const isTimeZone = (name: string): boolean => Option.isSome(DateTime.zoneMakeNamed(name))

/** The periods of one kind in one time zone; it remembers the last one that was asked for. */
export class PeriodClock {
  readonly period: BudgetPeriod
  private readonly zone: DateTime.TimeZone
  private last: Span = { startMs: 0, endMs: 0 }

  /** Throws for a time zone that does not exist. */
  constructor(period: BudgetPeriod, timeZone: string) {
    this.period = period
    this.zone = DateTime.zoneMakeNamedUnsafe(timeZone)
  }

  /** The period that a moment is in. */
  at(nowMs: number): Span {
    const { last } = this
    if (nowMs >= last.startMs && nowMs < last.endMs) return last
    return (this.last = this.find(nowMs))
  }

  private find(nowMs: number): Span {
    const { period } = this
    if (period === "total") return allTime
    const now = DateTime.makeZonedUnsafe(nowMs, { timeZone: this.zone })
    if (period === "minute" || period === "hour") {
      const offsetMs = DateTime.zonedOffset(now)
      const startMs = Math.floor((nowMs + offsetMs) / lengths[period]) * lengths[period] - offsetMs
      return { startMs, endMs: startMs + lengths[period] }
    }
    const start = DateTime.startOf(now, period)
    const next = DateTime.startOf(DateTime.add(start, period === "day" ? { days: 1 } : { months: 1 }), period)
    return { startMs: start.epochMilliseconds, endMs: next.epochMilliseconds }
  }
}

const clocks = new Map<string, PeriodClock>()

/** The clock of a period and a time zone, one for all who ask; bounded by the zones that exist. */
export const periodClock = (period: BudgetPeriod, timeZone: string): PeriodClock => {
  const key = `${period} ${timeZone}`
  let clock = clocks.get(key)
  if (clock === undefined) clocks.set(key, (clock = new PeriodClock(period, timeZone)))
  return clock
}
