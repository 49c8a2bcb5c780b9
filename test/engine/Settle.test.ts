import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope, Stream } from "effect"
import { makeCall, type Outcome } from "../../engine/src/Call.ts"
import { ProviderServerError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { settle } from "../../engine/src/Settle.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { zero } from "../../engine/src/Usage.ts"
import { finish, paced, readAll, text } from "../support/engine.ts"
import { makeRequest } from "./requests.ts"

const unreported = { ...zero, estimated: true }

/** A call with a prompt of seven tokens whose answer is this reply; texts have a token for each character. */
const settling = Effect.fnUntraced(function* (reply: Reply.Reply) {
  const call = makeCall(makeRequest(), yield* Clock.Clock)
  call.journal.promptTokens = 7
  call.journal.target = { provider: "a", model: "m" }
  const seen: Array<Outcome> = []
  call.settlement.add((outcome) => void seen.push(outcome))
  const open = settle({ estimateTokens: (value) => value.length })(() => Effect.succeed(reply))
  return { call, seen, open: open(call) }
})

describe("settle", () => {
  it.effect("hands on a whole answer untouched, and settles before the caller has it", () =>
    Effect.gen(function* () {
      const reply = Reply.whole(completionOf("m", "hello"))
      const { open, seen } = yield* settling(reply)
      expect(yield* Effect.scoped(open)).toBe(reply)
      expect(seen).toEqual([{ _tag: "Success", completion: (reply as { completion: unknown }).completion }])
    })
  )

  it.effect("estimates usage that a provider did not report: prompt, text and tool calls", () =>
    Effect.gen(function* () {
      const content: ReadonlyArray<Reply.Block> = [
        { type: "text", text: "12345" },
        { type: "tool-call", id: "1", name: "abc", arguments: "{}" }
      ]
      const completion = { ...completionOf("m", "x"), content, usage: unreported }
      const expected = { ...zero, uncachedInput: 7, output: 10, estimated: true }
      const whole = yield* settling(Reply.whole(completion))
      expect(yield* Effect.scoped(whole.open)).toMatchObject({ completion: { usage: expected } })
      expect(whole.seen).toMatchObject([{ completion: { usage: expected } }])
      const streamed = yield* settling(Reply.parts(Stream.fromArray(Reply.toParts(completion))))
      const parts = yield* Effect.scoped(Effect.flatMap(streamed.open, readAll))
      expect(parts.at(-1)).toMatchObject({ type: "finish", usage: expected })
      expect(streamed.seen).toMatchObject([{ completion: { usage: expected } }])
    })
  )

  it.effect("leaves reported usage as it is, also when it is an estimate of the provider", () =>
    Effect.gen(function* () {
      for (const usage of [
        { ...zero, uncachedInput: 3, output: 0 },
        { ...zero, uncachedInput: 3, output: 4, estimated: true },
        zero
      ]) {
        const { open, seen } = yield* settling(Reply.whole({ ...completionOf("m", "hello"), usage }))
        yield* Effect.scoped(open)
        expect(seen).toMatchObject([{ completion: { usage } }])
      }
    })
  )

  it.effect("settles a stream with its terminal part, not with its end", () =>
    Effect.gen(function* () {
      const { open, seen } = yield* settling(Reply.parts(paced([text("x"), finish(), Effect.never])))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const pull = yield* Stream.toPull(Reply.stream(yield* open))
          yield* pull
          expect(seen).toEqual([])
          yield* pull
          expect(seen).toMatchObject([{ _tag: "Success", completion: { finishReason: "stop" } }])
        })
      )
      expect(seen).toHaveLength(1)
    })
  )

  it.effect("waits for a settler that asks for it, and can't be interrupted meanwhile", () =>
    Effect.gen(function* () {
      const { call, open } = yield* settling(Reply.whole(completionOf("m", "x")))
      const order: Array<string> = []
      const gate = yield* Scope.make()
      call.settlement.add(() =>
        Effect.callback<void>((resume) => {
          order.push("asked")
          Effect.runSync(
            Scope.addFinalizer(
              gate,
              Effect.sync(() => resume(Effect.sync(() => void order.push("written"))))
            )
          )
        })
      )
      const fiber = yield* Effect.forkChild(Effect.scoped(open))
      yield* Effect.yieldNow
      expect(order).toEqual(["asked"])
      const leaving = yield* Effect.forkChild(Fiber.interrupt(fiber))
      yield* Effect.yieldNow
      yield* Scope.close(gate, Exit.void)
      yield* Fiber.join(leaving)
      expect(order).toEqual(["asked", "written"])
    })
  )

  it.effect("tells a failure in the stream with what had come, and closes the connection first", () =>
    Effect.gen(function* () {
      const error = new ProviderServerError({ provider: "a", model: "m", detail: "500" })
      const { call, open, seen } = yield* settling(Reply.parts(paced([text("abc"), error])))
      const order: Array<string> = []
      call.settlement.release = Effect.sync(() => void order.push("closed"))
      call.settlement.add(() => void order.push("settled"))
      expect(yield* Effect.flip(Effect.scoped(Effect.flatMap(open, readAll)))).toBe(error)
      expect(seen).toMatchObject([
        { _tag: "Failure", error, partial: { content: [{ text: "abc" }], usage: { uncachedInput: 7, output: 3 } } }
      ])
      expect(order).toEqual(["closed", "settled"])
    })
  )

  it.effect("notes when the first part came", () =>
    Effect.gen(function* () {
      const { call, open } = yield* settling(Reply.parts(paced([finish()])))
      yield* Effect.scoped(open)
      expect(call.journal.firstPartAtMs).toBe(0)
    })
  )
})
