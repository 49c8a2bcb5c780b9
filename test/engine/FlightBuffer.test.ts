/**
 * What readers of a shared answer get, and what is kept for them.
 */
import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { FlightBuffer, type Reader } from "../../engine/src/FlightBuffer.ts"
import type { Part } from "../../engine/src/Reply.ts"
import { text } from "../support/engine.ts"

/** A chunk of 84 bytes as the buffer counts them. */
const chunk = (n: number) => [text(String(n).padStart(10, "0"))] as const

describe("FlightBuffer", () => {
  it("gives each reader all parts once and in order, whenever it reads", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 60 }), (steps) => {
        const buffer = new FlightBuffer(1 << 20)
        const readers = Array.from({ length: 4 }, (): Reader & { seen: Array<Part> } => ({ cursor: 0, seen: [] }))
        const pushed: Array<Part> = []
        for (const step of steps) {
          const reader = readers[step]
          if (reader === undefined) {
            expect(buffer.push(chunk(pushed.length))).toBe(true)
            pushed.push(...chunk(pushed.length))
          } else reader.seen.push(...(buffer.take(reader) ?? []))
          for (const { seen } of readers) expect(seen).toEqual(pushed.slice(0, seen.length))
        }
        for (const reader of readers) {
          reader.seen.push(...(buffer.take(reader) ?? []))
          expect(buffer.take(reader)).toBeUndefined()
          expect(reader.seen).toEqual(pushed)
        }
      })
    )
  })

  it("keeps no more than the bound past it, forgets what all have read, and names who is too far behind", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 5 }), { maxLength: 200 }),
        fc.integer({ min: 1, max: 8 }),
        (steps, max) => {
          const buffer = new FlightBuffer(max * 84)
          let readers = Array.from({ length: 3 }, (): Reader & { read: number } => ({ cursor: 0, read: 0 }))
          let pushed = 0
          for (const step of steps) {
            const reader = readers[step]
            if (reader !== undefined) {
              const taken = buffer.take(reader) ?? []
              for (const part of taken) expect(part).toEqual(chunk(reader.read++)[0])
            } else if (readers.length > 0) {
              // Upstream is read for a reader that has read all there is.
              const fastest = readers[0]!
              for (const part of buffer.take(fastest) ?? []) expect(part).toEqual(chunk(fastest.read++)[0])
              if (buffer.push(chunk(pushed++))) continue
              const late = buffer.trim(readers)
              expect(late).not.toContain(fastest)
              for (const { read } of late) expect(pushed - read).toBeGreaterThan(max)
              readers = readers.filter((each) => !late.includes(each))
              for (const { read } of readers) expect(pushed - read).toBeLessThanOrEqual(Math.max(1, max))
            }
          }
        }
      )
    )
  })

  it("cuts off nobody when nobody is ahead, and counts who reads nothing as ahead of all", () => {
    const buffer = new FlightBuffer(1)
    const stalled: Reader = { cursor: 0 }
    buffer.push(chunk(0))
    buffer.push(chunk(1))
    expect(buffer.trim([stalled])).toEqual([])
    expect(buffer.take(stalled)).toEqual([...chunk(0), ...chunk(1)])
    buffer.push(chunk(2))
    buffer.push(chunk(3))
    expect(buffer.trim([stalled, { cursor: Number.POSITIVE_INFINITY }])).toEqual([stalled])
  })
})
