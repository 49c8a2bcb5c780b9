import { assert, integer, pre, property } from "fast-check"
import * as fc from "fast-check"
import { readFileSync } from "node:fs"
import path from "node:path"
import { describe, expect, it } from "vitest"
import wabt from "wabt"
import { dimensionsMax, VectorIndex, VectorSpace } from "../../engine/src/VectorIndex.ts"
import { kernelBase64 } from "../../engine/src/VectorKernel.ts"

const random = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Numbers around 0, as embeddings have them. */
const vectorOf = (dimensions: number, next: () => number): Array<number> =>
  Array.from({ length: dimensions }, () => next() + next() + next() + next() - 2)

const cosine = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): number => {
  let product = 0
  let left = 0
  let right = 0
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!
    left += a[i]! ** 2
    right += b[i]! ** 2
  }
  return product / Math.sqrt(left * right)
}

const indexOf = (dimensions: number, capacity = 1000) =>
  new VectorIndex<number>(new VectorSpace({ dimensions, capacity }))

describe("VectorIndex", () => {
  it("is the source that lies beside it, assembled", async () => {
    const source = readFileSync(path.resolve(import.meta.dirname, "../../engine/src/VectorKernel.wat"), "utf8")
    const module = (await wabt()).parseWat("VectorKernel.wat", source, { simd: true, relaxed_simd: true })
    expect(kernelBase64).toBe(Buffer.from(module.toBinary({}).buffer).toString("base64"))
  })

  it("scores like a cosine in floats, whatever the length and the scale of vectors", () => {
    assert(
      property(
        integer({ min: 1, max: 700 }),
        integer(),
        fc.double({ min: 1e-6, max: 1e6, noNaN: true }),
        (dimensions, seed, scale) => {
          const next = random(seed)
          const rows = Array.from({ length: 9 }, () => vectorOf(dimensions, next))
          const query = vectorOf(dimensions, next)
          pre([query, ...rows].every((row) => row.some((value) => value !== 0)))
          const index = indexOf(dimensions)
          rows.forEach((row, id) =>
            index.add(
              id,
              row.map((value) => value * scale)
            )
          )
          const found = index.search(query, 9)
          expect(found).toHaveLength(9)
          for (const { id, score } of found) expect(Math.abs(score - cosine(rows[id]!, query))).toBeLessThan(0.02)
          for (let i = 1; i < found.length; i++) expect(found[i]!.score).toBeLessThanOrEqual(found[i - 1]!.score)
        }
      ),
      { numRuns: 60 }
    )
  })

  it("keeps its sums within their bits at the extremes", () => {
    for (const dimensions of [1, 127, 128, 129, 1536, 4096, dimensionsMax]) {
      const ones = Array.from({ length: dimensions }, () => 1)
      const index = indexOf(dimensions, 4)
      index.add(1, ones)
      index.add(
        -1,
        ones.map((value) => -value)
      )
      const found = index.search(ones, 2)
      expect(found.map(({ id }) => id)).toEqual([1, -1])
      expect(found[0]!.score).toBeCloseTo(1, 5)
      expect(found[1]!.score).toBeCloseTo(-1, 5)
    }
  })

  it("finds the best of many: always the one that is near, and nearly always the first of all", () => {
    const dimensions = 384
    const next = random(7)
    const rows = Array.from({ length: 3000 }, () => vectorOf(dimensions, next))
    const index = indexOf(dimensions, rows.length)
    rows.forEach((row, id) => index.add(id, row))
    let near = 0
    let first = 0
    for (let i = 0; i < 100; i++) {
      const noisy = rows[i]!.map((value) => value + 0.5 * (next() - 0.5))
      if (index.search(noisy, 1)[0]?.id === i) near++
      // No row is near here, so that the best differs from the others by little.
      const query = vectorOf(dimensions, next)
      let best = 0
      let highest = -1
      for (let id = 0; id < rows.length; id++) {
        const score = cosine(rows[id]!, query)
        if (score > highest) [best, highest] = [id, score]
      }
      if (index.search(query, 8).some(({ id }) => id === best)) first++
    }
    expect(near).toBe(100)
    expect(first).toBeGreaterThanOrEqual(99)
  }, 30_000)

  it("behaves like a table of vectors under adding, replacing, removing and searching in any order", () => {
    const step = fc.record({
      id: integer({ min: 0, max: 12 }),
      seed: integer(),
      remove: fc.boolean(),
      other: fc.boolean()
    })
    assert(
      property(fc.array(step, { maxLength: 80 }), (steps) => {
        const space = new VectorSpace({ dimensions: 5, capacity: 20 })
        const indexes = [new VectorIndex<number>(space), new VectorIndex<number>(space)]
        const tables = [new Map<number, Array<number>>(), new Map<number, Array<number>>()]
        for (const { id, other, remove, seed } of steps) {
          const at = other ? 1 : 0
          const vector = vectorOf(5, random(seed))
          pre(vector.some((value) => value !== 0))
          if (remove) {
            indexes[at]!.remove(id)
            tables[at]!.delete(id)
          } else if (indexes[at]!.add(id, vector)) tables[at]!.set(id, vector)
          else expect(tables[0]!.size + tables[1]!.size - (tables[at]!.delete(id) ? 1 : 0)).toBe(20)
        }
        expect(space.size).toBe(tables[0]!.size + tables[1]!.size)
        const query = vectorOf(5, random(1))
        for (const at of [0, 1]) {
          const found = indexes[at]!.search(query, 100)
          expect(new Set(found.map(({ id }) => id))).toEqual(new Set(tables[at]!.keys()))
          for (const { id, score } of found) expect(score).toBeCloseTo(cosine(tables[at]!.get(id)!, query), 1)
        }
      })
    )
  })

  it("refuses what has another length or no direction, and takes no row for it", () => {
    const space = new VectorSpace({ dimensions: 3, capacity: 10 })
    const index = new VectorIndex<number>(space)
    const wrong = [
      [1, 2],
      [1, 2, 3, 4],
      [0, 0, 0],
      [1, Number.NaN, 0],
      [1, Infinity, 0]
    ]
    for (const vector of wrong) expect(index.add(1, vector)).toBe(false)
    expect(space.size).toBe(0)
    index.add(1, [1, 2, 3])
    for (const vector of wrong) expect(index.search(vector, 5)).toEqual([])
    expect(index.search([1, 2, 3], 0)).toEqual([])
    expect(() => new VectorSpace({ dimensions: 0, capacity: 1 })).toThrow(RangeError)
    expect(() => new VectorSpace({ dimensions: dimensionsMax + 1, capacity: 1 })).toThrow(RangeError)
  })

  it("uses rows again, so that its memory is bounded by its capacity however much comes and goes", () => {
    const space = new VectorSpace({ dimensions: 384, capacity: 300 })
    const index = new VectorIndex<number>(space)
    const next = random(3)
    for (let id = 0; id < 2000; id++) {
      expect(index.add(id, vectorOf(384, next))).toBe(true)
      if (id >= 300 - 1) index.remove(id - (300 - 1))
    }
    expect(index.size).toBe(299)
    expect(space.bytes).toBeLessThan(300 * 384 + 2 * 128 * 384 + 100_000)
    expect(index.add(-1, vectorOf(384, next))).toBe(true)
    expect(index.add(-2, vectorOf(384, next))).toBe(false)
    expect(space.size).toBe(300)
  })
})
