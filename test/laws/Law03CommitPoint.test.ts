/**
 * Law 3, commit point: a call is tried again only before its first part; what fails later fails in the stream. A stream
 * without its terminal event is `StreamTruncated`: never a success, never cached. A failed attempt is closed before the
 * next one opens.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { decode } from "../../engine/src/Config.ts"
import { Engine } from "../../engine/src/Engine.ts"
import {
  type EngineError,
  ProviderInvalidResponse,
  ProviderOverloaded,
  ProviderRateLimited,
  ProviderServerError,
  ProviderTimeout,
  ProviderUnreachable,
  StreamStalled,
  StreamTruncated
} from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import { connected, Connections, finish, limits, paced, samples, status, text, withEngine } from "../support/engine.ts"
import { property } from "../support/property.ts"
import { chatCompletion, chatEvents, eventStream, startUpstream } from "../support/upstream.ts"

const at = { provider: "a", model: "scripted" }
const broken: ReadonlyArray<EngineError> = [
  new ProviderServerError({ ...at, detail: "500" }),
  new ProviderOverloaded({ ...at, detail: "529", retryAfterMs: 1 }),
  new ProviderRateLimited({ ...at, detail: "429" }),
  new ProviderTimeout({ ...at, timeoutMs: 1 }),
  new ProviderUnreachable({ ...at, detail: "ECONNRESET" }),
  new ProviderInvalidResponse({ ...at, detail: "HTML" }),
  new StreamStalled({ ...at, idleTimeoutMs: 1 }),
  new StreamTruncated({ ...at, detail: "" })
]

const chainOf = (...names: ReadonlyArray<string>) => ({ aliases: { chain: names.map((name) => `${name}/scripted`) } })
const chain = chainOf("a", "b")

/** Everything that a reader got, and how it ended. */
const read = Effect.fnUntraced(function* (request: Parameters<typeof Engine.streamText>[0]) {
  const parts: Array<Reply.Part> = []
  const exit = yield* Effect.exit(
    Stream.runForEach(Engine.streamText(request), (part) => Effect.sync(() => void parts.push(part)))
  )
  return { parts, error: Exit.isFailure(exit) ? (Cause.squash(exit.cause) as EngineError) : undefined }
})

describe("after the first part", () => {
  property(
    "nothing is asked again, whatever breaks and wherever: the reader gets what came, then the error",
    fc.record({
      pieces: fc.array(fc.string({ minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 12 }),
      error: fc.option(fc.constantFrom(...broken), { nil: undefined }),
      cut: fc.nat({ max: 12 })
    }),
    ({ cut, error, pieces }) => {
      const came = pieces.slice(0, Math.max(1, cut)).map(text)
      const connections = new Connections()
      const providers = ["a", "b"].map((name) =>
        connected(name, connections, () =>
          Effect.succeed(Reply.parts(paced([...came, ...(error === undefined ? [] : [error])])))
        )
      )
      return Effect.gen(function* () {
        const first = yield* read({ prompt: "x", model: "chain" })
        expect(first.parts).toEqual(came)
        expect(first.error?._tag).toBe(error?._tag ?? "StreamTruncated")
        expect(connections).toMatchObject({ opened: 1, open: 0 })
        // Nothing of it was stored: the next caller asks the provider again.
        const second = yield* Effect.exit(Engine.generateText({ prompt: "x", model: "chain" }))
        expect(Exit.isFailure(second)).toBe(true)
        expect(connections).toMatchObject({ opened: 2, open: 0 })
        expect(providers[1]!.calls).toHaveLength(0)
        const now = yield* status
        expect(now.totals).toMatchObject({ requests: 2, errors: 2 })
        expect(now.cache).toMatchObject({ entries: 0, hits: 0, misses: 2 })
      }).pipe(withEngine({ providers, config: { ...chain, retry: { maxAttempts: 3, baseDelay: 1 } } }))
    },
    { runs: 60 }
  )

  it.effect(
    "a whole answer that was streamed upstream and breaks is no answer, and counts as an error everywhere",
    () => {
      const providers = [connected("a", new Connections(), () => Effect.succeed(Reply.parts(paced([text("half")]))))]
      return Effect.gen(function* () {
        const error = yield* Effect.flip(Engine.generateText({ prompt: "x" }))
        expect(error).toMatchObject({ _tag: "StreamTruncated", fault: "provider", status: 502, provider: "a" })
        const counted = yield* samples
        expect(counted.get('ai_requests_total{provider="a",model="scripted",status="error"}')).toBe(1)
        expect(counted.get('ai_requests_total{provider="a",model="scripted",status="success"}') ?? 0).toBe(0)
        expect(counted.get('ai_errors_total{provider="a",kind="StreamTruncated",fault="provider"}')).toBe(1)
        expect((yield* (yield* UsageLog).requests({})).items[0]).toMatchObject({
          status: "error",
          errorKind: "StreamTruncated",
          attempts: 1
        })
      }).pipe(withEngine({ providers }))
    }
  )

  it.effect("a reader who leaves stores nothing", () => {
    const connections = new Connections()
    const providers = [
      connected("a", connections, () => Effect.succeed(Reply.parts(paced([text("x"), text("y"), finish()]))))
    ]
    return Effect.gen(function* () {
      yield* Stream.runDrain(Stream.take(Engine.streamText({ prompt: "x" }), 2))
      expect((yield* status).cache.entries).toBe(0)
      yield* Engine.generateText({ prompt: "x" })
      expect(connections.opened).toBe(2)
    }).pipe(withEngine({ providers }))
  })
})

describe("before the first part", () => {
  it.effect("a failure is tried again, and the reader sees one answer only", () => {
    const connections = new Connections()
    const providers = [
      connected("a", connections, (_, index) =>
        index < broken.length - 2
          ? Effect.fail(broken[index]!)
          : Effect.succeed(Reply.parts(paced([text("one"), text(" answer"), finish()])))
      )
    ]
    return Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(read({ prompt: "x" }))
      yield* TestClock.adjust(60_000)
      const { error, parts } = yield* Fiber.join(fiber)
      expect(error).toBeUndefined()
      expect(parts.map((part) => part.type)).toEqual(["text", "text", "finish"])
      expect(connections.opened).toBe(broken.length - 1)
    }).pipe(withEngine({ providers, config: { retry: { maxAttempts: 10, baseDelay: 10, maxDelay: 100 } } }))
  })

  const slowClose = (connections: Connections, name: string) =>
    Effect.andThen(
      Effect.addFinalizer(() => Effect.sleep(50)),
      connections.connect(name)
    )

  it.effect(
    "a failed attempt has closed its connection before the next one opens, also when closing takes time",
    () => {
      const connections = new Connections()
      const providers = ["a", "b", "c"].map((name) =>
        connected(
          name,
          connections,
          () =>
            Effect.andThen(
              slowClose(connections, `${name}'s socket`),
              name === "c"
                ? Effect.succeed(Reply.whole(completionOf("m", "x")))
                : name === "a"
                  ? Effect.fail(broken[0]!)
                  : Effect.never
            ),
          { timeoutMs: 1000 }
        )
      )
      return Effect.gen(function* () {
        const fiber = yield* Effect.forkChild(Engine.generateText({ prompt: "x", model: "chain" }))
        yield* TestClock.adjust(60_000)
        expect((yield* Fiber.join(fiber)).provider).toBe("c")
        const attempt = (name: string) => [
          `open ${name}`,
          `open ${name}'s socket`,
          `close ${name}'s socket`,
          `close ${name}`
        ]
        expect(connections.log).toEqual([...attempt("a"), ...attempt("b"), ...attempt("c")])
        expect(connections.mostOpen).toBe(2)
      }).pipe(withEngine({ providers, config: { ...chainOf("a", "b", "c"), retry: { maxAttempts: 3, baseDelay: 1 } } }))
    }
  )

  property(
    "nobody takes the place of a call whose connection is still open, however calls end",
    fc.array(
      fc.record({
        fate: fc.constantFrom("whole", "stream", "fails", "breaks", "leaves", "late", "truncated"),
        workMs: fc.nat({ max: 50 })
      }),
      { minLength: 20, maxLength: 60 }
    ),
    (calls) => {
      const connections = new Connections()
      const providers = [
        connected(
          "a",
          connections,
          (call) => {
            const { fate, workMs } = call.request.metadata as unknown as (typeof calls)[number]
            const pause = Effect.sleep(workMs)
            if (fate === "fails") return Effect.andThen(pause, Effect.fail(broken[0]!))
            if (fate === "whole") return Effect.as(pause, Reply.whole(completionOf("m", "x")))
            const tail = fate === "breaks" ? [broken[0]!] : fate === "truncated" ? [] : [finish()]
            return Effect.succeed(Reply.parts(paced([text("x"), text("y"), ...tail], pause)))
          },
          { rateLimits: limits({ concurrent: 2 }) }
        )
      ]
      return Effect.gen(function* () {
        const fibers = yield* Effect.forEach(calls, (call) => {
          const stream = Engine.streamText({
            prompt: "x",
            cache: { mode: "bypass" },
            metadata: call,
            ...(call.fate === "late" ? { timeout: 5000 + call.workMs } : {})
          })
          return Effect.forkChild(
            Effect.exit(Stream.runDrain(call.fate === "leaves" ? Stream.take(stream, 1) : stream))
          )
        })
        yield* TestClock.adjust(60_000)
        yield* Fiber.joinAll(fibers)
        expect(connections.open).toBe(0)
        expect(connections.mostOpen).toBeLessThanOrEqual(2)
        expect((yield* status).totals.requests).toBe(calls.length)
      }).pipe(
        withEngine({
          providers,
          config: { retry: { maxAttempts: 2, baseDelay: 1, maxDelay: 5 }, breaker: { minimumCalls: 1000 } }
        })
      )
    },
    { runs: 40 }
  )
})

describe("on the wire", () => {
  const upstreamOf = (respond: Parameters<typeof startUpstream>[0]) =>
    Effect.acquireRelease(
      Effect.promise(() => startUpstream(respond)),
      (server) => Effect.promise(server.close)
    )

  const overUpstream = (url: string, kind: "openai-compatible" | "anthropic") =>
    Effect.map(
      decode({
        providers: [{ name: "a", kind, baseUrl: url, model: "m", apiKey: "test" }],
        retry: { maxAttempts: 1 },
        breaker: { minimumCalls: 1000 },
        logging: { level: "none" }
      }),
      (config) => Engine.layerOf(config)
    )

  const anthropicEvents = [
    `event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":3,"output_tokens":1}}}\n\n`,
    `event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n`,
    `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hello"}}\n\n`,
    `event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n`,
    `event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":4}}\n\n`,
    `event: message_stop\ndata: {"type":"message_stop"}\n\n`
  ]

  for (const kind of ["openai-compatible", "anthropic"] as const) {
    it.live(`a stream that is cut anywhere is truncated or fails, never a success (${kind})`, () =>
      Effect.gen(function* () {
        const events = kind === "anthropic" ? anthropicEvents : chatEvents(["Hello", " there"])
        const whole = Buffer.from(events.join(""))
        // Without its last event an OpenAI stream is complete already: the finish reason has come.
        const complete = kind === "anthropic" ? whole.length : Buffer.from(events.slice(0, -2).join("")).length
        let cut = 0
        let reset = false
        const upstream = yield* upstreamOf((response) => {
          response.writeHead(200, eventStream)
          response.write(whole.subarray(0, cut), () => (reset ? response.destroy() : response.end()))
        })
        const layer = yield* overUpstream(upstream.url, kind)
        yield* Effect.gen(function* () {
          for (cut = 1; cut < complete - 2; cut += 7) {
            reset = cut % 2 === 0
            const { error, parts } = yield* read({ prompt: `cut at ${cut}` })
            expect(["StreamTruncated", "ProviderInvalidResponse"], `cut at ${cut}`).toContain(error?._tag)
            expect(parts.filter((part) => part.type === "finish")).toEqual([])
          }
          expect((yield* status).cache.entries).toBe(0)
          cut = whole.length
          reset = false
          const { error, parts } = yield* read({ prompt: "whole" })
          expect(error).toBeUndefined()
          expect(parts.at(-1)!.type).toBe("finish")
        }).pipe(Effect.provide(layer))
      }).pipe(Effect.scoped)
    )
  }

  it.live("an answer of JSON that is cut is an error, and is not stored", () =>
    Effect.gen(function* () {
      const body = JSON.stringify(chatCompletion("Hello there"))
      let cut = 10
      const upstream = yield* upstreamOf((response) => {
        response.writeHead(200, { "content-type": "application/json", "content-length": String(body.length) })
        response.write(body.slice(0, cut), () => (cut < body.length ? response.destroy() : response.end()))
      })
      const layer = yield* overUpstream(upstream.url, "openai-compatible")
      yield* Effect.gen(function* () {
        for (cut = 10; cut < body.length; cut += 40) {
          const error = yield* Effect.flip(Engine.generateText({ prompt: "x" }))
          expect(error).toMatchObject({ fault: "provider", status: 502 })
        }
        cut = body.length
        expect((yield* Engine.generateText({ prompt: "x" })).cached).toBe(false)
        expect((yield* Engine.generateText({ prompt: "x" })).cached).toBe(true)
      }).pipe(Effect.provide(layer))
    }).pipe(Effect.scoped)
  )
})
