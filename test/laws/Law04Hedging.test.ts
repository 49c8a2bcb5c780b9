/**
 * Laws 3 and 4 with hedging on, whatever providers do: one answer, by one provider; nothing is asked after its first part; no
 * more attempts than the budget, second attempts included; and no load that a bad day can multiply.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Fiber, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { type Call, upstreamAttempts } from "../../engine/src/Call.ts"
import { Engine } from "../../engine/src/Engine.ts"
import { type EngineError, ProviderRateLimited, ProviderServerError, RequestRejected } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import {
  connected,
  Connections,
  finish,
  paced,
  requestOf,
  samples,
  status,
  text,
  withEngine
} from "../support/engine.ts"
import { property } from "../support/property.ts"

interface Turn {
  readonly fate: "answers" | "fails" | "limited" | "rejects" | "breaks" | "never"
  readonly afterMs: number
}

const at = (provider: string) => ({ provider, model: "scripted", detail: "" })

const errorOf = (provider: string, { afterMs, fate }: Turn): EngineError =>
  fate === "limited"
    ? new ProviderRateLimited({ ...at(provider), retryAfterMs: afterMs * 10 })
    : fate === "rejects"
      ? new RequestRejected({ ...at(provider), kind: "invalid_request" })
      : new ProviderServerError(at(provider))

/** Answers its usual way while others learn from it, then turn by turn; the last one stays. */
const provider = (name: string, connections: Connections, turns: ReadonlyArray<Turn>) => {
  let next = 0
  return connected(
    name,
    connections,
    (call) => {
      if (call.request.metadata?.["warm"] === true) {
        return Effect.as(Effect.sleep(100), Reply.parts(paced([text(name), finish()])))
      }
      const turn = turns[Math.min(next++, turns.length - 1)]!
      const { afterMs, fate } = turn
      if (fate === "never") return Effect.never
      if (fate !== "answers" && fate !== "breaks") {
        return Effect.andThen(Effect.sleep(afterMs), Effect.fail(errorOf(name, turn)))
      }
      const tail = fate === "breaks" ? [new ProviderServerError(at(name))] : [text(name), finish()]
      return Effect.as(Effect.sleep(afterMs), Reply.parts(paced([text(name), ...tail], Effect.sleep(200))))
    },
    { timeoutMs: 3000 }
  )
}

const turn: fc.Arbitrary<Turn> = fc.record({
  fate: fc.oneof(
    { weight: 4, arbitrary: fc.constant("answers" as const) },
    { weight: 4, arbitrary: fc.constantFrom("fails" as const, "limited" as const) },
    { weight: 2, arbitrary: fc.constantFrom("never" as const, "breaks" as const, "rejects" as const) }
  ),
  afterMs: fc.oneof(fc.nat({ max: 99 }), fc.constantFrom(100, 101), fc.nat({ max: 4000 }))
})

const fresh = { model: "chain", cache: { mode: "bypass" } } as const

const warmUp = Effect.gen(function* () {
  for (let i = 0; i < 33; i++) {
    const fiber = yield* Effect.forkChild(
      Stream.runDrain(Engine.streamText({ prompt: "x", ...fresh, metadata: { warm: true } }))
    )
    yield* TestClock.adjust(100)
    yield* Fiber.join(fiber)
  }
})

/** Everything that a reader got, and the call's journal. */
const read = Effect.fnUntraced(function* () {
  const engine = yield* Engine
  const call = yield* engine.call({ ...(yield* requestOf({ prompt: "x", ...fresh })), stream: true })
  const parts: Array<Reply.Part> = []
  const reading = Effect.scoped(
    Effect.flatMap(engine.open(call), (reply) =>
      Stream.runForEach(Reply.stream(reply), (part) => Effect.sync(() => void parts.push(part)))
    )
  )
  const fiber = yield* Effect.forkChild(Effect.result(reading))
  return { call, fiber, parts }
})

const winnersOf = ({ journal }: Call) =>
  journal.attempts.filter(({ firstPartAtMs, lost }) => firstPartAtMs !== undefined && lost === undefined)

describe("with hedging", () => {
  let hedged = 0

  property(
    "there is one answer by one provider, within the attempt budget, and nothing is asked after its first part",
    fc.record({
      scripts: fc.array(fc.array(turn, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 }),
      maxAttempts: fc.integer({ min: 1, max: 5 }),
      leaveMs: fc.option(fc.nat({ max: 5000 }), { nil: undefined, freq: 4 })
    }),
    ({ leaveMs, maxAttempts, scripts }) => {
      const connections = new Connections()
      const providers = scripts.map((turns, index) => provider(`p${index}`, connections, turns))
      return Effect.gen(function* () {
        yield* warmUp
        const before = connections.opened
        connections.mostOpen = 0
        const { call, fiber, parts } = yield* read()
        yield* TestClock.adjust(leaveMs ?? 400_000)
        if (leaveMs !== undefined) yield* Fiber.interrupt(fiber)
        const { attempts } = call.journal

        expect(upstreamAttempts(call.journal)).toBeLessThanOrEqual(Math.max(maxAttempts, providers.length))
        expect(connections.opened - before).toBe(upstreamAttempts(call.journal))
        const hedges = attempts.filter(({ hedge }) => hedge === true).length
        expect(hedges).toBeLessThanOrEqual(1)
        hedged += hedges
        expect(connections.mostOpen).toBeLessThanOrEqual(2)

        const winners = winnersOf(call)
        expect(winners.length).toBeLessThanOrEqual(1)
        const said = new Set(parts.filter((part) => part.type === "text").map((part) => part.text))
        expect(said.size).toBeLessThanOrEqual(1)
        const [winner] = winners
        if (winner !== undefined) {
          expect([...said].every((name) => name === winner.target.provider)).toBe(true)
          for (const other of attempts) {
            expect(other.startedAtMs).toBeLessThanOrEqual(winner.firstPartAtMs!)
            if (other !== winner) expect(other.endedAtMs).toBeLessThanOrEqual(winner.firstPartAtMs!)
          }
        }
        if (leaveMs === undefined) {
          const result = yield* Fiber.join(fiber)
          if (Result.isFailure(result)) expect(result.failure.fault).not.toBe("engine")
          const finished = parts.filter((part) => part.type === "finish").length
          expect(finished).toBe(Result.isSuccess(result) ? 1 : 0)
        }

        // Law 1: all of it is settled.
        for (const attempt of attempts) expect(attempt.endedAtMs).toBeDefined()
        expect(connections.open).toBe(0)
        const now = yield* status
        expect(now.providers.every(({ active, queued }) => active === 0 && queued === 0)).toBe(true)
        expect(now.totals.requests).toBe(34)
      }).pipe(
        withEngine({
          providers,
          config: {
            aliases: { chain: providers.map(({ name }) => `${name}/scripted`) },
            hedge: { enabled: true, maxShare: 1 },
            retry: { maxAttempts, baseDelay: 100, maxDelay: 5000 },
            breaker: { minimumCalls: 1000 }
          }
        })
      )
    },
    { runs: 120, timeout: 120_000 }
  )

  it("has been tried: many of these calls made a second attempt", () => {
    expect(hedged).toBeGreaterThan(20)
  })

  it.effect("second attempts stay within their share of calls on a slow day", () => {
    const connections = new Connections()
    const slow = Array.from({ length: 500 }, (_, i): Turn => ({ fate: "answers", afterMs: i % 8 === 0 ? 900 : 100 }))
    const providers = ["a", "b"].map((name) => provider(name, connections, slow))
    return Effect.gen(function* () {
      yield* warmUp
      const before = connections.opened
      for (let i = 0; i < 20; i++) {
        const reads = yield* Effect.forEach(Array.from({ length: 20 }), () => read())
        yield* TestClock.adjust(5000)
        for (const { fiber } of reads) expect(yield* Fiber.join(fiber)).toMatchObject({ _tag: "Success" })
      }
      const hedges = connections.opened - before - 400
      expect(hedges).toBeLessThanOrEqual(Math.floor(0.05 * 433))
      expect(hedges).toBeGreaterThanOrEqual(10)
      const counted = yield* samples
      const seen = ["a", "b"].flatMap((name) =>
        ["won", "lost"].map((outcome) => counted.get(`ai_hedges_total{provider="${name}",outcome="${outcome}"}`) ?? 0)
      )
      expect(seen.reduce((sum, count) => sum + count, 0)).toBe(hedges)
    }).pipe(
      withEngine({
        providers,
        config: {
          aliases: { chain: ["a/scripted", "b/scripted"] },
          hedge: { enabled: true, afterPercentile: 80, maxShare: 0.05 },
          breaker: { minimumCalls: 1000 }
        }
      })
    )
  })
})

describe("a full outage of one of two providers", () => {
  for (const hedge of [false, true]) {
    it.effect(
      `is invisible to callers and costs at most 1.2 calls for each request (hedging ${hedge ? "on" : "off"})`,
      () => {
        let asked = 0
        const connections = new Connections()
        const down = connected("a", connections, () => {
          asked++
          return Effect.fail(new ProviderServerError(at("a")))
        })
        const up = connected("b", connections, () => {
          asked++
          return Effect.as(Effect.sleep(300), Reply.whole(completionOf("scripted", "fine")))
        })
        return Effect.gen(function* () {
          const fibers: Array<Fiber.Fiber<boolean>> = []
          // Ten virtual minutes, two requests a second.
          for (let i = 0; i < 1200; i++) {
            const call = Engine.generateText({ prompt: "x", ...fresh })
            fibers.push(yield* Effect.forkChild(Effect.map(Effect.result(call), Result.isSuccess)))
            yield* TestClock.adjust(500)
          }
          yield* TestClock.adjust(60_000)
          expect((yield* Fiber.joinAll(fibers)).every(Boolean)).toBe(true)
          expect(asked).toBeLessThanOrEqual(1.2 * 1200)
        }).pipe(
          withEngine({
            providers: [down, up],
            config: { aliases: { chain: ["a/scripted", "b/scripted"] }, hedge: { enabled: hedge, maxShare: 0.05 } }
          })
        )
      }
    )
  }
})
