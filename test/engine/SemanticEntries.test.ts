import { Effect } from "effect"
import { describe, expect, it } from "vitest"
import { analyse, type Features } from "../../engine/src/semantic/SemanticFeatures.ts"
import { SemanticEntries, type SemanticEntry } from "../../engine/src/SemanticEntries.ts"

const featuresOf = (text: string): Features => {
  const analysis = analyse(text)
  if (analysis._tag !== "Judgeable") throw new Error(`${text} can't be judged`)
  return analysis.features
}

const add = (
  entries: SemanticEntries,
  text: string,
  vector?: ReadonlyArray<number>,
  partition = "p"
): SemanticEntry => {
  const entry = { key: text, partition, text, addedAtMs: 0 }
  entries.add(entry, { features: featuresOf(text), vector })
  return entry
}

const keysOf = (entries: SemanticEntries, text: string, vector?: ReadonlyArray<number>, partition = "p") =>
  entries.search(partition, { features: featuresOf(text), vector }, 5).map(({ entry }) => entry.key)

describe("SemanticEntries", () => {
  it("finds prompts of the partition that is asked for, and of no other", () => {
    const entries = new SemanticEntries({ maxSize: 10, vectors: false })
    add(entries, "What is a fermion?", undefined, "a")
    add(entries, "What is a boson?", undefined, "b")
    expect(keysOf(entries, "Tell me what a fermion is", undefined, "a")).toEqual(["What is a fermion?"])
    expect(keysOf(entries, "Tell me what a fermion is", undefined, "b")).not.toContain("What is a fermion?")
    expect(keysOf(entries, "Tell me what a fermion is", undefined, "c")).toEqual([])
  })

  it("drops what was used longest ago, and a partition with its last prompt", () => {
    const entries = new SemanticEntries({ maxSize: 2, vectors: true })
    add(entries, "one is", [1, 0], "a")
    add(entries, "two is", [0, 1], "b")
    entries.touch("one is")
    add(entries, "three is", [1, 1], "b")
    expect(entries.size).toBe(2)
    expect(keysOf(entries, "one is", [1, 0], "a")).toEqual(["one is"])
    expect(keysOf(entries, "two is", [0, 1], "b")).toEqual(["three is"])
    expect(entries.remove("one is")).toBe(true)
    expect(entries.remove("one is")).toBe(false)
    expect(entries.partitions).toBe(1)
  })

  it("takes an embedder that changes the length of its vectors once the old ones have gone", () => {
    const entries = new SemanticEntries({ maxSize: 10, vectors: true })
    add(entries, "one is", [1, 0])
    add(entries, "two is", [1, 0, 0])
    expect(entries.size).toBe(1)
    expect(keysOf(entries, "two is", [1, 0, 0])).toEqual([])
    entries.remove("one is")
    add(entries, "two is", [1, 0, 0])
    expect(keysOf(entries, "two is", [1, 0, 0])).toEqual(["two is"])
  })

  it("works out again what the gate needs of a prompt when it is no longer kept", () => {
    const entries = new SemanticEntries({ maxSize: 10, vectors: false })
    const text = "What is the capital of France?"
    const entry = add(entries, text)
    expect(entries.featuresOf(entry)).toEqual(featuresOf(text))
    expect(new SemanticEntries({ maxSize: 10, vectors: false }).featuresOf(entry)).toEqual(featuresOf(text))
  })

  it("forgets what has no answer any more, and lets others run meanwhile", async () => {
    const entries = new SemanticEntries({ maxSize: 2000, vectors: true })
    const { features } = { features: featuresOf("one is") }
    for (let i = 0; i < 2000; i++) {
      entries.add({ key: `${i}`, partition: `${i % 7}`, text: "one is", addedAtMs: 0 }, { features, vector: [i, 1] })
    }
    let others = 0
    const other = Effect.forever(
      Effect.andThen(
        Effect.sync(() => others++),
        Effect.yieldNow
      )
    )
    await Effect.runPromise(
      Effect.race(
        entries.prune((key) => Number(key) % 2 === 0),
        other
      )
    )
    expect(entries.size).toBe(1000)
    expect(entries.has("1")).toBe(false)
    expect(others).toBeGreaterThan(1)
  })
})
