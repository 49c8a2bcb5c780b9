import { Effect } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { CacheFields } from "../../engine/src/CacheFields.ts"
import { explainFingerprints, type Fingerprint } from "../../engine/src/CacheKey.ts"
import { CacheLookups, lookupsMax } from "../../engine/src/CacheLookups.ts"

const noted = (lookups: CacheLookups, codec: CacheFields, id: string, key: string, fields?: Fingerprint) => {
  const place = lookups.note(id, key, Number(id.slice(1)))
  if (fields !== undefined) lookups.tell(place, id, codec.encode(fields))
}

const make = () => {
  const codec = new CacheFields()
  return { codec, lookups: new CacheLookups(codec) }
}

const neighbours = (lookups: CacheLookups, id: string, limit = 50) =>
  Effect.runPromise(lookups.neighbours(id, limit)).then((found) => found!)

describe("CacheLookups", () => {
  it("knows the latest lookups and forgets the oldest", async () => {
    const { codec, lookups } = make()
    for (let i = 0; i < lookupsMax + 3; i++) noted(lookups, codec, `r${i}`, `k${i % 7}`, [["model", i % 5]])
    expect(lookups.find("r2")).toBeUndefined()
    expect(lookups.find("r3")).toEqual({ id: "r3", key: "k3", timeMs: 3, fields: [["model", 3]] })
    expect(await Effect.runPromise(lookups.neighbours("r2", 5))).toBeUndefined()
    const last = await neighbours(lookups, `r${lookupsMax + 2}`)
    expect(last.compared).toBe(lookupsMax - 1)
    expect(last.nearest).toHaveLength(6)
  })

  it("does not give the fields of one request to the one that took its place", () => {
    const { codec, lookups } = make()
    const place = lookups.note("r0", "k0", 0)
    for (let i = 1; i <= lookupsMax; i++) lookups.note(`r${i}`, `k${i}`, i)
    lookups.tell(place, "r0", codec.encode([["model", 1]]))
    expect(lookups.find(`r${lookupsMax}`)).toMatchObject({ fields: undefined })
  })

  it("tells a hit, which has no fields of its own, by those of the lookup that made the answer", async () => {
    const { codec, lookups } = make()
    noted(lookups, codec, "r1", "a", [["model", 1]])
    noted(lookups, codec, "r2", "b", [["model", 2]])
    noted(lookups, codec, "r3", "b")
    expect(await neighbours(lookups, "r3")).toMatchObject({
      same: { id: "r2" },
      nearest: [{ id: "r1", differing: ["model"] }],
      compared: 2
    })
  })

  it("finds among any earlier lookups the nearest, in order, as comparing each with each would", async () => {
    const paths = ["model", "tenant", "messages[0]", "messages[1]", "temperature", "seed"] as const
    const fields = fc
      .dictionary(fc.constantFrom(...paths), fc.integer({ min: 0, max: 2 }))
      .map((record) => Object.entries(record) as Fingerprint)
    await fc.assert(
      fc.asyncProperty(fc.array(fields, { minLength: 1, maxLength: 40 }), async (all) => {
        const { codec, lookups } = make()
        const keyOf = (of: Fingerprint) => JSON.stringify([...of].toSorted(([a], [b]) => (a < b ? -1 : 1)))
        all.forEach((of, index) => noted(lookups, codec, `r${index}`, keyOf(of), of))
        const wanted = all.at(-1)!
        const found = await neighbours(lookups, `r${all.length - 1}`)
        const latest = new Map(all.slice(0, -1).map((of, index) => [keyOf(of), { id: `r${index}`, of }]))
        const expected = [...latest]
          .filter(([key]) => key !== keyOf(wanted))
          .map(([, { id, of }]) => ({ id, differing: explainFingerprints(wanted, of) }))
          .sort((a, b) => a.differing.length - b.differing.length || Number(b.id.slice(1)) - Number(a.id.slice(1)))
        expect(found.nearest.map(({ differing, id }) => ({ id, differing }))).toEqual(expected)
        expect(found.same?.id).toBe(latest.get(keyOf(wanted))?.id)
      })
    )
  })
})
