/**
 * What is saved of a batch that a database refuses: everything but what it can't hold.
 */
import { assert, describe, it } from "@effect/vitest"
import fc from "fast-check"
import { sift } from "../../../engine/src/stores/UsageRefusal.ts"

const sifted = (batch: ReadonlyArray<number>, refused: ReadonlySet<number>) => {
  const sifting = sift(batch)
  let tries = 0
  let next = sifting.next()
  while (next.done !== true) {
    tries++
    next = sifting.next(!next.value.some((each) => refused.has(each)))
  }
  return { kept: next.value, tries }
}

describe("sift", () => {
  it("loses only what is refused, in order, as long as that is not much", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2000 }), fc.array(fc.nat(1999), { maxLength: 5 }), (size, refused) => {
        const batch = Array.from({ length: size }, (_, i) => i)
        const bad = new Set(refused.filter((each) => each < size).concat(size - 1))
        const { kept } = sifted(batch, bad)
        assert.deepStrictEqual(
          kept,
          batch.filter((each) => !bad.has(each))
        )
      })
    )
  })

  it("ends after a bounded number of tries, and keeps nothing that was refused", () => {
    const batch = Array.from({ length: 20_000 }, (_, i) => i)
    const bad = new Set(batch.filter((each) => each % 2 === 0))
    const { kept, tries } = sifted(batch, bad)
    assert.isAtMost(tries, 200)
    assert.isTrue(kept.every((each) => !bad.has(each)))
    assert.deepStrictEqual(sifted([1], new Set([1])), { kept: [], tries: 0 })
  })
})
