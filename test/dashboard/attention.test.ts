import { describe, expect, it } from "vitest"
import { spikesIn } from "../../dashboard/features/attention/spikes.ts"

const now = Date.UTC(2026, 10, 22, 14, 37)
const at = (minutesAgo: number) => new Date(now - minutesAgo * 60_000).toISOString()

const group = (series: ReadonlyArray<readonly [minutesAgo: number, count: number]>) => ({
  fingerprint: "5a0f0e6f0ad2f3ce",
  kind: "ProviderRateLimited",
  fault: "provider" as const,
  provider: "openai",
  model: "gpt-5",
  message: null,
  count: series.reduce((sum, [, count]) => sum + count, 0),
  firstSeen: at(1000),
  lastSeen: at(1),
  sampleId: "req_1",
  series: series.map(([minutesAgo, count]) => ({ start: at(minutesAgo), count })),
  affected: null
})

describe("spikesIn", () => {
  it("finds a group whose last hour is far above the hours before", () => {
    const [spike] = spikesIn(
      [
        group([
          [600, 23],
          [10, 12]
        ])
      ],
      now
    )
    expect(spike).toMatchObject({ last: 12, before: 1, group: { fingerprint: "5a0f0e6f0ad2f3ce" } })
  })

  it("leaves steady failures alone, however many, and single ones", () => {
    expect(
      spikesIn(
        [
          group([
            [600, 2300],
            [10, 120]
          ])
        ],
        now
      )
    ).toEqual([])
    expect(spikesIn([group([[10, 4]])], now)).toEqual([])
    expect(spikesIn([group([[61, 50]])], now)).toEqual([])
  })
})
