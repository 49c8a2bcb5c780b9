/**
 * Calendar periods: every moment is in exactly one, whatever clocks do.
 */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { type BudgetPeriod, isTimeZone, PeriodClock } from "../../engine/src/BudgetPeriod.ts"

const span = (period: BudgetPeriod, zone: string, at: string): readonly [string, string] => {
  const { endMs, startMs } = new PeriodClock(period, zone).at(Date.parse(at))
  return [new Date(startMs).toISOString(), new Date(endMs).toISOString()]
}

/** Transitions as the IANA time zone database has them. */
const table: ReadonlyArray<readonly [string, BudgetPeriod, string, string, string, string]> = [
  ["a UTC day", "day", "UTC", "2026-11-23T23:59:59.999Z", "2026-11-23T00:00Z", "2026-11-24T00:00Z"],
  ["the next one begins at midnight", "day", "UTC", "2026-11-24T00:00Z", "2026-11-24T00:00Z", "2026-11-25T00:00Z"],
  ["a leap February", "month", "UTC", "2028-02-29T12:00Z", "2028-02-01T00:00Z", "2028-03-01T00:00Z"],
  ["December", "month", "UTC", "2026-12-31T23:59Z", "2026-12-01T00:00Z", "2027-01-01T00:00Z"],
  ["spring: 23 hours", "day", "Europe/Berlin", "2026-03-29T12:00Z", "2026-03-28T23:00Z", "2026-03-29T22:00Z"],
  ["autumn: 25 hours", "day", "Europe/Berlin", "2026-10-25T12:00Z", "2026-10-24T22:00Z", "2026-10-25T23:00Z"],
  ["a month across it", "month", "Europe/Berlin", "2026-10-31T22:59Z", "2026-09-30T22:00Z", "2026-10-31T23:00Z"],
  ["no midnight", "day", "Asia/Beirut", "2026-03-29T12:00Z", "2026-03-28T22:00Z", "2026-03-29T21:00Z"],
  ["no midnight", "day", "Africa/Cairo", "2026-04-24T12:00Z", "2026-04-23T22:00Z", "2026-04-24T21:00Z"],
  ["midnight twice, first", "day", "America/Havana", "2026-11-01T04:30Z", "2026-11-01T04:00Z", "2026-11-02T05:00Z"],
  ["midnight twice, second", "day", "America/Havana", "2026-11-01T05:30Z", "2026-11-01T04:00Z", "2026-11-02T05:00Z"],
  ["half an hour", "day", "Australia/Lord_Howe", "2026-04-05T02:00Z", "2026-04-04T13:00Z", "2026-04-05T13:30Z"],
  ["a date left out", "day", "Pacific/Apia", "2011-12-29T20:00Z", "2011-12-29T10:00Z", "2011-12-30T10:00Z"],
  ["the date after", "day", "Pacific/Apia", "2011-12-30T12:00Z", "2011-12-30T10:00Z", "2011-12-31T10:00Z"],
  ["a month of 30 days", "month", "Pacific/Apia", "2011-12-29T20:00Z", "2011-12-01T10:00Z", "2011-12-31T10:00Z"],
  ["the month of India", "month", "Asia/Kolkata", "2026-01-31T18:30Z", "2026-01-31T18:30Z", "2026-02-28T18:30Z"],
  ["an hour of Nepal", "hour", "Asia/Kathmandu", "2026-05-01T10:20Z", "2026-05-01T10:15Z", "2026-05-01T11:15Z"],
  ["the first 2 o'clock", "hour", "Europe/Berlin", "2026-10-25T00:30Z", "2026-10-25T00:00Z", "2026-10-25T01:00Z"],
  ["the second 2 o'clock", "hour", "Europe/Berlin", "2026-10-25T01:30Z", "2026-10-25T01:00Z", "2026-10-25T02:00Z"],
  ["a minute", "minute", "Asia/Tokyo", "2026-05-01T10:20:59.999Z", "2026-05-01T10:20Z", "2026-05-01T10:21Z"]
]

const zones = [
  "UTC",
  "Europe/Berlin",
  "America/New_York",
  "America/Havana",
  "Asia/Kathmandu",
  "Asia/Beirut",
  "Africa/Cairo",
  "Australia/Lord_Howe",
  "Pacific/Chatham",
  "America/St_Johns",
  "Africa/Casablanca"
]

describe("BudgetPeriod", () => {
  for (const [name, period, zone, at, start, end] of table) {
    it(`${zone}: ${name}`, () => {
      assert.deepStrictEqual(span(period, zone, at), [new Date(start).toISOString(), new Date(end).toISOString()])
    })
  }

  it("all time never ends", () => {
    assert.deepStrictEqual(new PeriodClock("total", "UTC").at(Date.now()), { startMs: 0, endMs: Infinity })
  })

  it("every moment is in one period, and a period's end is the next one's start", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        fc.constantFrom("minute", "hour", "day", "month" as const),
        fc.integer({ min: Date.parse("2024-01-01"), max: Date.parse("2036-01-01") }),
        (zone, period, atMs) => {
          const clock = new PeriodClock(period, zone)
          const { endMs, startMs } = clock.at(atMs)
          assert.isTrue(startMs <= atMs && atMs < endMs, "the moment is in it")
          assert.deepStrictEqual(new PeriodClock(period, zone).at(endMs - 1).startMs, startMs, "so is its last one")
          const next = new PeriodClock(period, zone).at(endMs)
          assert.isTrue(next.startMs > startMs && next.startMs <= endMs, "the next one has another start")
          if (period === "day" || period === "month") assert.strictEqual(next.startMs, endMs)
        }
      ),
      { numRuns: 500 }
    )
  })

  it("knows which time zones there are", () => {
    for (const zone of ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires"]) assert.isTrue(isTimeZone(zone), zone)
    for (const zone of ["", "Berlin", "Europe/Atlantis", "CEST5"]) assert.isFalse(isTimeZone(zone), zone)
  })
})
