import fc from "fast-check"
import { hash } from "node:crypto"
import { describe, expect, it } from "vitest"
import { isKey } from "../../engine/src/CacheIndex.ts"
import { CacheTable, type NewEntry } from "../../engine/src/CacheTable.ts"
import { completionOf } from "../../engine/src/testing.ts"

const keyOf = (index: number): string => hash("sha256", String(index), "base64url").slice(0, 32)

const entry = (index: number, fields: Partial<NewEntry> = {}): NewEntry => ({
  key: keyOf(index),
  group: { target: { provider: "a", model: "m" }, tenant: `t${index % 3}`, namespace: undefined },
  completion: completionOf("m", String(index)),
  fields: undefined,
  omitted: [],
  pacing: undefined,
  storedAtMs: 1000,
  expiresAtMs: 2000,
  latencyMs: 1,
  bytes: 100,
  ...fields
})

/** The same with a map and a list, one entry after the other. */
class Model {
  readonly entries = new Map<string, { readonly bytes: number; readonly tenant: string }>()
  private readonly maxEntries: number
  private readonly maxBytes: number
  constructor(maxEntries: number, maxBytes: number) {
    this.maxEntries = maxEntries
    this.maxBytes = maxBytes
  }
  get bytes(): number {
    return [...this.entries.values()].reduce((sum, { bytes }) => sum + bytes, 0)
  }
  use(key: string): boolean {
    const found = this.entries.get(key)
    if (found === undefined) return false
    this.entries.delete(key)
    this.entries.set(key, found)
    return true
  }
  set(key: string, bytes: number, tenant: string): void {
    if (bytes > this.maxBytes) return
    this.entries.delete(key)
    while (this.entries.size >= this.maxEntries || this.bytes + bytes > this.maxBytes) {
      this.entries.delete(this.entries.keys().next().value!)
    }
    this.entries.set(key, { bytes, tenant })
  }
}

const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant("set" as const), at: fc.nat(60), bytes: fc.integer({ min: 50, max: 400 }) })
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("use" as const), at: fc.nat(60) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("remove" as const), at: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("purge" as const), at: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("sweep" as const), at: fc.nat(60) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("clear" as const), at: fc.constant(0) }) }
)

describe("CacheTable", () => {
  it("does what a map with an order of use does, within both bounds, whatever comes in whichever order", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const table = new CacheTable({ maxEntries: 20, maxBytes: 3000 })
        const model = new Model(20, 3000)
        for (const one of steps) {
          const key = keyOf(one.at)
          const slot = table.find(key)
          expect(slot >= 0).toBe(model.entries.has(key))
          switch (one.do) {
            case "set":
              table.set(entry(one.at, { bytes: one.bytes }))
              model.set(key, one.bytes, `t${one.at % 3}`)
              break
            case "use":
              if (slot >= 0) table.use(slot)
              model.use(key)
              break
            case "remove":
              if (slot >= 0) table.remove(slot)
              model.entries.delete(key)
              break
            case "purge": {
              const tenant = `t${one.at}`
              const there = [...model.entries].filter(([, found]) => found.tenant === tenant)
              expect(table.bury({ tenant })).toBe(there.length)
              for (const [found] of there) {
                model.entries.delete(found)
                expect(table.find(found)).toBe(-1)
              }
              table.sweep(0, 100, 0, 0)
              break
            }
            case "sweep":
              table.sweep(one.at, 10, 0, 0)
              break
            case "clear":
              table.clear()
              model.entries.clear()
          }
          expect(table.entries).toBe(model.entries.size)
          expect(table.bytes).toBe(model.bytes)
        }
        for (const [key, { bytes, tenant }] of model.entries) {
          const slot = table.find(key)
          expect(table.keyOf(slot)).toBe(key)
          expect(table.bytesOf(slot)).toBe(bytes)
          expect(table.groupOf(slot).tenant).toBe(tenant)
        }
      }),
      { numRuns: 200 }
    )
  })

  it("finds each of many keys and no other, also after half of them have left", () => {
    const table = new CacheTable({ maxEntries: 20_000, maxBytes: 1e9 })
    for (let i = 0; i < 20_000; i++) table.set(entry(i))
    for (let i = 0; i < 20_000; i += 2) table.remove(table.find(keyOf(i)))
    for (let i = 0; i < 20_000; i++) expect(table.find(keyOf(i)) >= 0).toBe(i % 2 === 1)
    for (let i = 20_000; i < 30_000; i++) table.set(entry(i))
    expect(table.slots).toBe(20_000)
    for (let i = 20_000; i < 30_000; i++) expect(table.keyOf(table.find(keyOf(i)))).toBe(keyOf(i))
  })

  it("takes nothing that is larger than all it may hold, and no key that is none", () => {
    const table = new CacheTable({ maxEntries: 10, maxBytes: 1000 })
    expect(table.set(entry(1, { bytes: 1001 }))).toBe(false)
    expect(table.set(entry(1, { key: "short" }))).toBe(false)
    expect(table.set(entry(1, { key: `${keyOf(1).slice(1)}!` }))).toBe(false)
    expect(table.entries).toBe(0)
    expect(isKey(keyOf(1))).toBe(true)
    expect(table.find("")).toBe(-1)
  })

  it("keeps what an answer came with", () => {
    const table = new CacheTable({ maxEntries: 10, maxBytes: 10_000 })
    table.set(entry(1, { fields: "abcde" }))
    table.set(entry(2, { omitted: ["seed"], pacing: "xy", fields: "abcde" }))
    table.set(entry(3))
    expect(table.extraOf(table.find(keyOf(1)))).toEqual({ fields: "abcde", omitted: [], pacing: undefined })
    expect(table.extraOf(table.find(keyOf(2)))).toEqual({ fields: "abcde", omitted: ["seed"], pacing: "xy" })
    expect(table.extraOf(table.find(keyOf(3)))).toBeUndefined()
  })
})
