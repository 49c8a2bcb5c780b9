import { describe, expect, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { Engine } from "../../engine/src/Engine.ts"
import { ProviderServerError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import type { AIRequest } from "../../engine/src/Request.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import {
  connected,
  Connections,
  finish,
  limits,
  paced,
  requestOf,
  status,
  text,
  withEngine
} from "../support/engine.ts"

/** Asks with a timeout of a second and tells when and how it ended. */
const timed = Effect.fnUntraced(function* (request: Partial<AIRequest> = {}) {
  const startedAtMs = yield* Clock.currentTimeMillis
  const fiber = yield* Effect.forkChild(
    Effect.result(
      Effect.zip(
        Engine.generateText({ prompt: "x", timeout: 1000, cache: { mode: "bypass" }, ...request }),
        Clock.currentTimeMillis
      )
    )
  )
  yield* TestClock.adjust(999)
  const early = fiber.pollUnsafe() !== undefined
  yield* TestClock.adjust(1)
  const result = yield* Fiber.join(fiber)
  return { early, result, afterMs: (yield* Clock.currentTimeMillis) - startedAtMs }
})

const exceeded = (where: string) => ({
  _tag: "Failure",
  failure: { _tag: "DeadlineExceeded", timeoutMs: 1000, where, fault: "policy", status: 504 }
})

describe("deadline", () => {
  it.effect("ends the wait for a provider's limits, and leaves the queue", () => {
    const connections = new Connections()
    const providers = [connected("a", connections, () => Effect.never, { rateLimits: limits({ concurrent: 1 }) })]
    return Effect.gen(function* () {
      const running = yield* Effect.forkChild(Engine.generateText({ prompt: "first" }))
      yield* TestClock.adjust(1)
      const { early, result } = yield* timed()
      expect(early).toBe(false)
      expect(result).toMatchObject(exceeded("queue"))
      expect((yield* status).providers[0]).toMatchObject({ active: 1, queued: 0 })
      expect(connections.opened).toBe(1)
      yield* Fiber.interrupt(running)
      const { items } = yield* (yield* UsageLog).requests({})
      expect(items.find(({ errorKind }) => errorKind === "DeadlineExceeded")).toMatchObject({ attempts: 0 })
      expect(items.find(({ errorKind }) => errorKind === "Cancelled")).toMatchObject({ attempts: 1 })
    }).pipe(withEngine({ providers }))
  })

  it.effect("ends an attempt, and closes its connection before it says so", () => {
    const connections = new Connections()
    const providers = [connected("a", connections, () => Effect.never)]
    return Effect.gen(function* () {
      const { result } = yield* timed()
      expect(result).toMatchObject(exceeded("attempt"))
      expect(connections).toMatchObject({ opened: 1, open: 0 })
      expect((yield* status).providers[0]).toMatchObject({ active: 0 })
    }).pipe(withEngine({ providers }))
  })

  it.effect("covers all attempts together, the pause between them included", () => {
    const connections = new Connections()
    const failure = new ProviderServerError({ provider: "a", model: "m", detail: "500" })
    const providers = [
      connected("a", connections, (_, index) =>
        index === 0 ? Effect.andThen(Effect.sleep(600), Effect.fail(failure)) : Effect.never
      )
    ]
    return Effect.gen(function* () {
      const { result } = yield* timed()
      expect(result).toMatchObject(exceeded("attempt"))
      expect(connections).toMatchObject({ opened: 2, open: 0 })
    }).pipe(withEngine({ providers, config: { retry: { maxAttempts: 3, baseDelay: 100, maxDelay: 100 } } }))
  })

  it.effect("ends a stream with an error after what has come, and closes the connection", () => {
    const connections = new Connections()
    const providers = [
      connected("a", connections, () =>
        Effect.succeed(Reply.parts(paced([text("x"), text("y"), text("z"), finish()], Effect.sleep(400))))
      )
    ]
    return Effect.gen(function* () {
      const got: Array<Reply.Part> = []
      const fiber = yield* Effect.forkChild(
        Effect.flip(
          Stream.runForEach(Engine.streamText({ prompt: "x", timeout: 1000 }), (part) =>
            Effect.sync(() => void got.push(part))
          )
        )
      )
      yield* TestClock.adjust(1000)
      expect(yield* Fiber.join(fiber)).toMatchObject(exceeded("stream").failure)
      expect(got).toEqual([text("x"), text("y")])
      expect(connections.open).toBe(0)
      expect((yield* status).cache.entries).toBe(0)
      expect((yield* (yield* UsageLog).requests({})).items[0]).toMatchObject({
        status: "error",
        errorKind: "DeadlineExceeded",
        attempts: 1,
        latencyMs: 1000
      })
    }).pipe(withEngine({ providers }))
  })

  it.effect("ends a stream for a reader who comes back too late, though parts are waiting", () => {
    const providers = [
      connected("a", new Connections(), () => Effect.succeed(Reply.parts(paced([text("x"), text("y"), finish()]))))
    ]
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "x", stream: true, timeout: 1000 }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const pull = yield* Stream.toPull(Reply.stream(yield* engine.open(call)))
          yield* pull
          yield* TestClock.adjust(1000)
          expect(yield* Effect.flip(pull)).toMatchObject({ _tag: "DeadlineExceeded", where: "stream" })
        })
      )
    }).pipe(withEngine({ providers }))
  })

  it.effect("gives the place of a stream back that nobody reads, and tells the reader when it comes", () => {
    const connections = new Connections()
    const providers = [
      connected("a", connections, () => Effect.succeed(Reply.parts(paced([text("x"), text("y"), finish()]))), {
        rateLimits: limits({ concurrent: 1 })
      })
    ]
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "x", stream: true, timeout: 1000 }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const pull = yield* Stream.toPull(Reply.stream(yield* engine.open(call)))
          expect(yield* pull).toEqual([text("x")])
          yield* TestClock.adjust(999)
          expect((yield* status).providers[0]).toMatchObject({ active: 1 })
          expect(connections.open).toBe(1)
          yield* TestClock.adjust(1)
          expect((yield* status).providers[0]).toMatchObject({ active: 0 })
          expect(connections.open).toBe(0)
          expect((yield* (yield* UsageLog).requests({})).items[0]).toMatchObject({
            status: "error",
            errorKind: "DeadlineExceeded",
            latencyMs: 1000,
            completionTokens: 1
          })
          yield* TestClock.adjust(1000)
          expect(yield* Effect.flip(pull)).toMatchObject({ _tag: "DeadlineExceeded", where: "stream" })
        })
      )
      expect((yield* (yield* UsageLog).requests({})).items).toHaveLength(1)
    }).pipe(withEngine({ providers }))
  })

  it.effect("lets pass what is in time: whole answers, streams, hits, and requests without a timeout", () => {
    const providers = [
      connected("a", new Connections(), (call) =>
        call.request.stream
          ? Effect.succeed(Reply.parts(paced([text("x"), finish()], Effect.sleep(499))))
          : Effect.as(Effect.sleep(999), Reply.whole(completionOf("m", "x")))
      )
    ]
    return Effect.gen(function* () {
      const { early, result } = yield* timed()
      expect(early).toBe(true)
      expect(result._tag).toBe("Success")
      const stream = yield* Effect.forkChild(
        Effect.exit(Stream.runDrain(Engine.streamText({ prompt: "y", timeout: 1000 })))
      )
      const patient = yield* Effect.forkChild(Engine.generateText({ prompt: "z" }))
      yield* TestClock.adjust(999)
      expect(Exit.isSuccess(yield* Fiber.join(stream))).toBe(true)
      yield* Fiber.join(patient)
      expect((yield* Engine.generateText({ prompt: "y", timeout: 0.5 })).cached).toBe(true)
    }).pipe(withEngine({ providers }))
  })

  it.effect("is looser than the provider's own timeout when it is longer", () => {
    const providers = [{ ...scriptedProvider("a", () => Effect.never), timeoutMs: 300 }]
    return Effect.gen(function* () {
      const { early, result } = yield* timed()
      expect(early).toBe(true)
      expect(result).toMatchObject({ failure: { _tag: "ProviderTimeout", timeoutMs: 300, status: 504 } })
    }).pipe(withEngine({ providers, config: { retry: { maxAttempts: 1 } } }))
  })
})
