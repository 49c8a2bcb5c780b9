/**
 * Law 5 for money: what a call may cost is reserved over all budgets that count it, all or nothing, and replaced by the true
 * cost after it.
 *
 * Random callers of several tenants and models meet the budgets of two instances over one store, in virtual time. Some leave,
 * some attempts fail or break off in the middle. No account ever passes its limit, nothing stays reserved, and what is spent
 * is the sum of what calls did cost, to the picodollar.
 */
import { assert, expect, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import fc from "fast-check"
import { describe } from "vitest"
import type { Budget } from "../../engine/src/Budget.ts"
import { PeriodClock } from "../../engine/src/BudgetPeriod.ts"
import { BudgetExceeded, type EngineError, ProviderServerError, StreamTruncated } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { BudgetTable, make as makeMemory } from "../../engine/src/stores/BudgetMemory.ts"
import { completionOf } from "../../engine/src/testing.ts"
import { answerOf, attempt, budgetOf, instance, type Planned, usdOf } from "../support/budgets.ts"
import { property } from "../support/property.ts"

const schedule = fc.record({
  globalUsd: fc.integer({ min: 1, max: 40 }),
  tenantTokens: fc.integer({ min: 200, max: 8000 }),
  modelUsd: fc.integer({ min: 1, max: 10 }),
  minuteUsd: fc.integer({ min: 1, max: 6 }),
  calls: fc.array(
    fc.record({
      atMs: fc.nat({ max: 150_000 }),
      instance: fc.nat({ max: 1 }),
      model: fc.constantFrom("m1", "m2"),
      tenant: fc.constantFrom("t1", "t2", "t3"),
      prompt: fc.integer({ min: 1, max: 300 }),
      maxTokens: fc.integer({ min: 1, max: 300 }),
      promptShare: fc.double({ min: 0, max: 1, noNaN: true }),
      outputShare: fc.double({ min: 0, max: 1, noNaN: true }),
      workMs: fc.nat({ max: 20_000 }),
      leavesAfterMs: fc.option(fc.nat({ max: 20_000 }), { nil: undefined, freq: 4 }),
      fate: fc.constantFrom("answers", "answers", "answers", "fails", "breaks off", "dies")
    }),
    { minLength: 10, maxLength: 80 }
  )
})

type Call = (typeof schedule extends fc.Arbitrary<infer T> ? T : never)["calls"][number]

/** What one call was charged with, and when. */
interface Charge {
  readonly call: Call
  readonly atMs: number
  usd: number
  tokens: number
  over: boolean
}

const plannedOf = (call: Call, charges: Array<Charge>): Planned => {
  const used = {
    prompt: Math.round(call.prompt * call.promptShare),
    output: Math.round(call.maxTokens * call.outputShare)
  }
  const target = { provider: "p", model: call.model }
  const planned: Planned = { ...call, used, target, request: { tenant: call.tenant } }
  return {
    ...planned,
    work: (inner) => {
      const charge: Charge = { call, atMs: inner.clock.currentTimeMillisUnsafe(), usd: 0, tokens: 0, over: false }
      charges.push(charge)
      const spend = (output: number) => {
        charge.usd = usdOf({ uncachedInput: used.prompt, cacheWriteInput: 0, output })
        charge.tokens = used.prompt + output
      }
      inner.settlement.add((outcome) => {
        charge.over = true
        if (outcome._tag === "Success") spend(used.output)
        else if (outcome.partial !== undefined) spend(outcome.partial.usage.output)
        else if (outcome._tag === "Cancelled") spend(0)
      })
      const failure = { ...target, detail: "" }
      const answers: Effect.Effect<Reply.Reply, EngineError> = Effect.succeed(Reply.whole(answerOf(planned)))
      const ended = {
        answers,
        fails: Effect.fail(new ProviderServerError(failure)),
        dies: Effect.die(new Error("a bug")),
        // What had come is billed, though the attempt failed.
        "breaks off": Effect.suspend(() => {
          const partial = completionOf(call.model, "x", {
            uncachedInput: used.prompt,
            output: Math.floor(used.output / 2)
          })
          const error = new StreamTruncated(failure)
          return Effect.andThen(inner.settlement.run({ _tag: "Failure", error, partial }), Effect.fail(error))
        })
      }
      return Effect.andThen(Effect.sleep(call.workMs), ended[call.fate])
    }
  }
}

const mostOf = ({ maxTokens, prompt }: Call) => ({ usd: (prompt + 2 * maxTokens) / 1000, tokens: prompt + maxTokens })

property(
  "no account passes its limit, nothing stays reserved, and spent is the sum of true costs",
  schedule,
  (plan) =>
    Effect.gen(function* () {
      const budgets = [
        budgetOf({ name: "all", usd: plan.globalUsd }),
        budgetOf({ name: "tenants", scope: "tenant", tokens: plan.tenantTokens }),
        budgetOf({ name: "dear", scope: "model", of: ["*2"], usd: plan.modelUsd }),
        budgetOf({ name: "minute", period: "minute", usd: plan.minuteUsd })
      ]
      const table = new BudgetTable()
      const instances = [yield* instance(table.open, budgets), yield* instance(table.open, budgets)]
      const charges: Array<Charge> = []
      const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
      for (const call of plan.calls.toSorted((x, y) => x.atMs - y.atMs)) {
        const ask = attempt(instances[call.instance]!, plannedOf(call, charges))
        const within = call.leavesAfterMs === undefined ? ask : Effect.timeoutOption(ask, call.leavesAfterMs)
        const started = Effect.andThen(Effect.sleep(call.atMs), Effect.exit(within))
        fibers.push(yield* Effect.forkChild(started))
      }
      yield* TestClock.adjust("5 minutes")
      for (const fiber of fibers) expect(fiber.pollUnsafe(), "somebody waits for ever").toBeDefined()
      for (const { over } of charges) expect(over).toBe(true)

      const sum = (of: (charge: Charge) => number, which: (charge: Charge) => boolean) =>
        charges.filter(which).reduce((total, charge) => total + Math.round(of(charge) * 1000), 0) / 1000
      const usd = ({ usd: spent }: Charge) => spent
      const tokens = (charge: Charge) => charge.tokens
      const dear = ({ call }: Charge) => call.model === "m2"

      expect(sum(usd, () => true)).toBeLessThanOrEqual(plan.globalUsd)
      expect(sum(usd, dear)).toBeLessThanOrEqual(plan.modelUsd)
      const minute = new PeriodClock("minute", "UTC")
      for (const minutes of Object.values(Object.groupBy(charges, ({ atMs }) => minute.at(atMs).startMs))) {
        expect(minutes!.reduce((total, charge) => total + Math.round(charge.usd * 1000), 0)).toBeLessThanOrEqual(
          plan.minuteUsd * 1000
        )
      }

      const page = (yield* instances[1]!.page({}).pipe(Effect.andThen(instances[0]!.page({ limit: 500 })))).items
      const account = (budget: string, of: string | null) =>
        page.find((item) => item.budget === budget && item.of === of) ?? { spent: 0, reserved: 0 }
      for (const { reserved } of page) expect(reserved).toBe(0)
      expect(account("all", null).spent).toBeCloseTo(
        sum(usd, () => true),
        12
      )
      expect(account("dear", null).spent).toBeCloseTo(sum(usd, dear), 12)
      for (const tenant of ["t1", "t2", "t3"]) {
        const spent = sum(tokens, ({ call }) => call.tenant === tenant)
        expect(spent).toBeLessThanOrEqual(plan.tenantTokens)
        expect(account("tenants", tenant).spent).toBe(spent)
      }

      // Whoever was refused would have passed a limit: one that the call fits into alone was never refused for nothing.
      if (charges.length === 0) {
        for (const call of plan.calls) {
          const most = mostOf(call)
          const fits =
            most.usd <= Math.min(plan.globalUsd, plan.minuteUsd, call.model === "m2" ? plan.modelUsd : Infinity) &&
            most.tokens <= plan.tenantTokens
          expect(fits && (call.leavesAfterMs ?? 1) > 0).toBe(false)
        }
      }
    }),
  { runs: 300, timeout: 120_000 }
)

describe("1,000 calls at once against a budget with room for 100", () => {
  const call: Planned = { prompt: 100, maxTokens: 100, used: { prompt: 100, output: 100 } }
  /** Each takes 0.3 $. */
  const thousand = (budgets: ReadonlyArray<Budget["Service"]>) =>
    Effect.all(
      Array.from({ length: 1000 }, (_, index) =>
        Effect.result(
          attempt(budgets[index % budgets.length]!, {
            ...call,
            work: () => Effect.as(Effect.sleep(1000), Reply.whole(answerOf(call)))
          })
        )
      ),
      { concurrency: "unbounded" }
    )

  it.effect("spends the budget and no more, and every refusal says which, what is left and when it resets", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-11-23T12:00:00Z"))
      const budget = yield* instance(makeMemory, [
        budgetOf({ name: "day", period: "day", timeZone: "Asia/Tokyo", usd: 30 })
      ])
      const running = yield* Effect.forkChild(thousand([budget]))
      yield* TestClock.adjust(1000)
      const results = yield* Fiber.join(running)
      const refusals = results.flatMap((result) => (result._tag === "Failure" ? [result.failure] : []))
      assert.strictEqual(refusals.length, 900)
      for (const error of refusals) {
        assert.instanceOf(error, BudgetExceeded)
        const { budget: name, left, limit, needed, reason, reserved, resetMs, scope, unit } = error as BudgetExceeded
        assert.deepStrictEqual(
          { name, left, limit, needed, reason, reserved, resetMs, scope, unit },
          {
            name: "day",
            left: 30,
            limit: 30,
            needed: 0.3,
            reason: "limit",
            reserved: 30,
            resetMs: 3 * 3_600_000,
            scope: "global",
            unit: "usd"
          }
        )
      }
      const [item] = (yield* budget.page({})).items
      assert.deepInclude(item, { spent: 30, reserved: 0, left: 0, state: "exhausted" })
    })
  )

  it.effect("three instances together spend no more", () =>
    Effect.gen(function* () {
      const table = new BudgetTable()
      const budgets = [budgetOf({ name: "all", usd: 30 })]
      const instances = yield* Effect.all([1, 2, 3].map(() => instance(table.open, budgets)))
      const running = yield* Effect.forkChild(thousand(instances))
      yield* TestClock.adjust(1000)
      const answered = (yield* Fiber.join(running)).filter(({ _tag }) => _tag === "Success").length
      assert.isAtMost(answered, 100)
      assert.isAtLeast(answered, 90)
    })
  )
})
