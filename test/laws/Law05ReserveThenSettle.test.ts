/**
 * Law 5: requests and tokens are reserved over every scope before the call, all or nothing, and corrected after it.
 *
 * Random callers of several tenants, keys, models and priorities meet the limits of two providers, of a model, of tenants
 * and of virtual keys, in virtual time. Some leave while they wait or run, some attempts fail. No window of any scope is ever
 * passed, nobody is lost, nothing stays reserved, and whoever is of one tenant, key, priority and model is served in the
 * order of arrival.
 */
import { expect } from "@effect/vitest"
import { Clock, Effect, type Exit, type Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { openAttempt, send } from "../../engine/src/Attempt.ts"
import { makeCall } from "../../engine/src/Call.ts"
import { type EngineError, ProviderServerError, ProviderUnreachable } from "../../engine/src/Errors.ts"
import { RateLimiter } from "../../engine/src/RateLimiter.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { makeRequest } from "../engine/requests.ts"
import { property } from "../support/property.ts"

const windowMs = 10_000

const rates = fc.record({
  requestsPerMinute: fc.option(fc.integer({ min: 12, max: 240 }), { nil: undefined }),
  tokensPerMinute: fc.option(fc.integer({ min: 3000, max: 20_000 }), { nil: undefined }),
  concurrent: fc.integer({ min: 1, max: 6 }),
  windowMs: fc.constant(windowMs)
})

const schedule = fc.record({
  a: rates,
  b: rates,
  /** Of `m1` at `a`. */
  model: rates,
  /** Of `t1`. */
  tenant: rates,
  /** Of each tenant but `t1`. */
  others: fc.option(rates, { nil: undefined }),
  /** Of the keys `k1` and `k2`. */
  keys: fc.record({ k1: rates, k2: rates }),
  maxWaitMs: fc.constantFrom(3000, 20_000, 60_000),
  calls: fc.array(
    fc.record({
      atMs: fc.nat({ max: 20_000 }),
      provider: fc.constantFrom("a", "a", "b"),
      model: fc.constantFrom("m1", "m2"),
      tenant: fc.constantFrom("t1", "t2", "t3"),
      key: fc.constantFrom("k1" as const, "k2" as const, undefined),
      priority: fc.constantFrom(0, 3, 3, 7),
      prompt: fc.nat({ max: 200 }),
      completion: fc.integer({ min: 1, max: 200 }),
      usedShare: fc.double({ min: 0, max: 1, noNaN: true }),
      workMs: fc.nat({ max: 1500 }),
      leavesAfterMs: fc.option(fc.nat({ max: 5000 }), { nil: undefined, freq: 4 }),
      fate: fc.constantFrom("answers", "answers", "answers", "fails", "unreachable", "dies")
    }),
    { minLength: 30, maxLength: 90 }
  )
})

type Plan = typeof schedule extends fc.Arbitrary<infer T> ? T : never
type Planned = Plan["calls"][number]

/** One attempt that was let through. */
interface Sent {
  readonly planned: Planned
  readonly number: number
  readonly atMs: number
  endedAtMs: number
  requests: number
  tokens: number
}

const limiterOf = (plan: Plan) =>
  RateLimiter.layer({
    providers: [
      { name: "a", maxTokens: undefined, rateLimits: plan.a, modelLimits: { m1: plan.model } },
      { name: "b", maxTokens: undefined, rateLimits: plan.b }
    ],
    tenants: {
      listed: { t1: { weight: 2, rateLimits: plan.tenant } },
      others: { weight: 1, rateLimits: plan.others }
    },
    queue: { maxWaiting: 40, maxWaitMs: plan.maxWaitMs }
  })

const attempt = Effect.fnUntraced(function* (plan: Plan, planned: Planned, number: number, log: Array<Sent>) {
  const limiter = yield* RateLimiter
  const { completion, key: keyId, model, priority, prompt, provider, tenant } = planned
  const key = keyId && { keyId, name: keyId, tenant, rateLimits: plan.keys[keyId] }
  const call = makeCall(makeRequest({ maxTokens: completion, priority, tenant, key }), yield* Clock.Clock)
  call.journal.promptTokens = prompt
  const target = { provider, model }
  const output = Math.round(planned.usedShare * completion)
  const answer = completionOf(model, "x", { uncachedInput: prompt, output })
  const ended: { readonly [F in Planned["fate"]]: Effect.Effect<Reply.Reply, EngineError> } = {
    answers: Effect.succeed(Reply.whole(answer)),
    fails: Effect.fail(new ProviderServerError({ ...target, detail: "" })),
    unreachable: Effect.fail(new ProviderUnreachable({ ...target, detail: "" })),
    dies: Effect.die(new Error("a bug"))
  }
  const open = limiter.stage(
    send((inner) => {
      const nowMs = () => inner.clock.currentTimeMillisUnsafe()
      const sent: Sent = { planned, number, atMs: nowMs(), endedAtMs: Number.POSITIVE_INFINITY, requests: 1, tokens: 0 }
      log.push(sent)
      inner.settlement.add((outcome) => {
        sent.endedAtMs = nowMs()
        if (outcome._tag === "Failure" && outcome.error._tag === "ProviderUnreachable") sent.requests = 0
        if (outcome._tag === "Success") sent.tokens = prompt + output
      })
      return Effect.andThen(Effect.sleep(planned.workMs), ended[planned.fate])
    })
  )
  yield* Effect.scoped(openAttempt(call, target, open))
  yield* call.settlement.run({ _tag: "Success", completion: answer })
})

/** The most that any window holds of what was sent. */
const fullestWindow = (log: ReadonlyArray<Sent>, of: (sent: Sent) => number): number => {
  let most = 0
  let sum = 0
  let oldest = 0
  for (const sent of log) {
    sum += of(sent)
    while (log[oldest]!.atMs <= sent.atMs - windowMs) sum -= of(log[oldest++]!)
    most = Math.max(most, sum)
  }
  return most
}

const mostAtOnce = (log: ReadonlyArray<Sent>): number => {
  const changes = log.flatMap(({ atMs, endedAtMs }) => [
    { atMs, change: 1 },
    { atMs: endedAtMs, change: -1 }
  ])
  let most = 0
  let running = 0
  for (const { change } of changes.toSorted((x, y) => x.atMs - y.atMs || x.change - y.change)) {
    running += change
    most = Math.max(most, running)
  }
  return most
}

/** The hard bound of a window; a rate of less than one in a window gets a longer window, checked in its own tests. */
const bound = (perMinute: number | undefined): number =>
  perMinute === undefined ? Number.POSITIVE_INFINITY : Math.max(1, (perMinute * windowMs) / 60_000)

property(
  "never passes a limit in any window of any scope, loses nobody and leaves nothing reserved",
  schedule,
  (plan) =>
    Effect.gen(function* () {
      const log: Array<Sent> = []
      const fibers: Array<Fiber.Fiber<Exit.Exit<unknown, unknown>>> = []
      for (const [number, planned] of plan.calls.toSorted((x, y) => x.atMs - y.atMs).entries()) {
        const ask = attempt(plan, planned, number, log)
        const within = planned.leavesAfterMs === undefined ? ask : Effect.timeoutOption(ask, planned.leavesAfterMs)
        fibers.push(yield* Effect.forkChild(Effect.exit(Effect.andThen(Effect.sleep(planned.atMs), within))))
      }
      yield* TestClock.adjust("5 minutes")
      for (const fiber of fibers) expect(fiber.pollUnsafe(), "somebody waits for ever").toBeDefined()

      const scopes = [
        { limits: plan.a, of: ({ planned }: Sent) => planned.provider === "a" },
        { limits: plan.b, of: ({ planned }: Sent) => planned.provider === "b" },
        { limits: plan.model, of: ({ planned }: Sent) => planned.provider === "a" && planned.model === "m1" }
      ]
      for (const { limits, of } of scopes) {
        const sent = log.filter(of)
        expect(mostAtOnce(sent)).toBeLessThanOrEqual(limits.concurrent)
        expect(fullestWindow(sent, ({ requests }) => requests)).toBeLessThanOrEqual(bound(limits.requestsPerMinute))
        expect(fullestWindow(sent, ({ tokens }) => tokens)).toBeLessThanOrEqual(bound(limits.tokensPerMinute))
      }
      const own = [
        ...["t1", "t2", "t3"].map((tenant) => ({
          limits: tenant === "t1" ? plan.tenant : plan.others,
          of: ({ planned }: Sent) => planned.tenant === tenant
        })),
        ...(["k1", "k2"] as const).map((key) => ({
          limits: plan.keys[key],
          of: ({ planned }: Sent) => planned.key === key
        }))
      ]
      for (const { limits, of } of own) {
        if (limits === undefined) continue
        const sent = log.filter(of)
        expect(mostAtOnce(sent)).toBeLessThanOrEqual(limits.concurrent)
        // An attempt that failed before its first part gives its request back: another one may do the call.
        const answered = sent.filter(({ tokens }) => tokens > 0)
        expect(fullestWindow(answered, () => 1)).toBeLessThanOrEqual(bound(limits.requestsPerMinute))
        expect(fullestWindow(sent, ({ tokens }) => tokens)).toBeLessThanOrEqual(bound(limits.tokensPerMinute))
      }

      const flows = Object.groupBy(log, ({ planned: { key, model, priority, provider, tenant } }) =>
        [provider, provider === "a" && model, tenant, key, priority].join(" ")
      )
      for (const served of Object.values(flows)) {
        const numbers = served!.map(({ number }) => number)
        expect(numbers, "first come, first served").toEqual(numbers.toSorted((x, y) => x - y))
      }

      const limiter = yield* RateLimiter
      const nowMs = yield* Clock.currentTimeMillis
      for (const provider of ["a", "b"]) {
        const status = limiter.status(provider, nowMs)!
        expect(status).toMatchObject({ active: 0, queued: 0 })
        for (const { active } of status.models) expect(active).toBe(0)
      }
      const keys = ["k1", "k2"].flatMap((key) => limiter.key(key, nowMs) ?? [])
      for (const { active, limits } of [...limiter.tenants(nowMs, 10), ...keys]) {
        expect(active).toBe(0)
        expect(limits.concurrent.available).toBe(limits.concurrent.configured)
      }
    }).pipe(Effect.provide(limiterOf(plan))),
  { runs: 1000, timeout: 240_000 }
)
