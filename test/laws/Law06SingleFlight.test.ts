/**
 * Law 6, single flight: identical calls at the same time make one upstream call. Whoever comes, leaves, fails, is late or
 * reads slowly, in whatever order: every caller gets one whole answer, or one error, or a beginning of one answer and an
 * error; every upstream call is told by exactly one of them; and nothing is left behind.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Exit, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { Engine } from "../../engine/src/Engine.ts"
import { ProviderRateLimited, ProviderServerError, RequestRejected } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { SingleFlight } from "../../engine/src/SingleFlight.ts"
import type { AttemptCall } from "../../engine/src/Stage.ts"
import { completionOf } from "../../engine/src/testing.ts"
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
import { caller, type Caller, callers, gist, gists, rowsOf } from "../support/flights.ts"
import { property } from "../support/property.ts"
import { StepScheduler } from "../support/StepScheduler.ts"

const target = { provider: "a", model: "scripted" }
const errors = [
  new ProviderServerError({ ...target, detail: "500" }),
  new ProviderRateLimited({ ...target, detail: "429" }),
  new RequestRejected({ ...target, kind: "invalid_request", detail: "400" })
]

/** How one upstream call goes: the time before each of its parts, and the part instead of which it fails. */
interface Course {
  readonly pausesMs: ReadonlyArray<number>
  readonly failsAt: number | undefined
  readonly error: number
}

interface Visit {
  readonly joinsAtMs: number
  readonly stream: boolean
  readonly leavesAtMs: number | undefined
  readonly timeoutMs: number | undefined
  readonly pauseMs: number | undefined
  readonly refresh: boolean
}

const courses = (failing: boolean): fc.Arbitrary<ReadonlyArray<Course>> =>
  fc.array(
    fc.record({
      pausesMs: fc.array(fc.constantFrom(0, 1, 5, 20), { minLength: 1, maxLength: 6 }),
      failsAt: failing ? fc.option(fc.nat({ max: 4 }), { nil: undefined }) : fc.constant(undefined),
      error: fc.nat({ max: errors.length - 1 })
    }),
    { minLength: 1, maxLength: 4 }
  )

const visits = (leaving: boolean): fc.Arbitrary<ReadonlyArray<Visit>> =>
  fc.array(
    fc.record({
      joinsAtMs: fc.nat({ max: 30 }),
      stream: fc.boolean(),
      leavesAtMs: leaving ? fc.option(fc.nat({ max: 60 }), { nil: undefined }) : fc.constant(undefined),
      timeoutMs: leaving
        ? fc.option(fc.integer({ min: 1, max: 40 }), { nil: undefined, freq: 5 })
        : fc.constant(undefined),
      pauseMs: fc.option(fc.constantFrom(1, 7, 100), { nil: undefined }),
      refresh: fc.integer({ min: 0, max: 9 }).map((n) => n === 0)
    }),
    { minLength: 1, maxLength: 7 }
  )

/** The texts of upstream call number `index`; no two calls say the same. */
const textsOf = (course: Course, index: number): ReadonlyArray<string> =>
  course.pausesMs.map((_, i) => `${index}.${i} `)

const play =
  (script: ReadonlyArray<Course>) =>
  (call: AttemptCall, index: number): Effect.Effect<Reply.Reply, (typeof errors)[number]> => {
    const course = script[index % script.length]!
    const error = errors[course.error]!
    const texts = textsOf(course, index)
    let next = 0
    const step = Effect.suspend(() => Effect.sleep(course.pausesMs[next++] ?? 1))
    if (!call.request.stream) {
      const all = course.pausesMs.reduce((sum, pauseMs) => sum + pauseMs, 0)
      return Effect.andThen(
        Effect.sleep(all),
        course.failsAt === undefined
          ? Effect.succeed(Reply.whole(completionOf("m", texts.join(""))))
          : Effect.fail(error)
      )
    }
    if (course.failsAt === 0) return Effect.andThen(step, Effect.fail(error))
    const steps = [...texts.map(text), finish()]
    return Effect.succeed(
      Reply.parts(paced(course.failsAt === undefined ? steps : [...steps.slice(0, course.failsAt), error], step))
    )
  }

const joined = (parts: ReadonlyArray<Reply.Part>): string =>
  parts.map((part) => (part.type === "text" ? part.text : "")).join("")

/** Plays all visits to their end; gives the callers in order of their visits. */
const meet = Effect.fnUntraced(function* (all: ReadonlyArray<Visit>) {
  const present: Array<Caller> = Array(all.length)
  const fibers = yield* Effect.forEach(all, (visit, i) =>
    Effect.forkChild(
      Effect.gen(function* () {
        yield* Effect.sleep(visit.joinsAtMs)
        const one = yield* caller({
          stream: visit.stream,
          ...(visit.refresh ? { cache: { mode: "refresh" } } : {}),
          ...(visit.timeoutMs === undefined ? {} : { timeout: visit.timeoutMs }),
          ...(visit.pauseMs === undefined ? {} : { pauseMs: visit.pauseMs })
        })
        present[i] = one
        if (visit.leavesAtMs !== undefined) {
          yield* Effect.sleep(visit.leavesAtMs)
          yield* Fiber.interrupt(one.fiber)
        }
        return yield* Fiber.await(one.fiber)
      })
    )
  )
  yield* TestClock.adjust(20_000)
  const exits = yield* Effect.forEach(fibers, Fiber.join)
  return { present, exits }
})

const check = Effect.fnUntraced(function* (
  script: ReadonlyArray<Course>,
  all: ReadonlyArray<Visit>,
  connections: Connections,
  { exits, present }: Effect.Success<ReturnType<typeof meet>>
) {
  const whole = Array.from({ length: connections.opened }, (_, i) => textsOf(script[i % script.length]!, i).join(""))
  for (const [i, exit] of exits.entries()) {
    const { call, parts } = present[i]!
    const seen = joined(parts)
    if (Exit.isSuccess(exit)) {
      // One answer, of one upstream call, complete, and the same whole and streamed.
      expect(whole).toContain(Reply.textOf(exit.value))
      if (call.request.stream) expect(seen).toBe(Reply.textOf(exit.value))
    } else {
      expect(whole.some((answer) => answer.startsWith(seen))).toBe(true)
      // After a 429 the limiter may refuse the next call.
      const kinds = ["interrupted", "DeadlineExceeded", "RateLimitExceeded", ...errors.map(({ _tag }) => _tag)]
      expect(kinds).toContain(gist(exit))
    }
  }
  // Nothing is left behind.
  expect(connections.open).toBe(0)
  const now = yield* status
  expect(now.providers.map(({ active, queued }) => [active, queued])).toEqual([[0, 0]])
  expect((yield* SingleFlight).stats().flights).toBe(0)
  // Everybody is settled once, and each upstream call is told by exactly one of them.
  expect(now.totals.requests).toBe(all.length)
  expect((yield* (yield* UsageLog).requests({ limit: 100 })).items.length).toBe(all.length)
  const rows = yield* rowsOf(present)
  expect(rows.reduce((sum, { attempts }) => sum + attempts, 0)).toBe(connections.opened)
  expect(rows.every(({ attempts, cache }) => attempts <= (cache === "miss" ? 1 : 0))).toBe(true)
  const metrics = yield* samples
  const attempts = [...metrics].reduce((sum, [name, n]) => (name.startsWith("ai_attempts_total{") ? sum + n : sum), 0)
  expect(attempts).toBe(connections.opened)
  expect(now.cache.coalesced).toBe(rows.filter(({ cache }) => cache === "coalesced").length)
  for (const row of rows.filter(({ cache }) => cache === "coalesced")) {
    expect([row.costUsd, row.promptTokens, row.completionTokens]).toEqual([0, 0, 0])
  }
  return rows
})

const engineOf = (connections: Connections, script: ReadonlyArray<Course>) =>
  withEngine({
    providers: [connected("a", connections, play(script), { rateLimits: limits({ concurrent: 64 }) })],
    config: { retry: { maxAttempts: 1 }, breaker: { minimumCalls: 1_000_000 } }
  })

describe("identical calls", () => {
  property(
    "that come while one is under way make no other, when nobody fails and nobody asks for a fresh answer",
    fc.tuple(courses(false), visits(false)),
    ([script, all]) => {
      const connections = new Connections()
      const patient = all.map((visit) => ({ ...visit, refresh: false }))
      return Effect.gen(function* () {
        const met = yield* meet(patient)
        expect(met.exits.every(Exit.isSuccess)).toBe(true)
        const rows = yield* check(script, patient, connections, met)
        expect(connections.opened).toBe(1)
        expect(rows.filter(({ cache }) => cache === "miss").length).toBe(1)
      }).pipe(engineOf(connections, script))
    },
    { runs: 50 }
  )

  property(
    "with leaving at any moment: those who stay get the answer that was under way",
    fc.tuple(courses(false), visits(true)),
    ([script, all]) => {
      const connections = new Connections()
      return Effect.gen(function* () {
        const met = yield* meet(all)
        for (const [i, exit] of met.exits.entries()) {
          if (all[i]!.leavesAtMs === undefined && all[i]!.timeoutMs === undefined)
            expect(gist(exit)).not.toBe("interrupted")
          if (Exit.isFailure(exit)) expect(["interrupted", "DeadlineExceeded"]).toContain(gist(exit))
        }
        yield* check(script, all, connections, met)
        if (all.every(({ refresh }) => !refresh)) expect(connections.mostOpen).toBe(1)
      }).pipe(engineOf(connections, script))
    },
    { runs: 90 }
  )

  property(
    "with failures before and after the first part: never more than one call at a time, and never more than callers",
    fc.tuple(courses(true), visits(true)),
    ([script, all]) => {
      const connections = new Connections()
      return Effect.gen(function* () {
        const met = yield* meet(all)
        yield* check(script, all, connections, met)
        expect(connections.opened).toBeLessThanOrEqual(all.length)
        if (all.every(({ refresh }) => !refresh)) expect(connections.mostOpen).toBe(1)
      }).pipe(engineOf(connections, script))
    },
    { runs: 90 }
  )

  it.effect("a thousand at once make one call, whole and streamed", () => {
    const connections = new Connections()
    const course: Course = { pausesMs: [5, 5, 5], failsAt: undefined, error: 0 }
    return Effect.gen(function* () {
      const all = yield* callers(Array.from({ length: 1000 }, (_, i) => ({ stream: i % 3 === 0 })))
      yield* TestClock.adjust(1000)
      expect(new Set(yield* gists(all))).toEqual(new Set(["0.0 0.1 0.2 "]))
      expect(connections.opened).toBe(1)
      expect((yield* status).cache).toMatchObject({ coalesced: 999, misses: 1, entries: 1 })
    }).pipe(engineOf(connections, [course]))
  })

  it.effect("a thousand at once on a bad day make two calls", () => {
    const connections = new Connections()
    const course: Course = { pausesMs: [5], failsAt: 0, error: 0 }
    return Effect.gen(function* () {
      const all = yield* callers(Array.from({ length: 1000 }, () => ({})))
      yield* TestClock.adjust(1000)
      expect(new Set(yield* gists(all))).toEqual(new Set(["ProviderServerError"]))
      expect(connections.opened).toBe(2)
    }).pipe(engineOf(connections, [course]))
  })
})

describe("interruption between any two operations", () => {
  const cases = [
    { name: "two whole answers", streams: [false, false], kind: "ok" },
    { name: "two streams", streams: [true, true], kind: "ok" },
    { name: "a stream and a whole answer", streams: [true, false], kind: "ok" },
    { name: "a whole answer and a stream", streams: [false, true], kind: "ok" },
    { name: "a leader that fails", streams: [true, false], kind: "fails first" },
    { name: "a stream that breaks", streams: [true, true], kind: "breaks" }
  ] as const
  const answer = (kind: (typeof cases)[number]["kind"]) => (call: AttemptCall, index: number) => {
    if (kind === "fails first" && index % 2 === 0) return Effect.andThen(Effect.yieldNow, Effect.fail(errors[0]!))
    if (kind === "breaks") return Effect.succeed(Reply.parts(paced([text("one "), errors[0]!])))
    return call.request.stream
      ? Effect.succeed(Reply.parts(paced([text("one "), text("two"), finish()])))
      : Effect.as(Effect.yieldNow, Reply.whole(completionOf("m", "one two")))
  }
  for (const { kind, name, streams } of cases) {
    for (const leaving of [[0], [1], [0, 1]]) {
      it.live(
        `leaves nothing behind and harms nobody else: ${name}, ${leaving.length === 2 ? "both leave" : leaving[0] === 0 ? "the first leaves" : "the second leaves"}`,
        () => {
          const connections = new Connections()
          const providers = [connected("a", connections, answer(kind), { rateLimits: limits({ concurrent: 2 }) })]
          return Effect.gen(function* () {
            const engine = yield* Engine
            const context = yield* Effect.context<never>()
            let interruptedAt = 0
            for (let finished = false; !finished; interruptedAt++) {
              const scheduler = new StepScheduler()
              const before = connections.opened
              const settled = streams.map(() => 0)
              const calls = yield* Effect.forEach(streams, (stream) =>
                Effect.flatMap(requestOf({ prompt: `prompt ${interruptedAt}`, stream }), engine.call)
              )
              const fibers = calls.map((call, i) => {
                call.settlement.add(() => void settled[i]!++)
                return Effect.runForkWith(context)(Effect.scoped(Effect.flatMap(engine.open(call), readAll)), {
                  scheduler
                })
              })
              for (let steps = 0; steps < interruptedAt && scheduler.step(); steps++);
              finished = fibers.every((fiber) => fiber.pollUnsafe() !== undefined)
              const shared = calls[1]!.journal.cache === "coalesced"
              for (const i of leaving) fibers[i]!.interruptUnsafe()
              scheduler.run()
              const where = `interrupted at step ${interruptedAt}`
              const exits = fibers.map((fiber) => fiber.pollUnsafe())
              expect(
                exits.every((exit) => exit !== undefined),
                where
              ).toBe(true)
              expect(connections.open, where).toBe(0)
              expect((yield* status).providers[0], where).toMatchObject({ active: 0, queued: 0 })
              expect((yield* SingleFlight).stats().flights, where).toBe(0)
              for (const [i, call] of calls.entries()) {
                if (call.journal.candidates.length > 0) expect(settled[i], where).toBe(1)
              }
              const opened = connections.opened - before
              const told = calls.flatMap((call) => call.journal.attempts)
              expect(new Set(told).size, where).toBe(told.length)
              expect(told.length, where).toBeGreaterThanOrEqual(opened)
              expect(connections.mostOpen, where).toBeLessThanOrEqual(1)
              if (kind === "ok") {
                for (const i of [0, 1]) if (!leaving.includes(i)) expect(Exit.isSuccess(exits[i]!), where).toBe(true)
                if (shared && leaving.length === 1) expect(opened, where).toBe(1)
                if (shared) expect(opened, where).toBeLessThanOrEqual(1)
              }
            }
            expect(interruptedAt).toBeGreaterThan(10)
          }).pipe(
            Effect.provide(
              engineLayer({ providers, config: { retry: { maxAttempts: 1 }, breaker: { minimumCalls: 1_000_000 } } })
            )
          )
        }
      )
    }
  }
})
