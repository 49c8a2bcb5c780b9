/**
 * The cache as a table: a lookup among many entries, the memory that an entry takes beside its value, and the longest
 * piece of work that evicting, purging and listing put into the event loop.
 */
import { Cache as EffectCache, Effect } from "effect"
import { hash } from "node:crypto"
import { LRUCache } from "lru-cache"
import { Cache } from "../../engine/src/Cache.ts"
import { cacheKey, keyLength } from "../../engine/src/CacheKey.ts"
import { CacheTable } from "../../engine/src/CacheTable.ts"
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

  const table = new CacheTable({ maxEntries: size, maxBytes: 1e12 })
  for (let i = 0; i < size; i++) {
    table.set({
      ...entryOf,
      key: keyOf(i).slice(0, keyLength),
      group: { target, tenant: "default", namespace: undefined }
    })
  }

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
      name: "Millrace's table, key and get",
      run: (count) => {
        const nowMs = 1
        for (let i = 0; i < count; i++) {
          const slot = table.find(keyOf(next()).slice(0, keyLength))
          if (nowMs < table.expiresAtMs(slot)) table.use(slot)
          if (table.completionOf(slot) !== completion) throw new Error("the table lost an entry")
        }
      }
    },
    {
      name: "Millrace, the key alone (hash of a request)",
      run: (count) => {
        for (let i = 0; i < count; i++) cacheKey(request(next()), [target])
      }
    },
    {
      name: "Millrace, the stage passed by",
      run: (count) =>
        Effect.runPromise(
          Effect.scoped(
            Effect.gen(function* () {
              for (let i = 0; i < count; i++) yield* open(routed({ ...request(next()), cacheMode: "bypass" }))
            })
          )
        )
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
      name: "Millrace's table",
      value: valueOf(entries[3]!.name) - valueOf(entries[0]!.name),
      goals: [{ kind: "at-most", value: 1.2 }]
    },
    {
      name: "Millrace, the whole stage without key and call",
      value: valueOf(entries[6]!.name) - valueOf(entries[5]!.name) - valueOf(entries[4]!.name)
    }
  ]
  const many = size.toLocaleString("en-US")
  const blocks: Array<Row> = []
  const measuredBlock = async (name: string, times: number, work: (time: number) => Promise<unknown>) => {
    let least: Array<number> = []
    for (let time = 0; time < times; time++) {
      const turns = await turnsOf(() => work(time))
      least = time === 0 ? turns : least.slice(0, turns.length).map((ms, turn) => Math.min(ms, turns[turn]!))
    }
    blocks.push({ name, value: Math.max(...least), goals: [{ kind: "at-most", value: 5 }] })
  }
  let added = size
  const add = () => {
    const filling = routed({ ...template, seed: added++, tenant: `tenant ${added % 10}` })
    filling.journal.target = target
    return Effect.andThen(
      open(filling),
      Effect.suspend(() => filling.settlement.run(success))
    )
  }
  await measuredBlock("evicting: 10 insertions a turn, each evicts one", 30, () =>
    Effect.runPromise(
      Effect.scoped(
        Effect.gen(function* () {
          for (let i = 0; i < 10_000; i++) {
            yield* add()
            if (i % 10 === 0) yield* Effect.yieldNow
          }
        })
      )
    )
  )
  await measuredBlock("listing a page by size", 30, () => Effect.runPromise(cache.entries({ sort: "size" })))
  await measuredBlock("purging a tenant with 3 % of the entries", 10, (time) =>
    Effect.runPromise(cache.purge({ tenant: `tenant ${time}` }))
  )
  return [
    { title: `Cache of ${many} entries, lookups in no order`, unit: "µs", rows },
    { title: `Cache of ${many} entries, a get without its key and its call`, unit: "µs", rows: share },
    { title: `Cache of ${many} entries, memory beside the values`, unit: "B/entry", rows: heap },
    {
      title: `Cache of ${many} entries, longest turn of the event loop, each turn the least of several runs`,
      unit: "ms",
      rows: blocks
    }
  ]
}

/** Milliseconds of each turn of the event loop while work is done. */
const turnsOf = async (work: () => Promise<unknown>): Promise<Array<number>> => {
  const turns: Array<number> = []
  let done = false
  let before = performance.now()
  const watch = () => {
    const now = performance.now()
    turns.push(now - before)
    before = now
    if (!done) setImmediate(watch)
  }
  setImmediate(watch)
  await work()
  done = true
  await new Promise((resolve) => setImmediate(resolve))
  return turns
}

const template = requestOf(samePrompt)

const entryOf = {
  completion,
  fields: undefined,
  omitted: [],
  pacing: undefined,
  storedAtMs: 0,
  expiresAtMs: 600_000,
  latencyMs: 1,
  bytes: 1000
}

const heapUsed = (): number => {
  globalThis.gc!()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return heapUsed + arrayBuffers
}
