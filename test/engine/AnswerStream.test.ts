import { describe, expect, it } from "vitest"
import { Effect, Latch } from "effect"
import { AIEngine, AIEngineError } from "../../engine/src/AIEngine.ts"
import { ProviderServerError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { connected, Connections, finish, paced, text } from "../support/engine.ts"

/** An engine whose provider gives its next part when the test says so. */
const stepwise = (steps: Parameters<typeof paced>[0] = [text("one "), text("two"), finish()]) => {
  const connections = new Connections()
  const gate = Latch.makeUnsafe(true)
  const provider = connected("a", connections, () => Effect.succeed(Reply.parts(paced(steps, gate.await))), {
    model: "m"
  })
  const engine = new AIEngine(
    {
      providers: [{ name: "a", kind: "openai-compatible", baseUrl: "http://127.0.0.1:9", model: "m" }],
      retry: { maxAttempts: 1 },
      logging: { level: "none" }
    },
    { providers: [provider] }
  )
  const active = async () => (await engine.getStatus()).providers[0]!.active
  return { active, connections, engine, gate }
}

const outcome = (promise: Promise<unknown>) =>
  promise.then(
    (value) => value,
    (error: unknown) => error
  )

const cancelled = { name: "AIEngineError", kind: "Cancelled", fault: "caller", status: 499, attempts: 1 }

/** Lets everything run that is ready. */
const turn = () => new Promise((resolve) => setImmediate(resolve))

describe("a stream of the Promise door", () => {
  it("gives the parts, then the whole answer", async () => {
    const { connections, engine } = stepwise()
    await using _ = engine
    const stream = engine.streamText({ prompt: "x" })
    const chunks: Array<string> = []
    for await (const chunk of stream) chunks.push(chunk)
    expect(chunks).toEqual(["one ", "two"])
    expect(await stream.response).toMatchObject({
      content: "one two",
      finishReason: "stop",
      cached: false,
      attempts: 1
    })
    expect(connections.open).toBe(0)
    const again = engine.streamText({ prompt: "x" })
    for await (const chunk of again) expect(chunk).toBe("one two")
    expect(await again.response).toMatchObject({ cached: true, attempts: 0 })
  })

  it("closes the call when the loop is left, and releases its permit", async () => {
    const { active, connections, engine } = stepwise()
    await using _ = engine
    const stream = engine.streamText({ prompt: "x" })
    for await (const chunk of stream) {
      expect(chunk).toBe("one ")
      expect(connections.open).toBe(1)
      break
    }
    expect(connections.open).toBe(0)
    expect(await active()).toBe(0)
    expect(await outcome(stream.response)).toMatchObject(cancelled)
  })

  it("closes the call when the loop's body throws", async () => {
    const { connections, engine } = stepwise()
    await using _ = engine
    const failure = new Error("the reader's own")
    const reading = async () => {
      for await (const chunk of engine.streamText({ prompt: "x" })) throw new Error(chunk, { cause: failure })
    }
    expect(await outcome(reading())).toHaveProperty("cause", failure)
    expect(connections.open).toBe(0)
  })

  it("is left at once while a read waits, and that read ends", async () => {
    const { active, connections, engine, gate } = stepwise()
    await using _ = engine
    const iterator = engine.streamText({ prompt: "x" })[Symbol.asyncIterator]()
    await iterator.next()
    gate.closeUnsafe()
    const waiting = iterator.next()
    await turn()
    expect(await iterator.return()).toEqual({ done: true, value: undefined })
    expect(await waiting).toEqual({ done: true, value: undefined })
    expect(connections.open).toBe(0)
    expect(await active()).toBe(0)
    expect(await iterator.next()).toEqual({ done: true, value: undefined })
  })

  it("is left at once while the call is still being opened, and before it was", async () => {
    const { connections, engine } = stepwise()
    await using _ = engine
    const iterator = engine.streamText({ prompt: "x" })[Symbol.asyncIterator]()
    const first = iterator.next()
    await iterator.return()
    expect(await first).toEqual({ done: true, value: undefined })
    const never = engine.streamText({ prompt: "y" })[Symbol.asyncIterator]()
    await never.return()
    expect(await never.next()).toEqual({ done: true, value: undefined })
    expect(connections.open).toBe(0)
  })

  it("is closed by `await using` and by throw, like any generator", async () => {
    const { connections, engine } = stepwise()
    await using _ = engine
    {
      await using iterator = engine.streamText({ prompt: "x" })[Symbol.asyncIterator]()
      await iterator.next()
      expect(connections.open).toBe(1)
    }
    expect(connections.open).toBe(0)
    const iterator = engine.streamText({ prompt: "y" })[Symbol.asyncIterator]()
    await iterator.next()
    const failure = new Error("thrown in")
    expect(await outcome(iterator.throw(failure))).toBe(failure)
    expect(connections.open).toBe(0)
  })

  it("is closed by its signal while a read waits: the read fails as cancelled", async () => {
    const { connections, engine, gate } = stepwise()
    await using _ = engine
    const controller = new AbortController()
    const stream = engine.streamText({ prompt: "x" }, { signal: controller.signal })
    const iterator = stream[Symbol.asyncIterator]()
    await iterator.next()
    gate.closeUnsafe()
    const waiting = outcome(iterator.next())
    await turn()
    controller.abort()
    expect(await waiting).toBeInstanceOf(AIEngineError)
    expect(await waiting).toMatchObject(cancelled)
    expect(await outcome(stream.response)).toMatchObject(cancelled)
    expect(connections.open).toBe(0)
  })

  it("is closed by its signal between two reads, without waiting for the next", async () => {
    const { active, connections, engine } = stepwise()
    await using _ = engine
    const controller = new AbortController()
    const iterator = engine.streamText({ prompt: "x" }, { signal: controller.signal })[Symbol.asyncIterator]()
    await iterator.next()
    expect(connections.open).toBe(1)
    controller.abort()
    while (connections.open > 0) await turn()
    expect(await active()).toBe(0)
    expect(await outcome(iterator.next())).toMatchObject(cancelled)
  })

  it("starts nothing when its signal has been aborted already", async () => {
    const { connections, engine } = stepwise()
    await using _ = engine
    const stream = engine.streamText({ prompt: "x" }, { signal: AbortSignal.abort() })
    expect(await outcome(stream[Symbol.asyncIterator]().next())).toMatchObject({ ...cancelled, attempts: 0 })
    expect(connections.opened).toBe(0)
  })

  it("fails in the loop, after what had come, and in its response", async () => {
    const failure = new ProviderServerError({ provider: "a", model: "m", detail: "500" })
    const { connections, engine } = stepwise([text("one "), failure])
    await using _ = engine
    const stream = engine.streamText({ prompt: "x" })
    const chunks: Array<string> = []
    const reading = async () => {
      for await (const chunk of stream) chunks.push(chunk)
    }
    expect(await outcome(reading())).toMatchObject({ kind: "ProviderServerError", fault: "provider", attempts: 1 })
    expect(chunks).toEqual(["one "])
    expect(await outcome(stream.response)).toMatchObject({ kind: "ProviderServerError" })
    expect(connections.open).toBe(0)
  })

  it("can be read once", async () => {
    const { engine } = stepwise()
    await using _ = engine
    const stream = engine.streamText({ prompt: "x" })
    for await (const chunk of stream) expect(chunk).not.toBe("")
    expect(await outcome(stream[Symbol.asyncIterator]().next())).toMatchObject({ kind: "InvalidRequest" })
    expect(await stream.response).toMatchObject({ content: "one two" })
  })

  it("is closed when the engine is disposed; later reads and calls say so", async () => {
    const { connections, engine } = stepwise()
    const iterator = engine.streamText({ prompt: "x" })[Symbol.asyncIterator]()
    await iterator.next()
    await engine.dispose()
    expect(connections.open).toBe(0)
    expect(await outcome(iterator.next())).toMatchObject(cancelled)
    expect(await outcome(engine.generateText({ prompt: "y" }))).toMatchObject({ kind: "ShuttingDown", status: 503 })
    expect(await outcome(engine.streamText({ prompt: "y" })[Symbol.asyncIterator]().next())).toMatchObject({
      kind: "ShuttingDown"
    })
    await engine.dispose()
  })
})
