/**
 * What a call reserves and what it is charged with, who is refused and who goes elsewhere, when warnings come, and what
 * happens while the store is away.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import type { Budget } from "../../engine/src/Budget.ts"
import { type BudgetStore, BudgetStoreUnavailable } from "../../engine/src/BudgetStore.ts"
import { Engine } from "../../engine/src/Engine.ts"
import { BudgetExceeded, ProviderServerError } from "../../engine/src/Errors.ts"
import * as Reply from "../../engine/src/Reply.ts"
import { BudgetTable, make as makeMemory } from "../../engine/src/stores/BudgetMemory.ts"
import { completionOf, scriptedProvider } from "../../engine/src/testing.ts"
import { answerOf, attempt, budgetOf, defaultTarget, instance, type Planned } from "../support/budgets.ts"
import { samples, status, withEngine } from "../support/engine.ts"

/** Costs at most 0.3 $ and takes 200 tokens at most; 0.05 $ and 30 in truth. */
const call: Planned = { prompt: 100, maxTokens: 100, used: { prompt: 10, output: 20 } }

const first = (budget: Budget["Service"]) => Effect.map(budget.page({}), ({ items }) => items[0]!)

const refusalOf = (budget: Budget["Service"], planned: Planned) =>
  Effect.map(Effect.flip(attempt(budget, planned)), (error) => {
    assert.instanceOf(error, BudgetExceeded)
    return error as BudgetExceeded
  })

describe("what is reserved and spent", () => {
  it.effect("the most it can cost while it runs, the true cost when it has ended", () =>
    Effect.gen(function* () {
      const budget = yield* instance(makeMemory, [budgetOf({ name: "all", usd: 1, tokens: 1000 })])
      const running = yield* Effect.forkChild(
        attempt(budget, { ...call, work: () => Effect.as(Effect.sleep(1000), Reply.whole(answerOf(call))) })
      )
      yield* TestClock.adjust(500)
      const during = (yield* budget.page({})).items
      assert.deepInclude(during[0], { unit: "tokens", spent: 0, reserved: 200, left: 1000 })
      assert.deepInclude(during[1], { unit: "usd", spent: 0, reserved: 0.3, left: 1, usedShare: 0.3 })
      yield* TestClock.adjust(500)
      yield* Fiber.join(running)
      const after = (yield* budget.page({})).items
      assert.deepInclude(after[0], { spent: 30, reserved: 0, left: 970 })
      assert.deepInclude(after[1], { spent: 0.05, reserved: 0, left: 0.95 })
    })
  )

  it.effect("nothing for a failure, what has come for a stream that broke off, the prompt for one that was left", () =>
    Effect.gen(function* () {
      const budget = yield* instance(makeMemory, [budgetOf({ name: "all", usd: 1 })])
      const error = new ProviderServerError({ ...defaultTarget, detail: "" })
      yield* Effect.exit(attempt(budget, { ...call, work: () => Effect.fail(error) }))
      assert.deepInclude(yield* first(budget), { spent: 0, reserved: 0 })
      const partial = completionOf("m", "x", { uncachedInput: 10, output: 5, estimated: true })
      const breaks: Planned["work"] = ({ settlement }) =>
        Effect.andThen(settlement.run({ _tag: "Failure", error, partial }), Effect.fail(error))
      yield* Effect.exit(attempt(budget, { ...call, work: breaks }))
      assert.deepInclude(yield* first(budget), { spent: 0.02, reserved: 0 })
      const left = yield* Effect.forkChild(attempt(budget, { ...call, work: () => Effect.never }))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* first(budget), { spent: 0.02, reserved: 0.3 })
      yield* Fiber.interrupt(left)
      assert.deepInclude(yield* first(budget), { spent: 0.03, reserved: 0 })
    })
  )

  it.effect("all or nothing: who is refused by one budget holds nothing of another", () =>
    Effect.gen(function* () {
      const budgets = [budgetOf({ name: "wide", usd: 100 }), budgetOf({ name: "narrow", scope: "model", usd: 0.2 })]
      const budget = yield* instance(makeMemory, budgets)
      assert.deepInclude(yield* refusalOf(budget, call), { budget: "narrow", scope: "model", left: 0.2, needed: 0.3 })
      for (const { reserved, spent } of (yield* budget.page({})).items)
        assert.deepStrictEqual([reserved, spent], [0, 0])
    })
  )

  it.effect("each name has an account of its own, or those that are named share one", () =>
    Effect.gen(function* () {
      const budgets = [
        budgetOf({ name: "each", scope: "tenant", tokens: 1000 }),
        budgetOf({ name: "some", scope: "tenant", of: ["a*", "b"], tokens: 1000 })
      ]
      const budget = yield* instance(makeMemory, budgets)
      for (const tenant of ["a1", "a2", "b", "c"]) yield* attempt(budget, { ...call, request: { tenant } })
      const { items } = yield* budget.page({})
      assert.deepStrictEqual(
        items.map(({ budget: name, of, spent }) => [name, of, spent]),
        [
          ["each", "a1", 30],
          ["each", "a2", 30],
          ["each", "b", 30],
          ["each", "c", 30],
          ["some", null, 90]
        ]
      )
      assert.deepStrictEqual(items.at(-1)?.sharedBy, ["a*", "b"])
      assert.isUndefined(items[0]?.sharedBy)
      assert.deepStrictEqual(
        (yield* budget.page({ budget: "each", of: "b" })).items.map(({ of }) => of),
        ["b"]
      )
      const page = yield* budget.page({ limit: 2 })
      assert.strictEqual(page.items.length, 2)
      const rest = yield* budget.page({ limit: 9, cursor: page.nextCursor! })
      assert.strictEqual(rest.items.length, 3)
      assert.strictEqual(rest.nextCursor, null)
      assert.strictEqual((yield* Effect.flip(budget.page({ cursor: "x" })))._tag, "InvalidBudgetCursor")
    })
  )

  it.effect("budgets of keys come with the call and are told from each other by their key", () =>
    Effect.gen(function* () {
      const budget = yield* instance(makeMemory, [])
      const keyed = (keyId: string, usd: number): Planned => ({
        ...call,
        request: { key: { keyId, name: keyId, tenant: "default", budgets: [{ period: "month", usd }] } }
      })
      yield* attempt(budget, call)
      yield* attempt(budget, keyed("key_a", 1))
      assert.deepInclude(yield* refusalOf(budget, keyed("key_b", 0.1)), {
        budget: "key:month",
        scope: "key",
        limit: 0.1
      })
      const { items } = yield* budget.page({ scope: "key" })
      assert.deepStrictEqual(
        items.map(({ of, period, spent }) => [of, period, spent]),
        [
          ["key_a", "month", 0.05],
          ["key_b", "month", 0]
        ]
      )
      // A key whose budget was raised goes on with what it had spent.
      yield* attempt(budget, keyed("key_b", 2))
      assert.deepInclude((yield* budget.page({ of: "key_b" })).items[0], { limit: 2, spent: 0.05 })
    })
  )

  it.effect("a new period begins with nothing spent, and a call is charged to the one it began in", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-03-28T22:59:00Z"))
      const budget = yield* instance(makeMemory, [
        budgetOf({ name: "day", period: "day", timeZone: "Europe/Berlin", usd: 0.5 })
      ])
      yield* attempt(budget, { ...call, used: { prompt: 100, output: 100 } })
      assert.deepInclude(yield* refusalOf(budget, call), { left: 0.2, resetMs: 60_000, retryAfterMs: 60_000 })
      const over = yield* Effect.forkChild(
        attempt(budget, {
          ...call,
          maxTokens: 40,
          used: { prompt: 100, output: 40 },
          work: () => Effect.as(Effect.sleep(90_000), Reply.whole(answerOf(call)))
        })
      )
      yield* TestClock.adjust(60_000)
      const [item] = (yield* budget.page({})).items
      assert.deepInclude(item ?? { spent: 0 }, { spent: 0 })
      yield* attempt(budget, call)
      yield* TestClock.adjust(60_000)
      yield* Fiber.join(over)
      // The day that clocks go forward has 23 hours.
      assert.deepInclude(yield* first(budget), {
        spent: 0.05,
        reserved: 0,
        startsAt: "2026-03-28T23:00:00.000Z",
        resetsAt: "2026-03-29T22:00:00.000Z"
      })
    })
  )

  it.effect("a changed configuration holds at once, for what was spent before", () =>
    Effect.gen(function* () {
      let list = [budgetOf({ name: "all", usd: 1, tokens: 1000 })]
      const budget = yield* instance(makeMemory, [], { budgets: () => list })
      yield* attempt(budget, call)
      list = [budgetOf({ name: "all", usd: 0.2 }), budgetOf({ name: "new", scope: "model", usd: 5 })]
      assert.deepInclude(yield* refusalOf(budget, call), { budget: "all", limit: 0.2, left: 0.15 })
      list = [budgetOf({ name: "new", scope: "model", usd: 5 })]
      yield* attempt(budget, call)
      assert.deepStrictEqual(
        (yield* budget.page({})).items.map(({ budget: name, spent, unit }) => [name, unit, spent]),
        [["new", "usd", 0.05]]
      )
    })
  )

  it.effect(
    "accounts of more names than are remembered, and of periods that are over, are put away and found again",
    () =>
      Effect.gen(function* () {
        const budgets = [budgetOf({ name: "each", scope: "tenant", tokens: 300 })]
        const table = new BudgetTable()
        const budget = yield* instance(table.open, budgets)
        const names = Array.from({ length: 12_000 }, (_, i) => `t${i}`)
        for (const tenant of names) yield* attempt(budget, { ...call, request: { tenant } })
        yield* TestClock.adjust("10 minutes")
        yield* attempt(budget, { ...call, request: { tenant: "t1" } })
        yield* TestClock.adjust("10 minutes")
        assert.isBelow(budget.overview(0)!.accounts, 10_001)
        for (const tenant of ["t0", "t11999"]) {
          assert.deepInclude((yield* budget.page({ of: tenant })).items[0], { spent: 30, reserved: 0 })
        }
        assert.deepInclude((yield* budget.page({ of: "t1" })).items[0], { spent: 60, reserved: 0 })
      })
  )

  it.effect("expected: what calls of the model mostly take, learned from their answers", () =>
    Effect.gen(function* () {
      const budget = yield* instance(makeMemory, [budgetOf({ name: "all", usd: 3, reserve: "expected" })])
      const long: Planned = { ...call, maxTokens: 100_000, used: { prompt: 10, output: 20 } }
      const bound = yield* instance(makeMemory, [budgetOf({ name: "all", usd: 3 })])
      assert.deepInclude(yield* refusalOf(bound, long), { needed: 200.1 })
      for (let i = 0; i < 10; i++) yield* attempt(budget, long)
      const running = yield* Effect.forkChild(attempt(budget, { ...long, work: () => Effect.never }))
      yield* TestClock.adjust(1)
      assert.deepInclude(yield* first(budget), { spent: 0.5, reserved: 0.05 })
      yield* Fiber.interrupt(running)
    })
  )
})

describe("calls without a price", () => {
  const unpriced = { price: () => ({ _tag: "Unpriced", reason: "no table" }) as const }

  it.effect("are refused where there are dollars to count, and told how to mend it", () =>
    Effect.gen(function* () {
      const budget = yield* instance(makeMemory, [budgetOf({ name: "all", usd: 1 })], unpriced)
      const error = yield* refusalOf(budget, call)
      assert.strictEqual(error.reason, "unpriced")
      assert.strictEqual(
        error.message,
        `the budget "all" (global) can't be charged: m at openai has no price (no table); set providers[].pricing of openai, or unpriced: allow for this budget`
      )
    })
  )

  it.effect(
    "go on uncharged where that is allowed, where only tokens are counted, and at providers that cost nothing",
    () =>
      Effect.gen(function* () {
        const allowed = yield* instance(makeMemory, [budgetOf({ name: "all", usd: 1, unpriced: "allow" })], unpriced)
        yield* attempt(allowed, call)
        const tokens = yield* instance(makeMemory, [budgetOf({ name: "all", tokens: 1000 })], unpriced)
        yield* attempt(tokens, call)
        const free = yield* instance(makeMemory, [budgetOf({ name: "all", usd: 1 })], {
          ...unpriced,
          isFree: () => true
        })
        yield* attempt(free, call)
        assert.strictEqual((yield* first(free)).spent, 0)
        assert.strictEqual((yield* first(tokens)).spent, 30)
      })
  )
})

describe("warnings", () => {
  it.effect("come once a period at each share, and are counted", () =>
    Effect.gen(function* () {
      const budgets = [budgetOf({ name: "hour", period: "hour", tokens: 300, warnAt: [0.5, 1] })]
      const budget = yield* instance(makeMemory, budgets)
      const take: Planned = { ...call, prompt: 20, maxTokens: 40, used: { prompt: 20, output: 40 } }
      const counts: Array<number> = []
      for (let i = 0; i < 5; i++) {
        yield* attempt(budget, take)
        counts.push(budget.tallies().warnings.get("hour") ?? 0)
      }
      assert.deepStrictEqual(counts, [0, 0, 1, 1, 2])
      assert.deepInclude(yield* first(budget), { state: "exhausted", passed: [0.5, 1], left: 0 })
      yield* TestClock.adjust("1 hour")
      for (let i = 0; i < 3; i++) yield* attempt(budget, take)
      assert.strictEqual(budget.tallies().warnings.get("hour"), 3)
    })
  )

  it.effect("say by the rate so far when all will be spent", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.parse("2026-06-01T00:00:00Z"))
      const budget = yield* instance(makeMemory, [budgetOf({ name: "day", period: "day", tokens: 60 })])
      yield* TestClock.adjust("6 hours")
      yield* attempt(budget, { ...call, prompt: 20, maxTokens: 10, used: { prompt: 20, output: 10 } })
      assert.strictEqual((yield* first(budget)).exhaustedAt, "2026-06-01T12:00:00.000Z")
      yield* TestClock.adjust("12 hours")
      assert.strictEqual((yield* first(budget)).exhaustedAt, null)
    })
  )
})

describe("while the store is away", () => {
  /** Fails, or does not answer, while it is told to. */
  const flaky = (mode: { now: "works" | "fails" | "stalls" }, table = new BudgetTable()) =>
    Effect.map(table.open, (store): BudgetStore => ({
      ...store,
      exchange: (entries, nowMs) =>
        mode.now === "works"
          ? store.exchange(entries, nowMs)
          : mode.now === "stalls"
            ? Effect.never
            : Effect.fail(new BudgetStoreUnavailable({ detail: "gone" }))
    }))

  for (const away of ["fails", "stalls"] as const) {
    it.effect(`${away}: calls wait shortly once, then go on by what is known, and the budget still holds`, () =>
      Effect.gen(function* () {
        const mode: { now: "works" | "fails" | "stalls" } = { now: "works" }
        const table = new BudgetTable()
        const other = yield* instance(table.open, [budgetOf({ name: "all", usd: 3 })])
        yield* attempt(other, { ...call, used: { prompt: 100, output: 100 } })
        yield* TestClock.adjust(2000)
        const budget = yield* instance(flaky(mode, table), [budgetOf({ name: "all", usd: 3 })])
        yield* attempt(budget, { ...call, used: { prompt: 100, output: 100 } })
        yield* TestClock.adjust(5000)
        mode.now = away
        const many = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 30 }, () =>
              Effect.result(attempt(budget, { ...call, used: { prompt: 100, output: 100 } }))
            ),
            { concurrency: "unbounded" }
          )
        )
        // Another instance spends from it too.
        yield* TestClock.adjust(2000)
        const results = yield* Fiber.join(many)
        // 3 $ are there, 0.6 $ were spent before: 8 more calls of 0.3 $.
        assert.strictEqual(results.filter(Result.isSuccess).length, 8)
        const { store } = yield* Effect.map(TestClock.adjust(0), () => budget.overview(Date.now())!)
        assert.isFalse(store.healthy)
        assert.isAtLeast(store.decidedAlone, 1)
        assert.deepInclude(yield* refusalOf(budget, call), { reason: "limit", left: 0 })
        mode.now = "works"
        yield* TestClock.adjust(20_000)
        if (away === "fails") {
          assert.isTrue(budget.overview(0)?.store.healthy)
          yield* TestClock.adjust(2000)
          assert.deepInclude(yield* first(other), { spent: 3, reserved: 0 })
        }
      })
    )
  }

  it.effect(
    "slow to answer for the first time: calls wait longer, since nothing is known of what others have spent",
    () =>
      Effect.gen(function* () {
        const table = new BudgetTable()
        const budgets = [budgetOf({ name: "all", usd: 3 })]
        const full: Planned = { ...call, used: { prompt: 100, output: 100 } }
        const other = yield* instance(table.open, budgets)
        for (let i = 0; i < 9; i++) yield* attempt(other, full)
        yield* TestClock.adjust(5000)
        const slow = Effect.map(table.open, (store): BudgetStore => ({
          ...store,
          exchange: (entries, nowMs) => Effect.delay(store.exchange(entries, nowMs), 1500)
        }))
        const late = yield* instance(slow, budgets)
        const many = (width: number) =>
          Effect.forkChild(
            Effect.all(
              Array.from({ length: width }, () => Effect.result(attempt(late, full))),
              { concurrency: "unbounded" }
            )
          )
        const first = yield* many(20)
        yield* TestClock.adjust(500)
        const second = yield* many(20)
        yield* TestClock.adjust(4000)
        const results = [...(yield* Fiber.join(first)), ...(yield* Fiber.join(second))]
        assert.strictEqual(results.filter(Result.isSuccess).length, 1, "2.7 $ were spent: one more call of 0.3 $")
        assert.strictEqual(late.overview(0)!.store.decidedAlone, 0)
      })
  )

  it.effect("silent from the start: calls wait for it once, and those that come later don't", () =>
    Effect.gen(function* () {
      const budget = yield* instance(flaky({ now: "stalls" }), [budgetOf({ name: "all", usd: 3 })])
      const waiting = yield* Effect.forkChild(attempt(budget, call))
      yield* TestClock.adjust(1999)
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust(1)
      yield* Fiber.join(waiting)
      yield* attempt(budget, call)
      assert.strictEqual(budget.overview(0)!.store.decidedAlone, 2)
    })
  )

  it.effect("an instance that was taken for dead goes on, counts nothing twice and passes nothing", () =>
    Effect.gen(function* () {
      const table = new BudgetTable()
      const budgets = [budgetOf({ name: "all", usd: 6 })]
      const silent = yield* instance(table.open, budgets)
      const other = yield* instance(table.open, budgets)
      const full: Planned = { ...call, used: { prompt: 100, output: 100 } }
      for (let i = 0; i < 3; i++) yield* attempt(silent, full)
      const running = yield* Effect.forkChild(
        attempt(silent, { ...full, work: () => Effect.as(Effect.sleep(10_000), Reply.whole(answerOf(full))) })
      )
      yield* TestClock.adjust(1)
      table.bury("owner-1")
      const held = (yield* first(other)).spent
      assert.isTrue(held >= 1.2 && held <= 3, "what it held counts as spent")
      yield* TestClock.adjust(10_000)
      yield* Fiber.join(running)
      let answered = 4
      for (const budget of [silent, other]) {
        const results = yield* Effect.all(Array.from({ length: 30 }, () => Effect.result(attempt(budget, full))))
        answered += results.filter(Result.isSuccess).length
        yield* TestClock.adjust(3000)
      }
      assert.isTrue(answered * 0.3 <= 6, "all that was spent in truth is within the limit")
      assert.isTrue(answered * 0.3 + held - 1.2 > 6 - 0.6, "and what was not is what it had held")
      yield* first(silent)
      const { reserved, spent } = yield* first(other)
      assert.isTrue(spent <= 6 && spent >= answered * 0.3 && reserved === 0)
    })
  )

  it.effect("refuse: only what is held already is spent", () =>
    Effect.gen(function* () {
      const mode: { now: "works" | "fails" | "stalls" } = { now: "fails" }
      const budget = yield* instance(flaky(mode), [budgetOf({ name: "all", usd: 3, onStoreFailure: "refuse" })])
      const error = yield* refusalOf(budget, call)
      assert.strictEqual(error.reason, "store")
      assert.include(error.message, "its database can't be asked for more now")
      mode.now = "works"
      yield* TestClock.adjust(1000)
      yield* attempt(budget, call)
    })
  )
})

describe("in the engine", () => {
  const pricing = { input: 1_000_000, output: 1_000_000 }
  const provider = (name: string, more: object = {}) =>
    scriptedProvider(name, () => completionOf("m", "one two", { uncachedInput: 3, output: 2 }), {
      kind: "openai-compatible",
      model: "m",
      models: ["m"],
      ...more
    })
  const configured = (name: string) => ({
    name,
    kind: "openai-compatible" as const,
    baseUrl: "http://127.0.0.1:9",
    model: "m",
    models: ["m"],
    pricing
  })

  it.effect("a budget of one provider sends calls to the next; one of all ends them, and neither is tried again", () =>
    Effect.gen(function* () {
      const one = provider("one")
      const two = provider("two")
      const ask = Engine.generateText({ prompt: "hi", model: "both", maxTokens: 5, cache: { mode: "bypass" } })
      yield* Effect.gen(function* () {
        const answered = yield* ask
        assert.deepStrictEqual([answered.provider, answered.cost], ["two", 5])
        const error = yield* Effect.flip(Effect.forever(ask))
        assert.deepInclude(error, { _tag: "BudgetExceeded", budget: "all", scope: "global" })
        const answers = two.calls.length
        assert.strictEqual(one.calls.length, 0)
        assert.isTrue(answers > 2 && answers * 5 <= 60)
        const seen = yield* samples
        assert.strictEqual(seen.get('ai_budget_refusals_total{budget="one",unit="usd"}'), answers + 1)
        assert.strictEqual(seen.get('ai_budget_refusals_total{budget="all",unit="usd"}'), 1)
        assert.strictEqual(seen.get('ai_budget_used_ratio{budget="all",scope="global"}'), (answers * 5) / 60)
        const { budgets } = yield* status
        assert.deepInclude(
          budgets?.items.find(({ budget }) => budget === "all"),
          { spent: answers * 5, reserved: 0 }
        )
      }).pipe(
        withEngine({
          providers: [one, two],
          config: {
            providers: [configured("one"), configured("two")],
            aliases: { both: ["one/m", "two/m"] },
            budgets: [
              { name: "one", scope: "provider", of: "one", period: "total", usd: 1 },
              { name: "all", scope: "global", period: "total", usd: 60 }
            ]
          }
        })
      )
    })
  )

  it.effect("hits and followers of a flight reserve and cost nothing", () =>
    Effect.gen(function* () {
      const slow = scriptedProvider(
        "slow",
        () => Effect.as(Effect.sleep(1000), Reply.whole(completionOf("m", "x", { uncachedInput: 3, output: 2 }))),
        { kind: "openai-compatible", model: "m" }
      )
      yield* Effect.gen(function* () {
        const ask = Engine.generateText({ prompt: "hi", maxTokens: 5 })
        const three = yield* Effect.forkChild(Effect.all([ask, ask, ask], { concurrency: "unbounded" }))
        yield* TestClock.adjust(1000)
        yield* Fiber.join(three)
        assert.strictEqual((yield* ask).cacheKind, "exact")
        assert.strictEqual(slow.calls.length, 1)
        const { budgets } = yield* status
        assert.deepInclude(budgets?.items[0], { spent: 5, reserved: 0, limit: 40 })
      }).pipe(
        withEngine({
          providers: [slow],
          config: {
            providers: [{ ...configured("slow"), pricing: { input: 1_000_000, output: 1_000_000 } }],
            budgets: [{ name: "all", scope: "global", period: "total", usd: 40 }]
          }
        })
      )
    })
  )

  it.effect("the simulated provider costs nothing and is held by no budget of dollars", () =>
    Effect.gen(function* () {
      const answered = yield* Effect.forkChild(Engine.generateText({ prompt: "hi" }))
      yield* TestClock.adjust("10 minutes")
      yield* Fiber.join(answered)
      assert.deepInclude((yield* status).budgets?.items[0], { spent: 0, reserved: 0 })
    }).pipe(
      Effect.provide(
        Engine.layer({
          providers: [{ name: "simulated" }],
          logging: { level: "none" },
          budgets: [{ name: "all", scope: "global", period: "total", usd: 0.000_001 }]
        })
      )
    )
  )

  it.effect("embeddings count", () =>
    Effect.gen(function* () {
      yield* Engine.embed({ input: ["one", "two"] })
      const { budgets } = yield* status
      assert.deepInclude(budgets?.items[0], { unit: "tokens", reserved: 0 })
      assert.isAbove(budgets!.items[0]!.spent, 0)
    }).pipe(
      withEngine({
        providers: [provider("one", { models: undefined })],
        config: {
          providers: [{ ...configured("one"), models: undefined as never }].map(({ models: _, ...rest }) => rest),
          budgets: [{ name: "all", scope: "global", period: "total", tokens: 1000 }]
        }
      })
    )
  )
})
