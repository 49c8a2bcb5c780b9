import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber } from "effect"
import { spawnSync } from "node:child_process"
import path from "node:path"
import { countTokens as o200k } from "gpt-tokenizer/encoding/o200k_base"
import { countTokens as cl100k } from "gpt-tokenizer/encoding/cl100k_base"
import { countTokens as p50k } from "gpt-tokenizer/encoding/p50k_base"
import { countTokens as r50k } from "gpt-tokenizer/encoding/r50k_base"
import { make } from "../../../engine/src/stores/TokenThread.ts"
import { countInline } from "../../../engine/src/TokenCount.ts"
import { ordinary, pathological } from "../prompts.ts"

const plain = { disallowedSpecial: new Set<string>() }

const libraries = { o200k_base: o200k, cl100k_base: cl100k, p50k_base: p50k, r50k_base: r50k } as const

const texts = ordinary.map(({ text }) => text)

const live = <A, E>(effect: Effect.Effect<A, E, never>) => Effect.runPromise(effect)

describe("TokenThread", () => {
  it("counts as the library does, in every encoding", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const count = yield* make()
          for (const [encoding, library] of Object.entries(libraries)) {
            const expected = texts.reduce((sum, text) => sum + library(text, plain), 0)
            const counted = yield* count(texts, encoding as keyof typeof libraries)
            expect(counted).toEqual({ tokens: expected, exact: true })
          }
          expect(yield* count([], "o200k_base")).toEqual({ tokens: 0, exact: true })
        })
      )
    ))

  it("counts as the event loop does: texts in pieces, forced cuts, ceilings", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const count = yield* make()
          const long = [texts.join("\n").repeat(40), "", pathological["emoji"]!(100_001), "last"]
          expect(yield* count(long, "o200k_base")).toEqual(yield* countInline(long, "o200k_base"))
          const cut = yield* count(["word ".repeat(200_000)], "o200k_base", 1000)
          expect(cut.exact).toBe(false)
          expect(cut.tokens).toBeGreaterThan(190_000)
          expect(cut.tokens).toBeLessThan(210_000)
        })
      )
    ))

  it("lets a short prompt pass a long one", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const count = yield* make()
          yield* count(["warm"], "o200k_base")
          const order: Array<string> = []
          const long = yield* Effect.forkChild(
            Effect.tap(count(["word ".repeat(1_000_000)], "o200k_base"), () => Effect.sync(() => order.push("long")))
          )
          yield* Effect.tap(count(["short"], "o200k_base"), () => Effect.sync(() => order.push("short")))
          yield* Fiber.join(long)
          expect(order).toEqual(["short", "long"])
        })
      )
    ))

  it("extrapolates a count that takes too long", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const count = yield* make({ countMsMax: 20 })
          const text = pathological["Chinese without punctuation"]!(400_000)
          const counted = yield* count([text], "o200k_base")
          expect(counted.exact).toBe(false)
          const whole = yield* countInline([text.slice(0, 20_000)], "o200k_base")
          expect(Math.abs(counted.tokens / (20 * whole.tokens) - 1)).toBeLessThan(0.1)
        })
      )
    ))

  it("holds the event loop for no long stretch, its start and the import of an encoding included", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const text = JSON.parse(JSON.stringify("some words, 123 and more. ".repeat(400_000))) as string
          const count = yield* make()
          let longestMs = 0
          let before = performance.now()
          let cpu = process.threadCpuUsage()
          const ticker = setInterval(() => {
            const { system, user } = process.threadCpuUsage(cpu)
            longestMs = Math.max(longestMs, (system + user) / 1000)
            before = performance.now()
            cpu = process.threadCpuUsage()
          }, 0)
          const { exact, tokens } = yield* count([text], "o200k_base")
          clearInterval(ticker)
          expect(exact).toBe(true)
          expect(tokens).toBeGreaterThan(2_000_000)
          expect(performance.now() - before).toBeLessThan(1000)
          expect(longestMs).toBeLessThan(50)
        })
      )
    ))

  it("fails what it has no room for, and what an interrupted caller left makes room again", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const count = yield* make({ countsMax: 1, unitsMax: 1000 })
          expect(Exit.isFailure(yield* Effect.exit(count(["word ".repeat(1000)], "o200k_base")))).toBe(true)
          const first = yield* Effect.forkChild(count(["one"], "o200k_base"))
          yield* Effect.yieldNow
          const second = yield* Effect.exit(count(["two"], "o200k_base"))
          expect(Exit.isFailure(second) && Cause.hasDies(second.cause)).toBe(true)
          yield* Fiber.interrupt(first)
          expect((yield* count(["three"], "o200k_base")).tokens).toBe(1)
        })
      )
    ))

  it("ends when it has been idle, and starts again", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const count = yield* make({ idleMs: 1 })
          for (let round = 0; round < 2; round++) {
            expect((yield* count(["again"], "r50k_base")).tokens).toBe(1)
            yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 60)))
          }
        })
      )
    ))

  it("answers everybody when the thread dies, and waits before it starts another", () =>
    live(
      Effect.scoped(
        Effect.gen(function* () {
          const file = new URL("data:text/javascript,setTimeout(() => process.exit(1), 20)")
          const count = yield* make({ file, pauseMs: 60_000 })
          const counts = Array.from({ length: 3 }, () => Effect.exit(count(["text"], "o200k_base")))
          const exits = yield* Effect.all(counts, { concurrency: "unbounded" })
          for (const exit of exits) expect(Exit.isFailure(exit) && Cause.hasDies(exit.cause)).toBe(true)
          const before = performance.now()
          expect(Exit.isFailure(yield* Effect.exit(count(["text"], "o200k_base")))).toBe(true)
          expect(performance.now() - before).toBeLessThan(15)
        })
      )
    ))

  it("fails the counts of a closed thread", () =>
    live(
      Effect.gen(function* () {
        const count = yield* Effect.scoped(make())
        expect(Exit.isFailure(yield* Effect.exit(count(["late"], "o200k_base")))).toBe(true)
      })
    ))

  it("keeps the process alive while it counts, and no longer", () => {
    const file = path.resolve(import.meta.dirname, "../../../engine/src/stores/TokenThread.ts")
    const script = `
      import { Effect, Scope } from "effect"
      import { make } from ${JSON.stringify(file)}
      const scope = Scope.makeUnsafe()
      const count = await Effect.runPromise(Effect.provideService(make(), Scope.Scope, scope))
      console.log((await Effect.runPromise(count(["one two"], "r50k_base"))).tokens)
    `
    const cwd = path.resolve(import.meta.dirname, "../../../engine")
    const { status, stdout } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
      cwd,
      timeout: 30_000
    })
    expect(stdout.toString().trim()).toBe("2")
    expect(status).toBe(0)
  })
})
