/**
 * The cache as a table: a lookup among many entries, the memory that an entry takes beside its value, and the longest
 * piece of work that evicting, purging and listing put into the event loop.
 */
import { Cache as EffectCache, Effect } from "effect"
import { hash } from "node:crypto"
import { readFileSync } from "node:fs"
import { LRUCache } from "lru-cache"
import { Cache } from "../../engine/src/Cache.ts"
import { cacheKey } from "../../engine/src/CacheKey.ts"
import { compare, type Entry } from "./measure.ts"
import { completion, reply, requestOf, routed, success, target } from "./pipeline.ts"
import type { Options, Row, Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const size = options.quick ? 100_000 : 1_000_000
  const heap: Array<Row> = []
  const measured = async <A>(name: string, fill: () => Promise<A>, goal?: number): Promise<A> => {
    const before = heapUsed()
    const filled = await fill()
    const value = (heapUsed() - before) / size
    heap.push({ name, value, goals: goal === undefined ? undefined : [{ kind: "at-most", value: goal }] })
    return filled
  }
  const keyOf = (index: number) => hash("sha256", String(index % size), "base64url")

  const lru = await measured("lru-cache with ttl", async () => {
    const cache = new LRUCache<string, object>({ max: size, ttl: 600_000 })
    for (let i = 0; i < size; i++) cache.set(keyOf(i), completion)
    return cache
  })
  const effectCache = await measured("Effect Cache", () =>
    Effect.runPromise(
      Effect.gen(function* () {
        const cache = yield* EffectCache.make({
          capacity: size,
          timeToLive: "10 minutes",
          lookup: (key: string) => Effect.succeed(key === "" ? undefined : completion)
        })
        for (let i = 0; i < size; i++) yield* EffectCache.get(cache, keyOf(i))
        return cache
      })
    )
  )
  const layer = Cache.layer({ enabled: true, maxSize: size, maxBytes: 1e12, ttlMs: 600_000, maxTemperature: undefined })
  const cache = await Effect.runPromise(Effect.provide(Cache, layer))
  const open = cache.stage(() => reply)
  const request = (index: number) => ({ ...template, seed: index % size })
  const call = (index: number) => open(routed(request(index)))
  await measured(
    "Millrace",
    () =>
      Effect.runPromise(
        Effect.scoped(
          Effect.gen(function* () {
            for (let i = 0; i < size; i++) {
              const filling = routed(request(i))
              filling.journal.target = target
              yield* open(filling)
              yield* filling.settlement.run(success)
            }
          })
        )
      ),
    150
  )

  let at = 0
  // A stride that is prime to the size visits all entries in an order that no hardware cache foresees.
  const next = () => (at = (at + 611_953) % size)
  const entries: ReadonlyArray<Entry> = [
    {
      name: "the key alone (hash of a number)",
      run: (count) => {
        for (let i = 0; i < count; i++) keyOf(next())
      }
    },
    {
      name: "lru-cache with ttl, key and get",
      run: (count) => {
        for (let i = 0; i < count; i++) lru.get(keyOf(next()))
      }
    },
    {
      name: "Effect Cache, key and get",
      run: (count) =>
        Effect.runPromise(
          Effect.gen(function* () {
            for (let i = 0; i < count; i++) yield* EffectCache.get(effectCache, keyOf(next()))
          })
        )
    },
    {
      name: "Millrace, the key alone (hash of a request)",
      run: (count) => {
        for (let i = 0; i < count; i++) cacheKey(request(next()), [target])
      }
    },
    {
      name: "Millrace, the whole stage on a hit",
      run: (count) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              for (let i = 0; i < count; i++) yield* call(next())
            })
          )
        )
    }
  ]
  const rows = await compare(entries, options)
  const valueOf = (name: string) => rows.find((row) => row.name === name)?.value ?? Number.NaN
  const share: ReadonlyArray<Row> = [
    { name: "lru-cache with ttl", value: valueOf(entries[1]!.name) - valueOf(entries[0]!.name) },
    { name: "Effect Cache", value: valueOf(entries[2]!.name) - valueOf(entries[0]!.name) },
    {
      name: "Millrace",
      value: valueOf(entries[4]!.name) - valueOf(entries[3]!.name),
      goals: [{ kind: "at-most", value: 1.2 }]
    }
  ]
  const many = size.toLocaleString("en-US")
  const bound = [{ kind: "at-most", value: 5 }] as const
  const blocks: Array<Row> = []
  const measuredBlock = async (name: string, work: () => Promise<unknown>) => {
    globalThis.gc!()
    blocks.push({ name, value: await longestBlock(work), goals: bound })
  }
  await measuredBlock("evicting one by one, 100,000 insertions", () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          for (let i = 0; i < 100_000; i++) {
            const filling = routed({ ...template, seed: size + i })
            filling.journal.target = target
            yield* open(filling)
            yield* filling.settlement.run(success)
            if (i % 10 === 0) yield* Effect.yieldNow
          }
        })
      )
    )
  )
  await measuredBlock("listing the first page by size", () => Effect.runPromise(cache.entries({ sort: "size" })))
  await measuredBlock("purging all by their model", () => Effect.runPromise(cache.purge({ model: target.model })))
  return [
    { title: `Cache of ${many} entries, lookups in no order`, unit: "µs", rows },
    { title: `Cache of ${many} entries, a get without its key`, unit: "µs", rows: share },
    { title: `Cache of ${many} entries, memory beside the values`, unit: "B/entry", rows: heap },
    { title: `Cache of ${many} entries, longest block of the event loop`, unit: "ms of CPU", rows: blocks }
  ]
}

/**
 * Milliseconds of CPU time of this thread between two turns of the event loop, at most, while work is done. By the
 * scheduler's own clock: `threadCpuUsage` may count in ticks of 4 ms.
 */
const longestBlock = async (work: () => Promise<unknown>): Promise<number> => {
  let longestMs = 0
  let done = false
  let before = threadMs()
  const watch = () => {
    longestMs = Math.max(longestMs, threadMs() - before)
    before = threadMs()
    if (!done) setImmediate(watch)
  }
  setImmediate(watch)
  await work()
  done = true
  await new Promise((resolve) => setImmediate(resolve))
  return longestMs
}

const threadMs = (): number =>
  Number(readFileSync(`/proc/self/task/${process.pid}/schedstat`, "latin1").split(" ")[0]) / 1e6

const template = requestOf(samePrompt)

const heapUsed = (): number => {
  globalThis.gc!()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
