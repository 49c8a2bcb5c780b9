import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { PacingRecorder, replay } from "../../engine/src/CachePacing.ts"
import { Engine } from "../../engine/src/Engine.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { AIRequest } from "../../engine/src/Request.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { finish, paced, text, withEngine } from "../support/engine.ts"
import { property } from "../support/property.ts"

/** Texts with the time at which they came. */
const timed = (request: AIRequest) =>
  Effect.gen(function* () {
    const startedAtMs = yield* Clock.currentTimeMillis
    const came: Array<readonly [string, number]> = []
    yield* Stream.runForEach(Engine.streamText(request), (part) =>
      Effect.map(Clock.currentTimeMillis, (nowMs) => {
        if (part.type === "text") came.push([part.text, nowMs - startedAtMs])
      })
    )
    return came
  })

const passing = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect)
    for (let i = 0; i < 20; i++) yield* TestClock.adjust(100)
    return yield* Fiber.join(fiber)
  })

describe("pacing", () => {
  it.effect("is played again on request, on Effect's Clock; otherwise a hit comes at once", () => {
    const providers = [
      scriptedProvider(
        "a",
        () =>
          Effect.succeed({
            _tag: "Parts",
            parts: paced([text("one "), text("two "), text("three"), finish()], Effect.sleep(200))
          }),
        { model: "m" }
      )
    ]
    return Effect.gen(function* () {
      const original = [
        ["one ", 200],
        ["two ", 400],
        ["three", 600]
      ]
      expect(yield* passing(timed({ prompt: "hello" }))).toEqual(original)
      expect(yield* timed({ prompt: "hello" })).toEqual([["one two three", 0]])
      expect(yield* passing(timed({ prompt: "hello", cache: { pacing: "original" } }))).toEqual(original)
      expect(providers[0]!.calls).toHaveLength(1)
      expect((yield* Engine.generateText({ prompt: "hello", cache: { pacing: "original" } })).content).toBe(
        "one two three"
      )
    }).pipe(withEngine({ providers }))
  })

  const block = fc.oneof(
    fc.record({ type: fc.constant("text" as const), text: fc.string({ minLength: 1, unit: "binary" }) }),
    fc.record({ type: fc.constant("refusal" as const), text: fc.string({ minLength: 1 }) }),
    fc.record({
      type: fc.constant("reasoning" as const),
      text: fc.string({ minLength: 1 }),
      signature: fc.string({ minLength: 1 })
    }),
    fc.record({
      type: fc.constant("tool-call" as const),
      id: fc.string({ minLength: 1 }),
      name: fc.string({ minLength: 1 }),
      arguments: fc.json()
    })
  )

  property(
    "changes nothing of an answer, whatever the notes say",
    fc.record({
      content: fc.array(block, { maxLength: 5 }),
      chunks: fc.array(fc.record({ length: fc.integer({ min: 1, max: 60 }), pauseMs: fc.nat({ max: 100 }) }), {
        minLength: 2,
        maxLength: 20
      })
    }),
    ({ chunks, content }) =>
      Effect.gen(function* () {
        // Neighbours of one kind would be one block in a stream.
        const blocks = content.filter(
          (one, i) => i === 0 || one.type === "tool-call" || one.type !== content[i - 1]!.type
        )
        const recorder = new PacingRecorder(0)
        let nowMs = 0
        for (const { length, pauseMs } of chunks) recorder.record([text("x".repeat(length))], (nowMs += pauseMs))
        const notes = recorder.notes()
        if (notes === undefined) return
        const completion: Reply.Completion = {
          id: "1",
          model: "m",
          content: blocks,
          finishReason: "stop",
          rawFinishReason: "stop",
          usage: { uncachedInput: 1, cacheReadInput: 0, cacheWriteInput: 0, output: 1, reasoning: 0, estimated: false }
        }
        const collected = yield* passing(Reply.collect(Reply.parts(replay(completion, notes))))
        expect(collected).toEqual(completion)
      }),
    { runs: 60 }
  )

  it("keeps a bounded number of notes, and none of an answer that came at once", () => {
    const once = new PacingRecorder(0)
    once.record([text("a")], 5)
    once.record([text("b")], 5)
    expect(once.notes()).toBeUndefined()
    const long = new PacingRecorder(0)
    for (let i = 1; i < 100_000; i++) long.record([text("word ")], i)
    expect(long.notes()).toHaveLength(2 * 8192)
  })
})
