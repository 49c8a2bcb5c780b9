/**
 * Who joins whose upstream call, what each caller gets and is charged, and what happens when somebody leaves, fails or
 * reads slowly. The law over random interleavings is in `laws/Law06SingleFlight`.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Stream } from "effect"
import { TestClock } from "effect/testing"
import { makeCall, type Call } from "../../engine/src/Call.ts"
import { Engine } from "../../engine/src/Engine.ts"
import {
  CircuitOpen,
  type EngineError,
  ProviderAuthFailed,
  ProviderOverloaded,
  ProviderRateLimited,
  ProviderServerError,
  QueueFull,
  RequestRejected
} from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { settle } from "../../engine/src/Settle.ts"
import { SingleFlight } from "../../engine/src/SingleFlight.ts"
import type { AttemptCall, Open } from "../../engine/src/Stage.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import {
  connected,
  Connections,
  finish,
  limits,
  paced,
  requestOf,
  samples,
  status,
  text,
  withEngine
} from "../support/engine.ts"
import { caller, callers, ends, gists, rowOf, rowsOf } from "../support/flights.ts"

const target = { provider: "a", model: "scripted" }
const serverError = new ProviderServerError({ ...target, detail: "500", upstreamStatus: 500 })
const once = { retry: { maxAttempts: 1 } } as const
const pricing = [
  {
    name: "a",
    kind: "openai-compatible",
    baseUrl: "http://127.0.0.1:9",
    model: "scripted",
    pricing: { input: 1_000_000, output: 1_000_000 }
  }
] as const

/** An answer of four parts, 100 ms apart. */
const slowly = (call: AttemptCall) =>
  call.request.stream
    ? Effect.succeed(Reply.parts(paced([text("one "), text("two "), text("three"), finish()], Effect.sleep(100))))
    : Effect.as(Effect.sleep(400), Reply.whole(completionOf("m", "one two three")))

const provider = (
  connections: Connections,
  script: Parameters<typeof connected>[2] = slowly,
  options?: Parameters<typeof connected>[3]
) => connected("a", connections, script, options)

const nothingLeft = Effect.fnUntraced(function* (connections: Connections) {
  expect(connections.open).toBe(0)
  const now = yield* status
  expect(now.providers.map(({ active, queued }) => [active, queued])).toEqual(now.providers.map(() => [0, 0]))
  expect((yield* SingleFlight).stats().flights).toBe(0)
})

describe("identical calls at the same time", () => {
  for (const [name, streams] of [
    ["whole", [false, false, false, false]],
    ["streamed", [true, true, true, true]],
    ["mixed, streamed first", [true, false, true, false]],
    ["mixed, whole first", [false, true, false, true]]
  ] as const) {
    it.effect(`make one upstream call and get its answer: ${name}`, () => {
      const connections = new Connections()
      return Effect.gen(function* () {
        const all = yield* callers(streams.map((stream) => ({ stream })))
        yield* TestClock.adjust(1000)
        expect(yield* gists(all)).toEqual(Array(4).fill("one two three"))
        expect(connections.opened).toBe(1)
        expect(all.map(({ call }) => call.journal.cache)).toEqual(["miss", "coalesced", "coalesced", "coalesced"])
        yield* nothingLeft(connections)
      }).pipe(withEngine({ providers: [provider(connections)] }))
    })
  }

  it.effect("are charged once: the first tells attempts, tokens and cost, the others what they saved", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{}, {}, { stream: true }])
      yield* TestClock.adjust(1000)
      yield* ends(all)
      const rows = yield* rowsOf(all)
      expect(
        rows.map(({ attempts, cache, completionTokens, costUsd, promptTokens, savedUsd }) => [
          cache,
          attempts,
          promptTokens,
          completionTokens,
          costUsd,
          savedUsd
        ])
      ).toEqual([
        ["miss", 1, 1, 3, 4, null],
        ["coalesced", 0, 0, 0, 0, 4],
        ["coalesced", 0, 0, 0, 0, 4]
      ])
      expect(
        rows.every(
          ({ model, provider: name, status: ended }) => model === "scripted" && name === "a" && ended === "success"
        )
      ).toBe(true)
      const now = yield* status
      expect(now.cache).toMatchObject({ hits: 0, coalesced: 2, misses: 1, entries: 1 })
      expect(now.cache.hitRate).toBeCloseTo(2 / 3)
      expect(now.totals).toMatchObject({ requests: 3, costUsd: 4, savedUsd: 8, promptTokens: 1, completionTokens: 3 })
      const metrics = yield* samples
      expect(metrics.get('ai_cache_hits_total{type="miss"}')).toBe(1)
      expect(metrics.get('ai_cache_hits_total{type="coalesced"}')).toBe(2)
      expect(metrics.get('ai_attempts_total{provider="a",outcome="success"}')).toBe(1)
    }).pipe(withEngine({ providers: [provider(connections)], config: { providers: [...pricing] } }))
  })

  it.effect("are answered as coalesced at the library's door", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const [first, second] = yield* Effect.forEach([1, 2], () =>
        Effect.forkChild(Engine.generateText({ prompt: "hello" }), { startImmediately: true })
      )
      yield* TestClock.adjust(1000)
      expect(yield* Fiber.join(first!)).toMatchObject({
        cached: false,
        cacheKind: null,
        attempts: 1,
        content: "one two three"
      })
      expect(yield* Fiber.join(second!)).toMatchObject({
        cached: true,
        cacheKind: "coalesced",
        attempts: 0,
        content: "one two three"
      })
    }).pipe(withEngine({ providers: [provider(connections)] }))
  })

  it.effect(
    "replay what has come and then follow: a late caller gets the beginning at once and the rest as it comes",
    () => {
      const connections = new Connections()
      return Effect.gen(function* () {
        const first = yield* caller({ stream: true })
        yield* TestClock.adjust(250)
        expect(first.parts).toEqual([text("one "), text("two ")])
        const late = yield* caller({ stream: true })
        expect(late.parts).toEqual([text("one "), text("two ")])
        yield* TestClock.adjust(50)
        expect(late.parts).toEqual([text("one "), text("two "), text("three")])
        yield* TestClock.adjust(100)
        expect(yield* gists([first, late])).toEqual(["one two three", "one two three"])
        expect(late.parts).toEqual(first.parts)
        expect(connections.opened).toBe(1)
        expect(late.call.journal.firstPartAtMs! - late.call.journal.startedAtMs).toBe(0)
      }).pipe(withEngine({ providers: [provider(connections)] }))
    }
  )

  it.effect("share embeddings too", () => {
    const connections = new Connections()
    const embeddings: Reply.Completion = { ...completionOf("m", ""), embeddings: [[1, 2]] }
    return Effect.gen(function* () {
      const all = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(Engine.embed({ input: "hello" }), { startImmediately: true })
      )
      yield* TestClock.adjust(100)
      const answers = yield* Effect.forEach(all, Fiber.join)
      expect(answers.map(({ cacheKind }) => cacheKind)).toEqual([null, "coalesced", "coalesced"])
      expect(answers.map(({ embeddings: vectors }) => vectors)).toEqual([[[1, 2]], [[1, 2]], [[1, 2]]])
      expect(connections.opened).toBe(1)
    }).pipe(
      withEngine({
        providers: [
          provider(connections, () => Effect.as(Effect.sleep(50), Reply.whole(embeddings)), { embeddingModel: "e" })
        ]
      })
    )
  })

  it.effect("estimate the usage once, when the provider states none", () => {
    const unstated = { ...completionOf("m", "").usage, uncachedInput: 0, output: 0, estimated: true }
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{ stream: true }, { stream: false }, { stream: true }])
      yield* TestClock.adjust(1000)
      const usages = (yield* ends(all)).map((exit) => (Exit.isSuccess(exit) ? exit.value.usage : undefined))
      expect(usages[0]).toMatchObject({ estimated: true })
      expect(usages[0]!.output).toBeGreaterThan(0)
      expect(usages).toEqual(Array(3).fill(usages[0]))
    }).pipe(
      withEngine({
        providers: [
          provider(connections, () =>
            Effect.succeed(Reply.parts(paced([text("one two"), finish(unstated)], Effect.sleep(50))))
          )
        ]
      })
    )
  })
})

describe("who joins", () => {
  const cases: ReadonlyArray<{
    readonly name: string
    readonly fields: Parameters<typeof caller>[0]
    readonly calls: number
  }> = [
    {
      name: "the same request of another delivery",
      fields: { metadata: { a: 1 }, priority: "batch", timeout: 5000 },
      calls: 1
    },
    { name: "another prompt", fields: { prompt: "good bye" }, calls: 2 },
    { name: "another tenant", fields: { tenant: "b" }, calls: 2 },
    { name: "a call that bypasses the cache", fields: { cache: { mode: "bypass" } }, calls: 2 },
    {
      name: "a call that wants a fresh answer, once the older one has been asked for",
      fields: { cache: { mode: "refresh" } },
      calls: 2
    },
    {
      name: "several choices",
      fields: { more: { wire: { dialect: "openai-chat", body: { n: 2 }, needs: [] } } },
      calls: 2
    }
  ]
  for (const { calls, fields, name } of cases) {
    it.effect(`${name}: ${calls === 1 ? "joins" : "makes a call of its own"}`, () => {
      const connections = new Connections()
      return Effect.gen(function* () {
        const all = [yield* caller(), yield* caller(fields)]
        yield* TestClock.adjust(1000)
        expect(yield* gists(all)).toEqual(["one two three", "one two three"])
        expect(connections.opened).toBe(calls)
        yield* nothingLeft(connections)
      }).pipe(withEngine({ providers: [provider(connections)] }))
    })
  }

  it.effect("a call for the cache alone neither leads nor follows", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{ cache: { mode: "only" } }, {}, { cache: { mode: "only" } }])
      yield* TestClock.adjust(1000)
      expect(yield* gists(all)).toEqual(["CacheOnlyMiss", "one two three", "CacheOnlyMiss"])
      expect(connections.opened).toBe(1)
    }).pipe(withEngine({ providers: [provider(connections)] }))
  })

  it.effect("a fresh answer takes the place of an older flight: later callers join it", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = [yield* caller(), yield* caller({ cache: { mode: "refresh" } })]
      yield* TestClock.adjust(100)
      all.push(yield* caller())
      yield* TestClock.adjust(1000)
      expect(yield* gists(all)).toEqual(["answer 0", "answer 1", "answer 1"])
      expect(connections.opened).toBe(2)
      yield* nothingLeft(connections)
    }).pipe(
      withEngine({
        providers: [
          provider(connections, (_, index) =>
            Effect.as(Effect.sleep(400), Reply.whole(completionOf("m", `answer ${index}`)))
          )
        ]
      })
    )
  })

  it.effect("calls that want a fresh answer share what no provider has been asked for yet", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const blocking = yield* caller({ prompt: "something else" })
      const all = yield* callers([{}, { cache: { mode: "refresh" } }, { cache: { mode: "refresh" } }])
      yield* TestClock.adjust(2000)
      yield* gists([blocking, ...all])
      expect(connections.opened).toBe(2)
      expect(all.map(({ call }) => call.journal.cache)).toEqual(["miss", "coalesced", "coalesced"])
    }).pipe(withEngine({ providers: [provider(connections, slowly, { rateLimits: limits({ concurrent: 1 }) })] }))
  })

  it.effect("nobody, when coalescing or the cache is switched off", () =>
    Effect.gen(function* () {
      for (const cache of [{ coalesce: false }, { enabled: false }]) {
        const connections = new Connections()
        yield* Effect.gen(function* () {
          const all = yield* callers([{}, {}, { stream: true }])
          yield* TestClock.adjust(1000)
          expect(yield* gists(all)).toEqual(Array(3).fill("one two three"))
          expect(connections.opened).toBe(3)
        }).pipe(withEngine({ providers: [provider(connections)], config: { cache } }))
      }
    })
  )

  it.effect("nobody after the end: the next call is a hit, or a call of its own where the answer is not stored", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      for (const [prompt, opened, cache] of [
        ["stored", 1, "hit"],
        ["cut", 2, "miss"]
      ] as const) {
        const before = connections.opened
        for (let i = 0; i < 2; i++) {
          const one = yield* caller({ prompt })
          yield* TestClock.adjust(1000)
          yield* gists([one])
          if (i === 1) expect(one.call.journal.cache).toBe(cache)
        }
        expect(connections.opened - before).toBe(opened)
      }
    }).pipe(
      withEngine({
        providers: [
          provider(connections, (call) => {
            const cut = call.request.messages.some(({ content }) => content === "cut")
            return Effect.succeed(Reply.whole({ ...completionOf("m", "x"), finishReason: cut ? "length" : "stop" }))
          })
        ]
      })
    )
  })
})

describe("a caller that leaves", () => {
  for (const atMs of [50, 150, 350]) {
    for (const stream of [true, false]) {
      it.effect(`first harms nobody: ${stream ? "streamed" : "whole"}, after ${atMs} ms`, () => {
        const connections = new Connections()
        return Effect.gen(function* () {
          const all = yield* callers([{ stream }, { stream: false }, { stream: true }])
          yield* TestClock.adjust(atMs)
          yield* Fiber.interrupt(all[0]!.fiber)
          expect(connections.open).toBe(1)
          yield* TestClock.adjust(1000)
          expect(yield* gists(all)).toEqual(["interrupted", "one two three", "one two three"])
          expect(connections.opened).toBe(1)
          const rows = yield* rowsOf(all)
          expect(rows.map(({ attempts, cache, costUsd, status: ended }) => [ended, cache, attempts, costUsd])).toEqual([
            ["cancelled", "coalesced", 0, 0],
            ["success", "miss", 1, stream ? 3 : 4],
            ["success", "coalesced", 0, 0]
          ])
          expect((yield* status).totals).toMatchObject({ requests: 3, costUsd: stream ? 3 : 4 })
          expect((yield* status).cache).toMatchObject({ entries: 1, coalesced: 2, misses: 1 })
          yield* nothingLeft(connections)
        }).pipe(withEngine({ providers: [provider(connections)], config: { providers: [...pricing] } }))
      })
    }
  }

  it.effect("last closes the upstream call, gives back its permit, and is charged for what had come", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{ stream: true }, { stream: true }, { stream: false }])
      yield* TestClock.adjust(250)
      for (const { fiber } of all) yield* Fiber.interrupt(fiber)
      yield* nothingLeft(connections)
      const rows = yield* rowsOf(all)
      expect(rows.map(({ attempts, cache, status: ended }) => [ended, cache, attempts])).toEqual([
        ["cancelled", "coalesced", 0],
        ["cancelled", "coalesced", 0],
        ["cancelled", "miss", 1]
      ])
      // The last one had read nothing, but two words had come for it.
      expect(rows[2]!).toMatchObject({ estimated: true })
      expect(rows[2]!.completionTokens).toBeGreaterThan(0)
      expect(rows[2]!.attemptDetails).toMatchObject([{ provider: "a", error: null }])
      expect(rows[2]!.attemptDetails[0]!.durationMs).toBe(250)
      expect((yield* status).cache).toMatchObject({ entries: 0 })
      const next = yield* caller()
      yield* TestClock.adjust(1000)
      expect(yield* gists([next])).toEqual(["one two three"])
    }).pipe(withEngine({ providers: [provider(connections)], config: { providers: [...pricing] } }))
  })

  it.effect("after the last part was read by another is charged for the whole answer, which is stored", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const slow = yield* caller({ stream: true, pauseMs: 60_000 })
      const fast = yield* caller({ stream: true })
      yield* TestClock.adjust(1000)
      expect(yield* gists([fast])).toEqual(["a b"])
      expect((yield* status).providers[0]!.active).toBe(0)
      yield* Fiber.interrupt(slow.fiber)
      expect((yield* rowsOf([slow, fast])).map(({ cache, costUsd, status: ended }) => [ended, cache, costUsd])).toEqual(
        [
          ["cancelled", "miss", 3],
          ["success", "coalesced", 0]
        ]
      )
      expect((yield* status).cache.entries).toBe(1)
      yield* nothingLeft(connections)
    }).pipe(
      withEngine({
        providers: [
          provider(connections, () =>
            Effect.succeed(Reply.parts(paced([text("a "), text("b"), finish()], Effect.sleep(100))))
          )
        ],
        config: { providers: [...pricing] }
      })
    )
  })

  it.effect("by its own deadline leaves the others theirs", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{ timeout: 150 }, { timeout: 300 }, {}, { timeout: 5000, stream: true }])
      yield* TestClock.adjust(1000)
      expect(yield* gists(all)).toEqual(["DeadlineExceeded", "DeadlineExceeded", "one two three", "one two three"])
      expect(connections.opened).toBe(1)
      yield* nothingLeft(connections)
    }).pipe(withEngine({ providers: [provider(connections)] }))
  })

  it.effect("survives the interruption of a single read, and so does what was being read", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "hello", stream: true }))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const opened = yield* Effect.forkChild(engine.open(call), { startImmediately: true })
          yield* TestClock.adjust(100)
          const pull = yield* Stream.toPull(Reply.stream(yield* Fiber.join(opened)))
          const impatient = yield* Effect.forkChild(Effect.timeoutOption(pull, 50), { startImmediately: true })
          yield* TestClock.adjust(1000)
          yield* Fiber.join(impatient)
          expect(yield* pull).toEqual([text("one ")])
        })
      )
    }).pipe(withEngine({ providers: [provider(connections)] }))
  })
})

describe("a flight that fails before its first part", () => {
  const failing = (connections: Connections, errors: ReadonlyArray<EngineError>) =>
    provider(connections, (call, index) => {
      const error = errors[index]
      return Effect.andThen(Effect.sleep(100), error === undefined ? slowly(call) : Effect.fail(error))
    })

  it.effect("fails its leader, and lets one follower lead the others", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{}, {}, { stream: true }, {}])
      yield* TestClock.adjust(2000)
      expect(yield* gists(all)).toEqual(["ProviderServerError", "one two three", "one two three", "one two three"])
      expect(connections.opened).toBe(2)
      expect(connections.mostOpen).toBe(1)
      const rows = yield* rowsOf(all)
      expect(rows.map(({ attempts, cache, status: ended }) => [ended, cache, attempts])).toEqual([
        ["error", "miss", 1],
        ["success", "miss", 1],
        ["success", "coalesced", 0],
        ["success", "coalesced", 0]
      ])
      expect((yield* status).cache).toMatchObject({ coalesced: 2, misses: 2, entries: 1 })
      yield* nothingLeft(connections)
    }).pipe(withEngine({ providers: [failing(connections, [serverError])], config: once }))
  })

  it.effect("twice fails everybody, however many follow: two calls, not one after the other for each", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers(Array.from({ length: 20 }, (_, i) => ({ stream: i % 2 === 0 })))
      yield* TestClock.adjust(5000)
      expect(yield* gists(all)).toEqual(Array(20).fill("ProviderServerError"))
      expect(connections.opened).toBe(2)
      expect((yield* status).totals).toMatchObject({ requests: 20, errors: 20 })
      yield* nothingLeft(connections)
    }).pipe(
      withEngine({
        providers: [
          failing(
            connections,
            Array.from({ length: 20 }, () => serverError)
          )
        ],
        config: once
      })
    )
  })

  it.effect("keeps callers within their own deadlines while another leads", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{}, { timeout: 150 }, {}])
      yield* TestClock.adjust(2000)
      expect(yield* gists(all)).toEqual(["ProviderServerError", "DeadlineExceeded", "one two three"])
      expect(connections.opened).toBe(2)
      yield* nothingLeft(connections)
    }).pipe(withEngine({ providers: [failing(connections, [serverError])], config: once }))
  })

  const shared: ReadonlyArray<readonly [string, EngineError]> = [
    ["a pause that the provider asks for", new ProviderRateLimited({ ...target, detail: "429", retryAfterMs: 60_000 })],
    [
      "an overload with a time to come back",
      new ProviderOverloaded({ ...target, detail: "529", retryAfterMs: 60_000 })
    ],
    ["an open circuit", new CircuitOpen({ ...target })],
    ["a key that the provider refuses", new ProviderAuthFailed({ ...target, detail: "401" })],
    ["a limit of ours", new QueueFull({ provider: "a", maxWaiting: 1 })],
    [
      "a request that is wrong for all of them",
      new RequestRejected({ ...target, kind: "invalid_request", detail: "400" })
    ]
  ]
  for (const [name, error] of shared) {
    it.effect(`fails everybody at once when another call would end the same: ${name}`, () => {
      const connections = new Connections()
      return Effect.gen(function* () {
        const all = yield* callers([{}, {}, {}])
        yield* TestClock.adjust(2000)
        expect(yield* gists(all)).toEqual(Array(3).fill(error._tag))
        expect(connections.opened).toBe(1)
        yield* nothingLeft(connections)
      }).pipe(withEngine({ providers: [failing(connections, [error])], config: once }))
    })
  }

  it.effect("blames nobody for what only its leader's request said", () =>
    Effect.gen(function* () {
      const rejected = new RequestRejected({ ...target, kind: "invalid_request", detail: "metadata is too long" })
      const wire = (body: { readonly [key: string]: unknown }) => ({
        more: { wire: { dialect: "openai-chat" as const, body, needs: [] } }
      })
      for (const pair of [
        [{ metadata: { note: "too long" } }, {}],
        [{ stream: true }, { stream: false }],
        [wire({ user: "x" }), wire({})]
      ]) {
        const connections = new Connections()
        yield* Effect.gen(function* () {
          const all = yield* callers(pair)
          yield* TestClock.adjust(2000)
          expect(yield* gists(all)).toEqual(["RequestRejected", "one two three"])
          expect(connections.opened).toBe(2)
        }).pipe(withEngine({ providers: [failing(connections, [rejected])], config: once }))
      }
    })
  )

  it.effect("by a defect fails everybody with an internal error and one call", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{}, {}, { stream: true }])
      yield* TestClock.adjust(1000)
      expect(yield* gists(all)).toEqual(Array(3).fill("InternalError"))
      expect(connections.opened).toBe(1)
      yield* nothingLeft(connections)
    }).pipe(
      withEngine({
        providers: [provider(connections, () => Effect.andThen(Effect.sleep(50), Effect.die(new Error("boom"))))]
      })
    )
  })

  for (const [name, each, expected] of [
    ["alone, gives up at once when the wait is longer than its time", [{ timeout: 500 }], ["ProviderOverloaded"]],
    [
      "waits for a retry as long as its most patient caller would",
      [{ timeout: 500 }, { timeout: 3000 }],
      ["DeadlineExceeded", "one two three"]
    ]
  ] as const) {
    it.effect(name, () => {
      const connections = new Connections()
      const busy = new ProviderOverloaded({ ...target, detail: "529", retryAfterMs: 1000 })
      return Effect.gen(function* () {
        const all = yield* callers(each)
        yield* TestClock.adjust(100)
        if (each.length === 1) expect(all[0]!.fiber.pollUnsafe()).toBeDefined()
        yield* TestClock.adjust(3000)
        expect(yield* gists(all)).toEqual(expected)
        expect(connections.opened).toBe(each.length)
        yield* nothingLeft(connections)
      }).pipe(withEngine({ providers: [failing(connections, [busy])], config: { retry: { maxAttempts: 2 } } }))
    })
  }
})

describe("a flight that fails after its first part", () => {
  it.effect("fails everybody with the same error, whole and streamed, with no second call", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{ stream: true }, { stream: false }, { stream: true }])
      yield* TestClock.adjust(150)
      const late = yield* caller({ stream: true })
      yield* TestClock.adjust(1000)
      const exits = yield* ends([...all, late])
      const errors = exits.map((exit) =>
        Exit.isFailure(exit) ? exit.cause.reasons.find(Cause.isFailReason)?.error : undefined
      )
      expect(errors).toEqual([serverError, serverError, serverError, serverError])
      expect(all[0]!.parts).toEqual([text("one ")])
      expect(late.parts).toEqual([text("one ")])
      expect(connections.opened).toBe(1)
      expect((yield* rowsOf([...all, late])).map(({ attempts, cache }) => [cache, attempts])).toEqual([
        ["miss", 1],
        ["coalesced", 0],
        ["coalesced", 0],
        ["coalesced", 0]
      ])
      expect((yield* status).cache.entries).toBe(0)
      yield* nothingLeft(connections)
    }).pipe(
      withEngine({
        providers: [
          provider(connections, () =>
            Effect.succeed(Reply.parts(paced([text("one "), serverError], Effect.sleep(100))))
          )
        ]
      })
    )
  })

  it.effect("by something that is no part fails everybody with an internal error", () => {
    const connections = new Connections()
    const broken = [text("one "), undefined as unknown as Reply.Part, finish()]
    return Effect.gen(function* () {
      const all = yield* callers([{ stream: true }, { stream: false }, { stream: true }])
      yield* TestClock.adjust(1000)
      expect(yield* gists(all)).toEqual(Array(3).fill("InternalError"))
      yield* nothingLeft(connections)
    }).pipe(
      withEngine({
        providers: [
          provider(connections, () => {
            let next = 0
            const pull = Effect.delay(
              Effect.sync(() => [broken[next++]!] as const),
              100
            )
            return Effect.succeed(Reply.parts(Stream.fromPull(Effect.succeed(pull))))
          })
        ]
      })
    )
  })

  it.effect("is truncated for everybody when the stream has no end", () => {
    const connections = new Connections()
    return Effect.gen(function* () {
      const all = yield* callers([{ stream: true }, { stream: false }])
      yield* TestClock.adjust(1000)
      expect(yield* gists(all)).toEqual(["StreamTruncated", "StreamTruncated"])
      yield* nothingLeft(connections)
    }).pipe(
      withEngine({
        providers: [provider(connections, () => Effect.succeed(Reply.parts(paced([text("one ")], Effect.sleep(100)))))]
      })
    )
  })
})

describe("the pace", () => {
  it.effect("is that of the fastest reader: a stalled leader or follower holds up nobody", () =>
    Effect.gen(function* () {
      for (const stalled of [0, 1]) {
        const connections = new Connections()
        yield* Effect.gen(function* () {
          const all = yield* callers(
            [0, 1, 2].map((i) => ({ stream: true, ...(i === stalled ? { pauseMs: 1_000_000 } : {}) }))
          )
          yield* TestClock.adjust(450)
          const others = all.filter((_, i) => i !== stalled)
          expect(yield* gists(others)).toEqual(["one two three", "one two three"])
          expect(all[stalled]!.parts).toEqual([text("one ")])
          yield* TestClock.adjust(2_000_000)
          expect(yield* gists(all)).toEqual(Array(3).fill("one two three"))
          yield* nothingLeft(connections)
        }).pipe(withEngine({ providers: [provider(connections)] }))
      }
    })
  )

  it.effect("is not ahead of everybody: what nobody asks for is not read", () => {
    let read = 0
    const parts = [text("a"), text("b"), text("c"), finish()]
    const counted = Effect.suspend(() => {
      const part = parts[read++]
      return part === undefined ? Cause.done() : Effect.succeed([part] as const)
    })
    const providers = [
      scriptedProvider("a", () => Effect.succeed(Reply.parts(Stream.fromPull(Effect.succeed(counted)))))
    ]
    return Effect.gen(function* () {
      const all = yield* callers([
        { stream: true, pauseMs: 1000 },
        { stream: true, pauseMs: 2000 }
      ])
      expect(read).toBe(1)
      yield* TestClock.adjust(1001)
      expect(read).toBe(2)
      yield* TestClock.adjust(1000)
      expect(read).toBe(3)
      expect(all[1]!.parts.length).toBe(2)
      yield* TestClock.adjust(10_000)
      expect(yield* gists(all)).toEqual(["abc", "abc"])
    }).pipe(withEngine({ providers }))
  })
})

describe("a caller of a whole answer", () => {
  it.effect(
    "reads a shared stream to its end, also when all of it is there at once and its leader reads nothing",
    () => {
      const parts = [text("a"), text("b"), text("c"), finish()]
      const providers = [
        scriptedProvider("a", () => Effect.succeed(Reply.parts(Stream.rechunk(Stream.fromArray(parts), 1))))
      ]
      return Effect.gen(function* () {
        const all = yield* callers([{ stream: true, pauseMs: 1_000_000 }, { stream: false }, { stream: false }])
        yield* TestClock.adjust(1)
        expect(yield* gists(all.slice(1))).toEqual(["abc", "abc"])
        expect(providers[0]!.calls.length).toBe(1)
      }).pipe(withEngine({ providers }))
    }
  )
})

describe("the bound of what is kept", () => {
  /** A flight stage over an upstream of so many parts of ten characters. */
  const bounded = (partCount: number, bufferBytesMax: number) => {
    const opened: Array<Call> = []
    const upstream: Open = (call) =>
      Effect.sync(() => {
        opened.push(call)
        const parts = Array.from({ length: partCount }, () => text("0123456789"))
        return Reply.parts(paced([...parts, finish()], Effect.sleep(10)))
      })
    return { opened, upstream, layer: SingleFlight.layer({ enabled: true, bufferBytesMax, estimateTokens: () => 1 }) }
  }

  const open = Effect.fnUntraced(function* (upstream: Open, pauseMs: number | undefined) {
    const singleFlight = yield* SingleFlight
    const settled = settle({ estimateTokens: () => 1 })
    stage ??= settled(singleFlight.stage(upstream))
    const request = yield* requestOf({ prompt: "hello", stream: true })
    const call = makeCall(request, yield* Clock.clockWith(Effect.succeed))
    call.journal.cacheKey = "key"
    const parts: Array<Reply.Part> = []
    const fiber = yield* Effect.forkChild(
      Effect.scoped(
        Effect.flatMap(stage(call), (reply) =>
          Stream.runForEach(Reply.stream(reply), (part) => {
            parts.push(part)
            return pauseMs === undefined ? Effect.void : Effect.sleep(pauseMs)
          })
        )
      ),
      { startImmediately: true }
    )
    return { parts, fiber }
  })
  let stage: Open | undefined

  it.effect("lets nobody join once an answer is longer, and serves on who is there", () => {
    const { layer, opened, upstream } = bounded(100, 10 * 84)
    stage = undefined
    return Effect.gen(function* () {
      const first = yield* open(upstream, undefined)
      const second = yield* open(upstream, undefined)
      yield* TestClock.adjust(500)
      const late = yield* open(upstream, undefined)
      expect(opened.length).toBe(2)
      yield* TestClock.adjust(5000)
      for (const { fiber, parts } of [first, second, late]) {
        expect(Exit.isSuccess(yield* Fiber.await(fiber))).toBe(true)
        expect(parts.length).toBe(101)
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("cuts off who is further behind than it, and keeps who is not", () => {
    const { layer, opened, upstream } = bounded(100, 20 * 84)
    stage = undefined
    return Effect.gen(function* () {
      const stalled = yield* open(upstream, 100_000)
      const fast = yield* open(upstream, undefined)
      const slower = yield* open(upstream, 11)
      yield* TestClock.adjust(5000)
      expect(Exit.isSuccess(yield* Fiber.await(fast.fiber))).toBe(true)
      expect(Exit.isSuccess(yield* Fiber.await(slower.fiber))).toBe(true)
      expect(slower.parts.length).toBe(101)
      yield* TestClock.adjust(200_000)
      const exit = yield* Fiber.await(stalled.fiber)
      expect(Exit.isFailure(exit) && exit.cause.reasons.find(Cause.isFailReason)?.error).toMatchObject({
        _tag: "RateLimitExceeded",
        fault: "policy",
        retryable: false
      })
      expect(stalled.parts.length).toBeLessThan(30)
      expect(opened.length).toBe(1)
      expect(opened[0]!.settlement.settled).toBe(true)
    }).pipe(Effect.provide(layer))
  })

  it.effect("never cuts off a caller that is alone, whatever it reads", () => {
    const { layer, upstream } = bounded(100, 1)
    stage = undefined
    return Effect.gen(function* () {
      const alone = yield* open(upstream, 100)
      yield* TestClock.adjust(20_000)
      expect(Exit.isSuccess(yield* Fiber.await(alone.fiber))).toBe(true)
      expect(alone.parts.length).toBe(101)
    }).pipe(Effect.provide(layer))
  })
})

describe("an answer that a stage below takes from a cache", () => {
  it.effect("is told as what it is to everybody who shares it", () => {
    const upstream: Open = (call) =>
      Effect.andThen(
        Effect.sleep(10),
        Effect.sync(() => {
          Object.assign(call.journal, { cache: "semantic", cacheSimilarity: 0.9, cacheAgeMs: 5, target })
          return Reply.whole(completionOf("m", "alike"))
        })
      )
    return Effect.gen(function* () {
      const stage = settle({ estimateTokens: () => 1 })((yield* SingleFlight).stage(upstream))
      const clock = yield* Clock.clockWith(Effect.succeed)
      const calls = yield* Effect.forEach([1, 2], () =>
        Effect.map(requestOf({ prompt: "hello" }), (request) => makeCall(request, clock))
      )
      const fibers = yield* Effect.forEach(calls, (call) => {
        call.journal.cacheKey = "key"
        return Effect.forkChild(Effect.scoped(stage(call)), { startImmediately: true })
      })
      yield* TestClock.adjust(10)
      yield* Effect.forEach(fibers, Fiber.join)
      for (const { journal } of calls) {
        expect(journal).toMatchObject({ cache: "semantic", cacheSimilarity: 0.9, cacheAgeMs: 5, target, attempts: [] })
      }
      expect((yield* SingleFlight).stats().coalesced).toBe(0)
    }).pipe(Effect.provide(SingleFlight.layer({ enabled: true, estimateTokens: () => 1 })))
  })
})

describe("priority", () => {
  it.effect("rises to that of the most urgent caller at the next attempt", () => {
    const connections = new Connections()
    const seen: Array<number> = []
    return Effect.gen(function* () {
      const all = [yield* caller({ priority: "batch" }), yield* caller({ priority: 1 })]
      yield* TestClock.adjust(10_000)
      yield* gists(all)
      expect(seen).toEqual([7, 1])
      expect((yield* rowOf(all[0]!)).attempts).toBe(2)
    }).pipe(
      withEngine({
        providers: [
          provider(connections, (call, index) => {
            seen.push(call.request.priority)
            return Effect.andThen(Effect.sleep(100), index === 0 ? Effect.fail(serverError) : slowly(call))
          })
        ]
      })
    )
  })
})
