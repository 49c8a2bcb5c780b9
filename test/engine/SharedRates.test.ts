import { describe, expect, it } from "vitest"
import type { RateKey } from "../../engine/src/LimiterStore.ts"
import { RateScope } from "../../engine/src/RateScope.ts"
import { SharedRates } from "../../engine/src/SharedRates.ts"
import { LimiterMemory } from "../../engine/src/stores/LimiterMemory.ts"

const rates = { requestsPerMinute: 600, tokensPerMinute: undefined, concurrent: undefined, windowMs: 60_000 }
const scopeOf = () => new RateScope("p", rates)

const instance = (told: (rate: RateKey) => void) => {
  const { limits } = new LimiterMemory({ nowMs: () => 0 }).open()
  return new SharedRates({ ...limits, lowered: told })
}

describe("SharedRates", () => {
  it("tells a limit that has fallen once, and goes by one that another instance has learned for one window", () => {
    const told: Array<number> = []
    const here = instance(({ limit }) => void told.push(limit))
    const there = instance(() => {})
    const [mine, theirs] = [scopeOf(), scopeOf()]
    expect(here.askOf(mine, "requests", 1, 0)?.limit).toBe(600)
    expect(there.askOf(theirs, "requests", 1, 0)?.limit).toBe(600)
    mine.requests!.resize(400, 60_000, 1000)
    const lowered = here.askOf(mine, "requests", 1, 1000)!
    here.askOf(mine, "requests", 1, 1001)
    expect(lowered.limit).toBe(400)
    expect(told).toEqual([400])
    there.lowered(lowered, 1000)
    expect(there.askOf(theirs, "requests", 1, 60_999)?.limit).toBe(400)
    expect(there.askOf(theirs, "requests", 1, 61_000)?.limit).toBe(600)
  })

  it("asks nothing of a rate without a limit", () => {
    expect(instance(() => {}).askOf(scopeOf(), "tokens", 1, 0)).toBeUndefined()
  })

  it("names scopes alike on all instances, and no two alike", () => {
    const ids = [
      new RateScope("p", rates).id,
      new RateScope("p/m", rates).id,
      new RateScope("tenant p", rates, "p").id,
      new RateScope("key p", rates, "\u0000p").id,
      new RateScope("tenant", rates, "x".repeat(500)).id
    ]
    expect(new Set(ids).size).toBe(ids.length)
    expect(Math.max(...ids.map(({ length }) => length))).toBeLessThan(128)
    expect(new RateScope("p", rates).id).toBe(ids[0])
  })
})
