import fc from "fast-check"
import { expect, it } from "vitest"
import { UsageCell } from "../../../engine/src/stores/UsageCell.ts"
import { UsageFold } from "../../../engine/src/stores/UsageFold.ts"
import { relativeError, UsageSketch } from "../../../engine/src/stores/UsageSketch.ts"
import { recordOf } from "../../contracts/usage-record.ts"

const durationMs = fc.oneof(
  fc.double({ min: 0.01, max: 1e8, noNaN: true }),
  fc.nat({ max: 5000 }).map((tenths) => tenths / 10)
)
const percents = [1, 50, 95, 99, 100]

const sketchOf = (values: ReadonlyArray<number>) => {
  const sketch = new UsageSketch()
  for (const value of values) sketch.add(value)
  return sketch
}

const nearestRank = (values: ReadonlyArray<number>, percent: number): number =>
  [...values].sort((a, b) => a - b)[Math.ceil((values.length * percent) / 100) - 1]!

it("gives every percentile within one percent, whatever the durations are", () => {
  fc.assert(
    fc.property(fc.array(durationMs, { minLength: 1, maxLength: 200 }), (values) => {
      const sketch = sketchOf(values)
      for (const percent of percents) {
        const exact = nearestRank(values, percent)
        const given = sketch.percentile(percent)!
        expect(Math.abs(given - exact)).toBeLessThanOrEqual(Math.max(exact * relativeError, 0.01))
      }
    })
  )
})

it("adds up: the sketch of two sets is that of both, in any order", () => {
  fc.assert(
    fc.property(fc.array(durationMs), fc.array(durationMs), (some, others) => {
      const merged = sketchOf(some)
      merged.merge(sketchOf(others))
      const turned = sketchOf(others)
      turned.merge(sketchOf(some))
      const both = sketchOf([...others, ...some])
      for (const percent of percents) {
        expect(merged.percentile(percent)).toBe(both.percentile(percent))
        expect(turned.percentile(percent)).toBe(both.percentile(percent))
      }
      expect(merged.size).toBe(some.length + others.length)
    })
  )
})

it("has no percentile without values, and takes what is no duration for none", () => {
  expect(sketchOf([]).percentile(50)).toBeNull()
  expect(sketchOf([0, -5, Number.NaN]).percentile(100)).toBe(0)
  expect(sketchOf([Number.MAX_VALUE, Number.POSITIVE_INFINITY]).size).toBe(2)
})

const record = fc
  .record({
    status: fc.constantFrom("success", "error", "cancelled"),
    cache: fc.constantFrom("hit", "semantic", "coalesced", "miss", "bypass"),
    uncachedInput: fc.nat(),
    cacheReadInput: fc.nat(),
    output: fc.nat(),
    reasoning: fc.nat(),
    costUsd: fc.option(fc.double({ min: 0, max: 9000, noNaN: true })),
    unpricedReason: fc.option(fc.constant("none")),
    savedUsd: fc.option(fc.double({ min: 0, max: 9000, noNaN: true })),
    savedTokens: fc.nat(),
    providerCacheSavedUsd: fc.option(fc.integer({ min: -1e12, max: 1e12 }).map((picos) => picos / 1e12)),
    latencyMs: fc.option(durationMs),
    ttftMs: fc.option(durationMs)
  })
  .map((fields) => recordOf(fields))

const cellOf = (records: ReadonlyArray<ReturnType<typeof recordOf>>) => {
  const cell = new UsageCell()
  for (const each of records) cell.add(each)
  return cell
}

it("a cell that was written and added to another is the cell of the records of both", () => {
  fc.assert(
    fc.property(fc.array(record), fc.array(record), (some, others) => {
      const merged = cellOf(some)
      merged.mergeEncoded(cellOf(others).encode())
      expect(merged.row()).toEqual(cellOf([...some, ...others]).row())
    })
  )
})

it("a fold of cells, written or not, has the figures of their records, and not of those that were taken away", () => {
  const fold = new UsageFold()
  const both = new UsageFold()
  const large = { costUsd: 9_000_000.000001, providerCacheSavedUsd: -9_000_000.5 }
  fc.assert(
    fc.property(fc.array(record), fc.array(record), fc.array(record), (some, others, tooMany) => {
      fold.clear()
      both.clear()
      fold.addEncoded(cellOf([...some, ...tooMany, recordOf(large)]).encode())
      fold.addCell(cellOf(others), 1)
      fold.addCell(cellOf(tooMany), -1)
      both.addFold(fold)
      const expected = cellOf([...some, ...others, recordOf(large)]).row()
      expect(fold.row()).toEqual(expected)
      expect(both.row()).toEqual(expected)
    })
  )
})
