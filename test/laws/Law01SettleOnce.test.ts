/**
 * Law 1, settle once: whatever happens to a call, everybody who asked is told its end exactly once, and nothing it took is
 * kept: no permit, no reservation, no place in a queue, no connection, no scope.
 */
import { describe, expect, it } from "@effect/vitest"
import { Cause, Clock, Effect, Exit, Fiber, Layer, Scope, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { type Call, makeCall, type Outcome, Settlement } from "../../engine/src/Call.ts"
import { Engine } from "../../engine/src/Engine.ts"
import {
  ProviderOverloaded,
  ProviderRateLimited,
  ProviderServerError,
  RequestRejected
} from "../../engine/src/Errors.ts"
import { Retry } from "../../engine/src/Retry.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { settle } from "../../engine/src/Settle.ts"
import { completionOf, type ScriptedProvider } from "../../engine/src/testing.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import {
  connected,
  Connections,
  engineLayer,
  finish,
  limits,
  paced,
  readAll,
  requestOf,
  samples,
  status,
  text,
  withEngine
} from "../support/engine.ts"
import { property } from "../support/property.ts"
import { StepScheduler } from "../support/StepScheduler.ts"

const target = { provider: "a", model: "scripted" }
const serverError = new ProviderServerError({ ...target, detail: "500" })
const outcomes: ReadonlyArray<Outcome> = [
  { _tag: "Success", completion: completionOf("m", "hello") },
  { _tag: "Failure", error: serverError, partial: undefined },
  { _tag: "Cancelled", partial: undefined }
]

/** A settler that counts, and remembers how the call ended. */
const counting = (call: Call) => {
  const seen: Array<Outcome> = []
  call.settlement.add((outcome) => {
    seen.push(outcome)
  })
  return seen
}

describe("Settlement", () => {
  it.effect("tells every settler once, the last to join first, however often it is run", () =>
    Effect.gen(function* () {
      for (const outcome of outcomes) {
        const settlement = new Settlement()
        const told: Array<string> = []
        settlement.add((seen) => void told.push(`first ${seen._tag}`))
        settlement.add((seen) => void told.push(`second ${seen._tag}`))
        yield* settlement.run(outcome)
        yield* settlement.run({ _tag: "Cancelled", partial: undefined })
        expect(told).toEqual([`second ${outcome._tag}`, `first ${outcome._tag}`])
      }
    })
  )

  it.effect("tells a settler that comes after the end at once, and runs the effect that it returns", () =>
    Effect.gen(function* () {
      const settlement = new Settlement()
      yield* settlement.run(outcomes[0]!)
      let waited = false
      settlement.add((outcome) =>
        Effect.sync(() => {
          waited = outcome === outcomes[0]
        })
      )
      yield* Effect.yieldNow
      expect(waited).toBe(true)
    })
  )

  it.effect("goes on after a settler that throws or dies, and fails nobody for it", () =>
    Effect.gen(function* () {
      const settlement = new Settlement()
      const told: Array<string> = []
      settlement.add(() => void told.push("first"))
      settlement.add(() => Effect.die(new Error("canary")))
      settlement.add(() => {
        throw new Error("canary")
      })
      settlement.add(() => void told.push("last"))
      yield* settlement.run(outcomes[0]!)
      expect(told).toEqual(["last", "first"])
    })
  )

  it.effect("closes what a broken call holds open before it tells anybody", () =>
    Effect.gen(function* () {
      const settlement = new Settlement()
      const order: Array<string> = []
      settlement.add(() => void order.push("settled"))
      settlement.release = Effect.andThen(
        Effect.yieldNow,
        Effect.sync(() => void order.push("closed"))
      )
      yield* settlement.breakOff(outcomes[2]!)
      yield* settlement.breakOff(outcomes[2]!)
      expect(order).toEqual(["closed", "settled"])
    })
  )

  it.effect("settles although closing the connection dies", () =>
    Effect.gen(function* () {
      const settlement = new Settlement()
      let told = 0
      settlement.add(() => void told++)
      settlement.release = Effect.die(new Error("close"))
      yield* Effect.exit(settlement.breakOff(outcomes[2]!))
      expect(told).toBe(1)
    })
  )
})

describe("a call", () => {
  const ways: ReadonlyArray<{
    readonly name: string
    readonly outcome: Outcome["_tag"]
    readonly script: Parameters<typeof connected>[2]
    readonly read?: (reply: Reply.Reply) => Effect.Effect<unknown, unknown>
    readonly fields?: object
  }> = [
    { name: "a whole answer", outcome: "Success", script: () => Effect.succeed(Reply.whole(completionOf("m", "x"))) },
    {
      name: "a streamed answer",
      outcome: "Success",
      script: () => Effect.succeed(Reply.parts(paced([text("x"), finish()])))
    },
    { name: "a failure before the first part", outcome: "Failure", script: () => Effect.fail(serverError) },
    {
      name: "a failure in the stream",
      outcome: "Failure",
      script: () => Effect.succeed(Reply.parts(paced([text("x"), serverError])))
    },
    {
      name: "a stream without an end",
      outcome: "Failure",
      script: () => Effect.succeed(Reply.parts(paced([text("x")])))
    },
    { name: "a defect in open", outcome: "Failure", script: () => Effect.die(new Error("boom")) },
    {
      name: "a script that throws",
      outcome: "Failure",
      script: () => {
        throw new Error("boom")
      }
    },
    {
      name: "a defect in the stream",
      outcome: "Failure",
      script: () => Effect.succeed(Reply.parts(paced([text("x"), Effect.die(new Error("boom"))])))
    },
    {
      name: "a reader who stops early",
      outcome: "Cancelled",
      script: () => Effect.succeed(Reply.parts(paced([text("x"), text("y"), finish()]))),
      read: (reply) => Stream.runDrain(Stream.take(Reply.stream(reply), 1))
    },
    {
      name: "a reader who never reads",
      outcome: "Cancelled",
      script: () => Effect.succeed(Reply.parts(paced([text("x"), finish()]))),
      read: () => Effect.void
    },
    {
      name: "a reader who dies",
      outcome: "Cancelled",
      script: () => Effect.succeed(Reply.parts(paced([text("x"), finish()]))),
      read: () => Effect.die(new Error("reader"))
    },
    {
      name: "a rejected request",
      outcome: "Failure",
      script: () => Effect.fail(new RequestRejected({ ...target, kind: "invalid_request", detail: "no" }))
    }
  ]

  for (const way of ways) {
    it.effect(`that ends with ${way.name} settles once and leaves nothing behind`, () => {
      const connections = new Connections()
      const provider = connected("a", connections, way.script)
      return Effect.gen(function* () {
        const engine = yield* Engine
        const call = yield* engine.call(yield* requestOf({ prompt: "hello", timeout: 5000 }))
        const seen = counting(call)
        const read = way.read ?? readAll
        yield* Effect.exit(Effect.scoped(Effect.flatMap(engine.open(call), read)))
        expect(seen.map((outcome) => outcome._tag)).toEqual([way.outcome])
        expect(connections.open).toBe(0)
        expect(connections.opened).toBe(1)
        const now = yield* status
        expect(now.providers[0]).toMatchObject({ active: 0, queued: 0 })
        expect(now.totals.requests).toBe(1)
        expect((yield* (yield* UsageLog).requests({})).items).toHaveLength(1)
        expect((yield* samples).get('ai_active_requests{provider="a"}')).toBe(0)
      }).pipe(withEngine({ providers: [provider], config: { retry: { maxAttempts: 1 } } }))
    })
  }

  it.effect("is refused when it is opened a second time, and counts once", () => {
    const provider = connected("a", new Connections(), () => Effect.succeed(Reply.whole(completionOf("m", "x"))))
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "hello" }))
      yield* Effect.scoped(engine.open(call))
      const again = yield* Effect.exit(Effect.scoped(engine.open(call)))
      expect(Exit.isFailure(again)).toBe(true)
      expect((yield* status).totals.requests).toBe(1)
    }).pipe(withEngine({ providers: [provider] }))
  })

  it.effect("gives the caller an InternalError for a defect, without its text", () => {
    const providers = [connected("a", new Connections(), () => Effect.die(new Error("canary-defect")))]
    return Effect.gen(function* () {
      const error = yield* Effect.flip(Engine.generateText({ prompt: "hello" }))
      expect(error).toMatchObject({ _tag: "InternalError", fault: "engine", status: 500 })
      expect(error.message).not.toContain("canary")
    }).pipe(withEngine({ providers }))
  })

  it.effect("keeps its answer when a settler throws", () => {
    const providers = [connected("a", new Connections(), () => Effect.succeed(Reply.whole(completionOf("m", "x"))))]
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "hello" }))
      call.settlement.add(() => {
        throw new Error("a broken settler")
      })
      const reply = yield* Effect.scoped(engine.open(call))
      expect(reply._tag).toBe("Whole")
      expect((yield* status).providers[0]!.active).toBe(0)
    }).pipe(withEngine({ providers }))
  })

  it.effect("passes on nothing that a provider sends after the terminal part, and ends there", () => {
    const tail = [text("late"), serverError, finish()]
    const providers = [
      connected("a", new Connections(), (_, index) =>
        Effect.succeed(
          Reply.parts(
            index === 0
              ? paced([text("x"), finish(), ...tail])
              : index === 1
                ? Stream.fromArray([text("x"), finish(), text("late"), finish()])
                : paced([text("x"), finish(), Effect.never])
          )
        )
      )
    ]
    return Effect.gen(function* () {
      for (const cache of ["bypass", "refresh", "bypass"] as const) {
        const parts = yield* Stream.runCollect(Engine.streamText({ prompt: "hello", cache: { mode: cache } }))
        expect(parts.map((part) => part.type)).toEqual(["text", "finish"])
      }
      expect((yield* status).totals).toMatchObject({ requests: 3, errors: 0 })
    }).pipe(withEngine({ providers }))
  })

  it.effect("survives a single read that is interrupted: the reader may come back", () => {
    const providers = [
      connected("a", new Connections(), () =>
        Effect.succeed(Reply.parts(paced([text("x"), finish()], Effect.sleep(100))))
      )
    ]
    return Effect.gen(function* () {
      const engine = yield* Engine
      const call = yield* engine.call(yield* requestOf({ prompt: "hello", stream: true }))
      const seen = counting(call)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const pull = yield* Stream.toPull(Reply.stream(yield* engine.open(call)))
          const impatient = yield* Effect.forkChild(Effect.timeoutOption(pull, 10))
          yield* TestClock.adjust(10)
          yield* Fiber.join(impatient)
          expect(seen).toEqual([])
          const patient = yield* Effect.forkChild(pull)
          yield* TestClock.adjust(200)
          expect(yield* Fiber.join(patient)).toHaveLength(1)
        })
      )
      expect(seen).toHaveLength(1)
    }).pipe(withEngine({ providers }))
  })
})

describe("the settle stage", () => {
  it.effect("settles although a stage below it throws while the pipeline is put together", () =>
    Effect.gen(function* () {
      const call = makeCall(yield* requestOf({ prompt: "hello" }), yield* Clock.Clock)
      const seen = counting(call)
      const open = settle({ estimateTokens: () => 0 })(() => {
        throw new Error("broken stage")
      })
      const exit = yield* Effect.exit(Effect.scoped(open(call)))
      expect(Exit.isFailure(exit)).toBe(true)
      expect(seen).toMatchObject([{ _tag: "Failure", error: { _tag: "InternalError" } }])
    })
  )

  it.effect("tells how much of an answer had come when it broke off, as an estimate", () =>
    Effect.gen(function* () {
      for (const [parts, outcome] of [
        [paced([text("one "), text("two"), serverError]), "Failure"],
        [paced([text("one "), text("two"), text("three"), finish()]), "Cancelled"]
      ] as const) {
        const call = makeCall(yield* requestOf({ prompt: "hello" }), yield* Clock.Clock)
        call.journal.promptTokens = 7
        const seen = counting(call)
        const open = settle({ estimateTokens: (value) => value.length })(() => Effect.succeed(Reply.parts(parts)))
        yield* Effect.exit(
          Effect.scoped(Effect.flatMap(open(call), (reply) => Stream.runDrain(Stream.take(Reply.stream(reply), 2))))
        )
        yield* Effect.exit(Effect.scoped(Effect.flatMap(open(call), readAll)))
        if (outcome === "Cancelled") {
          expect(seen).toMatchObject([
            { _tag: outcome, partial: { usage: { uncachedInput: 7, output: 7, estimated: true } } }
          ])
        }
        expect(seen).toHaveLength(1)
      }
    })
  )
})

/** Calls whose providers, readers and connections do everything that can happen. */
const script =
  (kind: number): Parameters<typeof connected>[2] =>
  (call, index) => {
    const parts = paced([text("one "), text("two "), text("three"), finish()])
    const answer = call.request.stream
      ? Effect.succeed(Reply.parts(parts))
      : Effect.as(Effect.yieldNow, Reply.whole(completionOf("m", "one two three")))
    switch (kind) {
      case 0:
        return answer
      case 1:
        return index % 2 === 0 ? Effect.fail(serverError) : answer
      case 2:
        return index % 2 === 0 ? Effect.fail(new ProviderRateLimited({ ...target, detail: "429" })) : answer
      default:
        return Effect.succeed(Reply.parts(paced([text("one"), serverError])))
    }
  }

describe("interruption between any two operations", () => {
  const cases = [
    { name: "a whole answer", kind: 0, stream: false },
    { name: "a streamed answer", kind: 0, stream: true },
    { name: "a fallback after a failure", kind: 1, stream: false },
    { name: "a fallback after a 429, streamed", kind: 2, stream: true },
    { name: "a stream that breaks", kind: 3, stream: true }
  ]
  for (const { kind, name, stream } of cases) {
    for (const timeout of [undefined, 60_000]) {
      it.live(`leaves nothing behind: ${name}${timeout === undefined ? "" : ", with a deadline"}`, () => {
        const connections = new Connections()
        const providers = [
          connected("a", connections, script(kind), { rateLimits: limits({ concurrent: 2, requestsPerMinute: 1e6 }) }),
          connected("b", connections, script(0))
        ]
        return Effect.gen(function* () {
          const engine = yield* Engine
          const context = yield* Effect.context<never>()
          let rows = 0
          let interruptedAt = 0
          let finished = false
          while (!finished) {
            const call = yield* engine.call(
              yield* requestOf({
                prompt: "hello",
                model: "both",
                stream,
                cache: { mode: "bypass" },
                ...(timeout === undefined ? {} : { timeout })
              })
            )
            const seen = counting(call)
            const scheduler = new StepScheduler()
            const fiber = Effect.runForkWith(context)(Effect.scoped(Effect.flatMap(engine.open(call), readAll)), {
              scheduler
            })
            let steps = 0
            while (steps < interruptedAt && scheduler.step()) steps++
            finished = fiber.pollUnsafe() !== undefined
            fiber.interruptUnsafe()
            scheduler.run()
            const exit = fiber.pollUnsafe()
            if (exit === undefined)
              throw new Error(`the call still runs after an interruption at step ${interruptedAt}`)
            const where = `interrupted at step ${interruptedAt}`
            // Before the first operation of the pipeline nobody has asked to be told.
            const began = call.journal.candidates.length > 0
            if (began) rows++
            expect(seen.length, where).toBeLessThanOrEqual(1)
            if (began) expect(seen.length, where).toBe(1)
            expect(connections.open, where).toBe(0)
            const now = yield* status
            expect(
              now.providers.map(({ active, queued }) => [active, queued]),
              where
            ).toEqual([
              [0, 0],
              [0, 0]
            ])
            if (!began) rows = Math.max(rows, Math.min(now.totals.requests, rows + 1))
            expect(now.totals.requests, where).toBe(rows)
            interruptedAt++
          }
          expect(interruptedAt).toBeGreaterThan(10)
        }).pipe(
          withEngine({
            providers,
            config: {
              aliases: { both: ["a/scripted", "b/scripted"] },
              retry: { maxAttempts: 2, baseDelay: 1, maxDelay: 1 },
              breaker: { minimumCalls: 1_000_000 }
            }
          })
        )
      })
    }
  }

  it.live("leaves the queue at once, also between being called and running", () => {
    const connections = new Connections()
    const providers = [
      connected("a", connections, (call) => (call.request.seed === 1 ? Effect.never : script(0)(call, 0)), {
        rateLimits: limits({ concurrent: 1 })
      })
    ]
    return Effect.gen(function* () {
      const engine = yield* Engine
      const context = yield* Effect.context<never>()
      for (let at = 0, finished = false; !finished; at++) {
        const scheduler = new StepScheduler()
        const run = Effect.fnUntraced(function* (seed: number) {
          const call = yield* engine.call(yield* requestOf({ prompt: "hello", seed, cache: { mode: "bypass" } }))
          const effect = Effect.scoped(Effect.flatMap(engine.open(call), readAll))
          return Effect.runForkWith(context)(effect, { scheduler })
        })
        const first = yield* run(1)
        scheduler.run()
        const waiting = yield* run(2)
        scheduler.run()
        expect((yield* status).providers[0]).toMatchObject({ active: 1, queued: 1 })
        first.interruptUnsafe()
        let steps = 0
        while (steps < at && scheduler.step()) steps++
        finished = waiting.pollUnsafe() !== undefined
        waiting.interruptUnsafe()
        scheduler.run()
        expect(waiting.pollUnsafe(), `interrupted at step ${at}`).toBeDefined()
        expect((yield* status).providers[0], `interrupted at step ${at}`).toMatchObject({ active: 0, queued: 0 })
        expect(connections.open).toBe(0)
      }
      expect(connections.mostOpen).toBe(1)
    }).pipe(withEngine({ providers }))
  })
})

interface Plan {
  readonly atMs: number
  readonly stream: boolean
  readonly tokens: number
  readonly latencyMs: number
  readonly fate: number
  readonly leavesAfterMs: number | undefined
  readonly timeoutMs: number | undefined
  readonly priority: number
  readonly tenant: number
}

const plans: fc.Arbitrary<ReadonlyArray<Plan>> = fc.array(
  fc.record({
    atMs: fc.nat({ max: 20_000 }),
    stream: fc.boolean(),
    tokens: fc.integer({ min: 1, max: 400 }),
    latencyMs: fc.nat({ max: 4000 }),
    fate: fc.nat({ max: 9 }),
    leavesAfterMs: fc.option(fc.nat({ max: 6000 }), { nil: undefined, freq: 3 }),
    timeoutMs: fc.option(fc.integer({ min: 1, max: 6000 }), { nil: undefined, freq: 4 }),
    priority: fc.nat({ max: 9 }),
    tenant: fc.nat({ max: 3 })
  }),
  { minLength: 150, maxLength: 250 }
)

/** A provider whose calls end as their plan says. */
const fated = (name: string, connections: Connections): ScriptedProvider =>
  connected(
    name,
    connections,
    (call) => {
      const { fate, latencyMs } = call.request.metadata as unknown as Plan
      const pause = Effect.sleep(latencyMs / 4)
      const at = { provider: name, model: "scripted" }
      const stream = (...tail: Parameters<typeof paced>[0]) =>
        Effect.as(pause, Reply.parts(paced([text("one "), text("two "), ...tail], pause)))
      switch (fate) {
        case 0:
          return Effect.andThen(pause, Effect.fail(new ProviderServerError({ ...at, detail: "500" })))
        case 1:
          return Effect.fail(new ProviderRateLimited({ ...at, detail: "429", retryAfterMs: latencyMs / 2 }))
        case 2:
          return stream(new ProviderOverloaded({ ...at, detail: "529" }))
        case 3:
          return stream()
        case 4:
          return stream(Effect.die(new Error("boom")))
        case 5:
          return Effect.andThen(pause, Effect.die(new Error("boom")))
        case 6:
          return Effect.never
        default:
          return call.request.stream
            ? stream(finish())
            : Effect.as(Effect.sleep(latencyMs), Reply.whole(completionOf("m", "one two")))
      }
    },
    {
      timeoutMs: 3000,
      rateLimits: limits({ concurrent: 7, requestsPerMinute: 300, tokensPerMinute: 40_000, windowMs: 10_000 })
    }
  )

describe("random schedules", () => {
  property(
    "keep no permit, reservation, queue entry or connection, and write one row a call",
    plans,
    (schedule) => {
      const connections = new Connections()
      const providers = [fated("a", connections), fated("b", connections)]
      return Effect.gen(function* () {
        const engine = yield* Engine
        const settled: Array<number> = []
        const fibers = yield* Effect.forEach(schedule, (plan, index) =>
          Effect.gen(function* () {
            yield* Effect.sleep(plan.atMs)
            const request = yield* requestOf({
              prompt: "x ".repeat(plan.tokens),
              model: plan.fate % 2 === 0 ? "both" : "a/scripted",
              maxTokens: plan.tokens,
              stream: plan.stream,
              priority: plan.priority,
              tenant: `tenant-${plan.tenant}`,
              cache: { mode: plan.fate === 9 ? "default" : "bypass" },
              metadata: { ...plan, leavesAfterMs: null, timeoutMs: null },
              ...(plan.timeoutMs === undefined ? {} : { timeout: plan.timeoutMs })
            })
            const call = yield* engine.call(request)
            call.settlement.add(() => {
              settled[index] = (settled[index] ?? 0) + 1
            })
            const reading = Effect.scoped(Effect.flatMap(engine.open(call), readAll))
            yield* plan.leavesAfterMs === undefined ? reading : Effect.timeoutOption(reading, plan.leavesAfterMs)
          }).pipe(Effect.exit, Effect.forkChild)
        )
        for (let i = 0; i < 200; i++) yield* TestClock.adjust(1000)
        yield* Fiber.joinAll(fibers)
        expect(settled).toEqual(schedule.map(() => 1))
        expect(connections.open).toBe(0)
        expect(connections.mostOpen).toBeLessThanOrEqual(14)
        const now = yield* status
        for (const provider of now.providers) {
          expect(provider).toMatchObject({ active: 0, queued: 0, limits: { concurrent: { available: 7 } } })
          // A window later everything that was reserved or used has left the windows.
          expect(provider.limits.requestsPerMinute.available).toBe(50)
          expect(provider.limits.tokensPerMinute.available).toBe(6666)
        }
        expect(now.queue.waiting).toBe(0)
        expect(now.totals.requests).toBe(schedule.length)
        expect((yield* (yield* UsageLog).requests({ limit: 500 })).items).toHaveLength(schedule.length)
        const recent = (yield* Retry).recent(yield* Clock.currentTimeMillis)
        expect(recent).toEqual({ calls: 0, retries: 0 })
      }).pipe(
        withEngine({
          providers,
          config: {
            aliases: { both: ["a/scripted", "b/scripted"] },
            retry: { maxAttempts: 3, baseDelay: 100, maxDelay: 2000 },
            breaker: { minimumCalls: 10, failureRate: 0.5, openFor: 1000 },
            queue: { maxWaiting: 40, maxWait: 5000 }
          }
        })
      )
    },
    { runs: 20, timeout: 120_000 }
  )
})

describe("the end of the engine", () => {
  it.effect("refuses whoever waits when the layers close, and sets no timer afterwards", () =>
    Effect.gen(function* () {
      const connections = new Connections()
      const provider = connected("a", connections, () => Effect.never, {
        rateLimits: limits({ concurrent: 1 })
      })
      const layers = yield* Scope.make()
      const engine = yield* Layer.buildWithScope(engineLayer({ providers: [provider] }), layers)
      const ask = Effect.forkChild(
        Effect.provide(Effect.exit(Engine.generateText({ prompt: "hello", cache: { mode: "bypass" } })), engine)
      )
      const running = yield* ask
      const waiting = yield* ask
      yield* TestClock.adjust(10)
      yield* Scope.close(layers, Exit.void)
      const refused = yield* Fiber.join(waiting)
      expect(Exit.isFailure(refused) && Cause.squash(refused.cause)).toMatchObject({ _tag: "ShuttingDown" })
      const late = yield* Effect.exit(Effect.provide(Engine.generateText({ prompt: "later" }), engine))
      expect(Exit.isFailure(late) && Cause.squash(late.cause)).toMatchObject({ _tag: "ShuttingDown" })
      yield* Fiber.interrupt(running)
      expect(connections.open).toBe(0)
    })
  )
})
