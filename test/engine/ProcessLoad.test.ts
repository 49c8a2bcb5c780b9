/**
 * The load of the process as the status has it. Real time by its nature: the figures are those of Node's own timers, so
 * these tests keep the event loop busy for a moment and state what must be seen at least.
 */
import { setTimeout as wait } from "node:timers/promises"
import { afterEach, describe, expect, it } from "vitest"
import * as ProcessLoad from "../../engine/src/ProcessLoad.ts"

/** Keeps the event loop busy for as much time of a core. */
const block = (ms: number) => {
  const until = process.cpuUsage().user + ms * 1000
  while (process.cpuUsage().user < until);
}

describe("ProcessLoad", () => {
  let load = ProcessLoad.make()
  afterEach(() => {
    load.stop()
    load = ProcessLoad.make()
  })

  it("has gaps, not zeros, for what was not measured yet, and memory at once", () => {
    const { heapBytes, residentBytes, ...rest } = load.read()
    expect(rest).toEqual({
      eventLoopDelayMsP50: null,
      eventLoopDelayMsP99: null,
      eventLoopDelayMsMax: null,
      cpuShare: null
    })
    expect(residentBytes).toBeGreaterThan(heapBytes)
    expect(heapBytes).toBeGreaterThan(1_000_000)
  })

  it("tells how late the event loop ran, and gives readers within a second the same figures", async () => {
    load.read()
    await wait(300)
    block(200)
    await wait(600)
    const busy = load.read()
    expect(busy.eventLoopDelayMsMax).toBeGreaterThan(150)
    expect(busy.eventLoopDelayMsP99).toBeLessThanOrEqual(busy.eventLoopDelayMsMax!)
    expect(busy.eventLoopDelayMsP50).toBeLessThanOrEqual(busy.eventLoopDelayMsP99!)
    expect(busy.eventLoopDelayMsP50).toBeGreaterThanOrEqual(0)
    expect(busy.cpuShare).toBeGreaterThan(0)
    const { heapBytes: _, residentBytes: __, ...again } = load.read()
    expect(busy).toMatchObject(again)
  })
})
