import type { UsagePoint } from "../../engine/src/admin-api.ts"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { savedMs, successShare } from "../../dashboard/features/overview/derived.ts"

const point = (start: string, group: string, requests: number, latencyMsP50: number | null) =>
  ({ start, group, requests, latencyMsP50 }) as UsagePoint

describe("the success rate", () => {
  it("leaves out what failed by the caller's own fault", () => {
    expect(successShare({ requests: 100, errors: 10 }, 0)).toBe(0.9)
    expect(successShare({ requests: 100, errors: 10 }, 10)).toBe(1)
    expect(successShare({ requests: 110, errors: 20 }, 10)).toBe(0.9)
  })

  it("is a gap where nothing is left to judge", () => {
    expect(successShare(undefined, 0)).toBeNull()
    expect(successShare({ requests: 0, errors: 0 }, 0)).toBeNull()
    expect(successShare({ requests: 3, errors: 3 }, 3)).toBeNull()
  })

  it("is a share, also where the failures were counted a moment later", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.nat(3000), (successes, errors, callerFaults) => {
        const share = successShare({ requests: successes + errors, errors }, callerFaults)
        expect(share === null || (share >= 0 && share <= 1)).toBe(true)
        expect(share === null).toBe(successes === 0 && callerFaults >= errors)
      })
    )
  })
})

describe("the time that the cache saved", () => {
  it("is what a miss of the same bucket took longer, for each request that was served", () => {
    const series = [
      point("a", "hit", 10, 1),
      point("a", "miss", 5, 101),
      point("b", "semantic", 2, 11),
      point("b", "coalesced", 1, 200),
      point("b", "miss", 1, 211),
      point("b", "bypass", 9, 9999)
    ]
    expect(savedMs(series)).toBe(10 * 100 + 2 * 200 + 11)
  })

  it("takes the misses of the range where a bucket had none, and is never negative", () => {
    expect(savedMs([point("a", "miss", 3, 100), point("a", "miss", 1, 300), point("b", "hit", 2, 50)])).toBe(200)
    expect(savedMs([point("a", "miss", 1, 10), point("a", "hit", 5, 20)])).toBe(0)
  })

  it("is nothing where nothing was served, and a gap where there is nothing to compare with", () => {
    expect(savedMs([point("a", "miss", 3, 100)])).toBe(0)
    expect(savedMs([])).toBeNull()
    expect(savedMs([point("a", "bypass", 3, 100)])).toBeNull()
    expect(savedMs([point("a", "hit", 3, 1)])).toBeNull()
  })
})
