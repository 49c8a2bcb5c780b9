import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import fc from "fast-check"
import { countTokens as cl100k } from "gpt-tokenizer/encoding/cl100k_base"
import { countTokens as o200k } from "gpt-tokenizer/encoding/o200k_base"
import { countTokens as p50k } from "gpt-tokenizer/encoding/p50k_base"
import { countTokens as r50k } from "gpt-tokenizer/encoding/r50k_base"
import { type CountSlice, TextCounter } from "../../engine/src/TextCounter.ts"
import { loadEncoding, readAll } from "../../engine/src/TokenCount.ts"
import { arenaPrompts, ordinary, pathological } from "./prompts.ts"

const plain = { disallowedSpecial: new Set<string>() }

const libraries = { o200k_base: o200k, cl100k_base: cl100k, p50k_base: p50k, r50k_base: r50k } as const

const encodings = Object.keys(libraries) as ReadonlyArray<keyof typeof libraries>

const counted = Effect.fnUntraced(function* (
  encoding: Parameters<typeof loadEncoding>[0],
  texts: ReadonlyArray<string>
) {
  const counter = new TextCounter(texts, yield* loadEncoding(encoding))
  while (!counter.done) counter.step()
  return counter
})

/** Stands in for an encoding and remembers what it was given. */
const recording = () => {
  const slices: Array<string> = []
  const countSlice: CountSlice = (slice) => {
    slices.push(slice)
    return 1
  }
  return { slices, countSlice }
}

describe("TextCounter", () => {
  for (const encoding of encodings) {
    it.effect(`counts ordinary text as ${encoding} does, to the token`, () =>
      Effect.gen(function* () {
        for (const { text } of [
          ...ordinary,
          {
            text: ordinary
              .map(({ text }) => text)
              .join("\n\n\n")
              .repeat(20)
          }
        ]) {
          const counter = yield* counted(encoding, [text])
          expect(counter.cut).toBe(false)
          expect(counter.tokens).toBe(libraries[encoding](text, plain))
        }
      })
    )
  }

  it.skipIf(arenaPrompts === undefined)(
    "counts real prompts to the token where nothing is cut, and each within 2 % (../shared/data/prompts)",
    () =>
      Effect.runPromise(
        Effect.gen(function* () {
          let cuts = 0
          for (const prompt of arenaPrompts!) {
            const counter = yield* counted("o200k_base", [prompt])
            const expected = o200k(prompt, plain)
            if (counter.cut) cuts++
            else expect(counter.tokens).toBe(expected)
            expect(counter.tokens).toBeGreaterThanOrEqual(expected)
            expect(counter.tokens).toBeLessThanOrEqual(1.02 * expected)
          }
          expect(cuts).toBeLessThan(arenaPrompts!.length / 100)
        })
      )
  )

  for (const encoding of ["o200k_base", "cl100k_base"] as const) {
    it.effect.each(Object.keys(pathological))(`stays on the safe side of ${encoding} for %s`, (name) =>
      Effect.gen(function* () {
        for (const length of [300, 1000]) {
          const text = pathological[name]!(length)
          const expected = libraries[encoding](text, plain)
          const { cut, tokens } = yield* counted(encoding, [text])
          if (!cut) expect(tokens).toBe(expected)
          expect(tokens).toBeGreaterThanOrEqual(expected)
          expect(tokens).toBeLessThanOrEqual(expected + Math.ceil(length / 512) * 6)
        }
      })
    )
  }

  it.each([
    ...Object.keys(pathological).map((name) => [name, 200_000] as const),
    ["one letter", 10_000_000],
    ["one Chinese character", 10_000_000]
  ] as const)("reads %s in a bounded number of bounded slices (%i units)", (name, length) => {
    const text = pathological[name]!(length)
    let longest = 0
    let units = 0
    const counter = new TextCounter([text], (slice) => {
      longest = Math.max(longest, slice.length)
      units += slice.length
      return 1
    })
    let steps = 0
    for (; !counter.done; steps++) counter.step()
    expect(units).toBe(text.length)
    expect(longest).toBeLessThanOrEqual(2048)
    expect(steps).toBeLessThanOrEqual((3 * text.length) / (2048 - 3 * 512) + 1)
  })

  it("never hands on a piece that no encoding would break for longer than 512 units", () => {
    const { countSlice, slices } = recording()
    const counter = new TextCounter(["汉".repeat(5000), "a".repeat(5000), " ".repeat(5000)], countSlice)
    while (!counter.done) counter.step()
    expect(Math.max(...slices.map((slice) => slice.length))).toBeLessThanOrEqual(513)
    expect(counter.cut).toBe(true)
  })

  it("reads every unit of every text once, in order, and never splits a surrogate pair", () => {
    const part = fc.oneof(
      fc.string({ unit: "binary", maxLength: 40 }),
      fc.constantFrom("word ", "a".repeat(700), "漢字、", "😀".repeat(300), "\n\n", " ".repeat(400), "don't ", "x=1;")
    )
    const texts = fc.array(
      fc.array(part, { maxLength: 30 }).map((parts) => parts.join("")),
      { maxLength: 12 }
    )
    fc.assert(
      fc.property(texts, (texts) => {
        const { countSlice, slices } = recording()
        const counter = new TextCounter(texts, countSlice)
        for (let steps = 0; !counter.done; steps++) {
          expect(steps).toBeLessThan(10_000)
          counter.step()
        }
        expect(slices.join("")).toBe(texts.join(""))
        for (let i = 1; i < slices.length; i++) {
          const split = /[\ud800-\udbff]$/.test(slices[i - 1]!) && /^[\udc00-\udfff]/.test(slices[i]!)
          const whole = texts.some((text) => text.endsWith(slices[i - 1]!))
          expect(split && !whole).toBe(false)
        }
        expect(counter.remaining).toBe(0)
      })
    )
  })

  it("knows what it has not read", () => {
    const texts = ["word ".repeat(1000), "other ".repeat(1000)]
    const counter = new TextCounter(texts, () => 1)
    expect(counter.remaining).toBe(11_000)
    counter.step()
    expect(counter.remaining).toBeLessThan(11_000)
    expect(counter.remaining).toBeGreaterThan(8000)
  })

  const special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|fim_prefix|>", "<|endofprompt|>", "<|start|>"]

  it.effect.each([...encodings, "o200k_harmony", "p50k_edit", "gpt2"] as const)(
    "counts special tokens in a text as the text that they are in %s",
    (encoding) =>
      Effect.gen(function* () {
        const shared = { o200k_harmony: "o200k_base", p50k_edit: "p50k_base", gpt2: "r50k_base" } as const
        const library =
          libraries[encoding in shared ? shared[encoding as keyof typeof shared] : (encoding as "o200k_base")]
        for (const token of special) {
          for (const text of [token, `say ${token} and ${token}${token} please`, `${token}system<|message|>`]) {
            const { tokens } = yield* counted(encoding, [text])
            expect(tokens).toBe(library(text, plain))
            expect(tokens).toBeGreaterThan(text.split(token).length)
          }
        }
      })
  )

  it.effect("counts o200k_harmony and p50k_edit like the encodings whose ranks they share", () =>
    Effect.gen(function* () {
      const text = ordinary[0]!.text
      expect((yield* counted("o200k_harmony", [text])).tokens).toBe((yield* counted("o200k_base", [text])).tokens)
      expect((yield* counted("p50k_edit", [text])).tokens).toBe((yield* counted("p50k_base", [text])).tokens)
    })
  )
})

describe("readAll", () => {
  const long = "word ".repeat(50_000)

  it.effect("gives other fibers a turn between slices", () =>
    Effect.gen(function* () {
      let turns = 0
      const other = yield* Effect.forkChild(Effect.forever(Effect.sync(() => turns++)))
      const { countSlice, slices } = recording()
      yield* readAll(new TextCounter([long], countSlice))
      yield* Fiber.interrupt(other)
      expect(slices.length).toBeGreaterThan(100)
      expect(turns).toBeGreaterThanOrEqual(slices.length - 1)
    })
  )

  it.effect("counts one slice in a turn of the event loop, however many counts are under way", () =>
    Effect.gen(function* () {
      let turn = 0
      let running = true
      const tick = () => {
        turn++
        if (running) setImmediate(tick)
      }
      setImmediate(tick)
      const slicesByTurn = new Map<number, number>()
      const countSlice: CountSlice = () => {
        slicesByTurn.set(turn, (slicesByTurn.get(turn) ?? 0) + 1)
        return 1
      }
      yield* Effect.yieldNow
      const counts = Array.from({ length: 20 }, () => readAll(new TextCounter([long], countSlice)))
      yield* Effect.all(counts, { concurrency: "unbounded" })
      running = false
      const [first, ...later] = [...slicesByTurn.values()]
      expect(first).toBeLessThanOrEqual(21)
      expect(Math.max(...later)).toBeLessThanOrEqual(2)
    })
  )

  it.effect("stops when it has passed the ceiling", () =>
    Effect.gen(function* () {
      const counter = new TextCounter([long], (slice) => slice.length / 5)
      yield* readAll(counter, 1000)
      expect(counter.done).toBe(false)
      expect(counter.tokens).toBeGreaterThan(1000)
      expect(counter.tokens).toBeLessThan(2000)
    })
  )

  it.effect("stops when it is interrupted, and leaves the next count its turn", () =>
    Effect.gen(function* () {
      const { countSlice, slices } = recording()
      const fiber = yield* Effect.forkChild(readAll(new TextCounter([long.repeat(100)], countSlice)))
      for (let i = 0; i < 10; i++) yield* Effect.yieldNow
      yield* Fiber.interrupt(fiber)
      const seen = slices.length
      yield* readAll(new TextCounter([long], () => 1))
      expect(slices.length).toBe(seen)
      expect(seen).toBeLessThan(1000)
    })
  )
})
