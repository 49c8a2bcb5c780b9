import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Counter, Histogram, Registry } from "prom-client"
import { TallyCounter, TallyHistogram } from "../../engine/src/Tallies.ts"

const labelNames = ["provider", "model"] as const
const bounds = [0.01, 0.1, 1]
const labels = fc.record({
  provider: fc.constantFrom("a", "b", 'quo"te', "new\nline"),
  model: fc.constantFrom("m", "n", "")
})
const amounts = fc.array(fc.tuple(labels, fc.double({ min: 0, max: 2, noNaN: true })), { maxLength: 40 })

/** Lines of a registry, without their order: series come in the order in which they were made. */
const linesOf = async (registry: Registry) => (await registry.metrics()).split("\n").sort()

describe("tallies", () => {
  it("read as prom-client's own counters and histograms would, whatever was counted", () =>
    fc.assert(
      fc.asyncProperty(amounts, amounts, async (before, after) => {
        const ours = new Registry()
        const theirs = new Registry()
        const tallies = new TallyCounter({ name: "spent_total", help: "spent", labelNames }, ours)
        const distributions = new TallyHistogram({ name: "seconds", help: "seconds", labelNames, bounds }, ours)
        const registers = [theirs]
        const counter = new Counter({ name: "spent_total", help: "spent", labelNames, registers })
        const histogram = new Histogram({ name: "seconds", help: "seconds", labelNames, buckets: bounds, registers })
        // A scrape in between must neither lose nor repeat anything; sums of halves are exact, so that order is free.
        for (const part of [before, after]) {
          for (const [labels, amount] of part) {
            const half = Math.round(amount * 2) / 2 + 0.5
            tallies.tally(labels).inc(half)
            counter.inc(labels, half)
            distributions.distribution(labels).observe(half)
            histogram.observe(labels, half)
          }
          expect(await linesOf(ours)).toEqual(await linesOf(theirs))
        }
      }),
      { numRuns: 100 }
    ))

  it("put a value that equals a bound into its bucket", async () => {
    const registry = new Registry()
    const histogram = new TallyHistogram({ name: "seconds", help: "seconds", labelNames: [], bounds }, registry)
    histogram.distribution({}).observe(0.1)
    expect(await registry.metrics()).toContain('seconds_bucket{le="0.1"} 1')
    expect(await registry.metrics()).toContain('seconds_bucket{le="0.01"} 0')
  })

  it("start again at 0 when the host resets its registry, and go on counting", async () => {
    const registry = new Registry()
    const histogram = new TallyHistogram({ name: "seconds", help: "seconds", labelNames: [], bounds }, registry)
    const counter = new TallyCounter({ name: "calls_total", help: "calls", labelNames: [] }, registry)
    const [tally, distribution] = [counter.tally({}), histogram.distribution({})]
    tally.inc()
    distribution.observe(1)
    await registry.metrics()
    registry.resetMetrics()
    tally.inc()
    distribution.observe(1)
    const text = await registry.metrics()
    expect(text).toContain("calls_total 1")
    expect(text).toContain("seconds_count 1")
  })
})
