/**
 * The vector index: nearest vectors among many, what they take, and how often the nearest is found.
 *
 * Beside it stand plain JavaScript over floats, and a search for a byte that is not there in as many bytes as the index
 * reads: nothing that reads every row can be faster than that by much. Times are CPU times, so a wait for memory counts.
 */
import { VectorIndex, VectorSpace } from "../../engine/src/VectorIndex.ts"
import { compare, type Entry } from "./measure.ts"
import type { Options, Row, Table } from "./report.ts"

const dimensions = 384
const queriesCount = 100

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const tables: Array<Table> = []
  for (const size of options.quick ? [10_000] : [10_000, 100_000]) tables.push(...(await measure(size, options)))
  return tables
}

const measure = async (size: number, options: Options): Promise<ReadonlyArray<Table>> => {
  const next = random(1)
  const floats = new Float32Array(size * dimensions)
  for (let row = 0; row < size; row++) floats.set(unit(next), row * dimensions)
  const rowOf = (row: number) => floats.subarray(row * dimensions, (row + 1) * dimensions)

  const before = process.memoryUsage().rss
  const startedAt = performance.now()
  const space = new VectorSpace({ dimensions, capacity: size })
  const index = new VectorIndex<number>(space)
  for (let row = 0; row < size; row++) index.add(row, rowOf(row))
  const buildMs = performance.now() - startedAt
  const rssBytes = process.memoryUsage().rss - before

  const near = Array.from({ length: queriesCount }, (_, i) => blurred(rowOf((i * 7919) % size), next))
  const far = Array.from({ length: queriesCount }, () => unit(next))
  const read = Buffer.alloc((size * dimensions) / 2, 1)
  let at = 0
  const entries: ReadonlyArray<Entry> = [
    {
      name: "as many bytes read for one that is not there",
      run: (count) => {
        for (let i = 0; i < count; i++) read.indexOf(0)
      }
    },
    {
      name: "plain JavaScript over floats, the best",
      run: (count) => {
        for (let i = 0; i < count; i++) bestOf(floats, far[at++ % queriesCount]!)
      }
    },
    {
      name: "Millrace, the best",
      run: (count) => {
        for (let i = 0; i < count; i++) index.search(far[at++ % queriesCount]!, 1)
      },
      goals: size === 100_000 ? [{ kind: "at-most", value: 2000 }] : undefined
    },
    {
      name: "Millrace, the best five",
      run: (count) => {
        for (let i = 0; i < count; i++) index.search(far[at++ % queriesCount]!, 5)
      }
    }
  ]
  const rows = await compare(entries, options, undefined, options.quick ? 5 : 11)
  const share = (queries: ReadonlyArray<Float32Array>, limit: number) =>
    queries.filter((query) => {
      const best = bestOf(floats, query)
      return index.search(query, limit).some(({ id }) => id === best)
    }).length / queries.length
  const recall: ReadonlyArray<Row> = [
    { name: "a neighbour is there, the first", value: share(near, 1), goals: [{ kind: "at-least", value: 0.99 }] },
    { name: "none is there, among the first five", value: share(far, 5), goals: [{ kind: "at-least", value: 0.99 }] },
    { name: "none is there, the first", value: share(far, 1) }
  ]
  const kept: ReadonlyArray<Row> = [
    {
      name: "vectors",
      value: space.bytes / 1e6,
      goals: size === 100_000 ? [{ kind: "at-most", value: 40 }] : undefined
    },
    { name: "resident, with ids and positions", value: rssBytes / 1e6 }
  ]
  const many = `${size.toLocaleString("en-US")} × ${dimensions}`
  return [
    { title: `Vectors, nearest of ${many}`, unit: "µs", rows },
    { title: `Vectors, share of ${queriesCount} queries whose nearest of ${many} was found`, unit: "", rows: recall },
    { title: `Vectors, memory of ${many}`, unit: "MB", rows: kept },
    { title: `Vectors, adding all of ${many}`, unit: "ms", rows: [{ name: "Millrace", value: buildMs }] }
  ]
}

const bestOf = (floats: Float32Array, query: Float32Array): number => {
  let best = -1
  let highest = -Infinity
  for (let start = 0, row = 0; start < floats.length; start += dimensions, row++) {
    let score = 0
    for (let i = 0; i < dimensions; i++) score += query[i]! * floats[start + i]!
    if (score > highest) [best, highest] = [row, score]
  }
  return best
}

/** Random numbers of one seed (mulberry32). */
const random = (seed: number) => {
  let state = seed
  return () => {
    state = (state + 0x6d_2b_79_f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** A direction of all directions alike. */
const unit = (next: () => number): Float32Array =>
  normal(
    Float32Array.from(
      { length: dimensions },
      () => Math.sqrt(-2 * Math.log(next() + 1e-12)) * Math.cos(2 * Math.PI * next())
    )
  )

/** A direction near another: a cosine of about 0.9, as two wordings of a question have. */
const blurred = (vector: Float32Array, next: () => number): Float32Array => {
  const noise = unit(next)
  return normal(vector.map((value, i) => value + 0.48 * noise[i]!))
}

const normal = (vector: Float32Array): Float32Array => {
  const length = Math.hypot(...vector)
  return vector.map((value) => value / length)
}
