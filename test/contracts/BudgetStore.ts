/**
 * What every store of budgets promises: the same suite runs on memory, on SQLite and on Postgres.
 */
import { assert, it } from "@effect/vitest"
import { Effect, Result, type Scope } from "effect"
import { describe } from "vitest"
import type { Budget } from "../../engine/src/Budget.ts"
import type { BudgetEntry, BudgetStore, BudgetTotal } from "../../engine/src/BudgetStore.ts"
import { BudgetExceeded } from "../../engine/src/Errors.ts"
import { attempt, budgetOf, instance, type Planned } from "../support/budgets.ts"

/** A place where totals are kept, which several owners open. */
export interface OpenBudgets {
  /** One more owner, as another instance is; where a database has one, whoever opens it next takes its place. */
  readonly owner: Effect.Effect<BudgetStore, never, Scope.Scope>
  /** An owner that is gone without a word, as its process was killed, and known to be. */
  readonly killed: (
    work: (store: BudgetStore) => Effect.Effect<void, unknown>
  ) => Effect.Effect<void, unknown, Scope.Scope>
}

const dayMs = 86_400_000
/** In the year 2096: whatever the clock of a database says, it is not over. */
const startMs = 46_000 * dayMs
export const nowMs = startMs + 1000

export const entryOf = (fields: Partial<BudgetEntry> = {}): BudgetEntry => ({
  budget: "month",
  account: "",
  unit: "usd",
  scope: "global",
  startMs,
  endMs: startMs + dayMs,
  limit: 1000n,
  held: 0n,
  spent: 0n,
  floor: 0n,
  need: 0n,
  spare: 0n,
  done: false,
  ...fields
})

export interface BudgetContractOptions {
  /** Whether several instances can hold parts at the same time. */
  readonly shared: boolean
}

export const budgetStoreContract = (
  name: string,
  open: Effect.Effect<OpenBudgets, never, Scope.Scope>,
  { shared }: BudgetContractOptions
): void => {
  const test = (title: string, body: (open: OpenBudgets) => Effect.Effect<void, unknown, Scope.Scope>) =>
    it.live(title, () => Effect.scoped(Effect.flatMap(open, body)), 60_000)

  const one = (store: BudgetStore, fields: Partial<BudgetEntry>) =>
    Effect.map(store.exchange([entryOf(fields)], nowMs), ([balance]) => balance!)

  const all = (store: BudgetStore) => store.list({ nowMs, limit: 100 })

  const total = (store: BudgetStore) => Effect.map(all(store), ([row]) => ({ spent: row?.spent, held: row?.held }))

  describe(`budget store: ${name}`, () => {
    test("hands out parts until nothing is left, and says when it was not enough", ({ owner }) =>
      Effect.gen(function* () {
        const store = yield* owner
        const first = yield* one(store, { need: 700n })
        assert.deepStrictEqual(first, {
          held: 700n,
          spent: 0n,
          lost: false,
          enough: true,
          totalSpent: 0n,
          totalHeld: 700n,
          createdMs: nowMs
        })
        const second = yield* one(store, { held: 700n, floor: 700n, need: 400n })
        assert.deepInclude(second, { held: 1000n, enough: false, totalHeld: 1000n })
        assert.deepInclude(yield* one(store, { held: 1000n, floor: 1000n, need: 1n }), { held: 1000n, enough: false })
      }))

    test("an exchange can be repeated without harm", ({ owner }) =>
      Effect.gen(function* () {
        const store = yield* owner
        yield* one(store, { need: 100n })
        const told = { held: 100n, spent: 40n, floor: 100n }
        const once = yield* one(store, told)
        assert.deepStrictEqual(yield* one(store, told), once)
        assert.deepStrictEqual(yield* total(store), { spent: 40n, held: 100n })
      }))

    test("what was given away is held, whatever is left", ({ owner }) =>
      Effect.gen(function* () {
        const store = yield* owner
        yield* one(store, { floor: 1500n, spent: 1200n })
        assert.deepStrictEqual(yield* total(store), { spent: 1200n, held: 1500n })
        assert.deepInclude(yield* one(store, { held: 1500n, spent: 1200n, floor: 1200n, need: 1n }), {
          held: 1200n,
          enough: false
        })
      }))

    test("what is held in advance is a quarter of the rest at most", ({ owner }) =>
      Effect.gen(function* () {
        const store = yield* owner
        assert.deepInclude(yield* one(store, { need: 200n, spare: 900n }), { held: 400n, enough: true })
      }))

    test("all entries or none, and more of them than anybody would write down", ({ owner }) =>
      Effect.gen(function* () {
        const store = yield* owner
        const entries = Array.from({ length: 300 }, (_, i) => entryOf({ account: `t${i}`, need: BigInt(i + 1) }))
        const balances = yield* store.exchange(entries, nowMs)
        assert.deepStrictEqual(
          balances.map(({ held }) => held),
          entries.map(({ need }) => need)
        )
      }))

    test("counts amounts that no number holds, and names of any letters", ({ owner }) =>
      Effect.gen(function* () {
        const store = yield* owner
        const account = "naïve 🦆 '; DROP TABLE budget_periods; --"
        const limit = 9_000_000_000_000_000_003n
        const spent = 8_999_999_999_999_999_997n
        yield* one(store, { account, limit, floor: spent, spent })
        const [row] = yield* all(store)
        assert.deepInclude(row, { account, limit, spent, held: spent })
        assert.deepInclude(yield* one(store, { account, limit, held: spent, floor: spent, spent, need: 100n }), {
          held: limit,
          enough: false
        })
      }))

    test("gives back what an owner leaves, and keeps what it spent", ({ owner }) =>
      Effect.gen(function* () {
        yield* Effect.scoped(
          Effect.gen(function* () {
            const store = yield* owner
            yield* one(store, { need: 600n })
            yield* one(store, { held: 600n, spent: 100n, floor: 600n })
          })
        )
        const next = yield* owner
        assert.deepStrictEqual(yield* total(next), { spent: 100n, held: 100n })
        assert.deepInclude(yield* one(next, { need: 900n }), { held: 900n, enough: true })
      }))

    test("counts what a dead owner held as spent, to the last bit and no more", ({ killed, owner }) =>
      Effect.gen(function* () {
        yield* killed((store) =>
          Effect.gen(function* () {
            yield* one(store, { need: 600n })
            yield* one(store, { held: 600n, spent: 100n, floor: 300n })
          })
        )
        const next = yield* owner
        assert.deepInclude(yield* one(next, { need: 900n }), { held: 700n, enough: false, totalSpent: 300n })
      }))

    test("one that was taken for dead begins anew, and nothing is counted twice", ({ killed }) =>
      Effect.gen(function* () {
        let survivor: BudgetStore | undefined
        yield* killed((store) => {
          survivor = store
          return one(store, { need: 400n })
        })
        // It had spent 100 of its 400, which are counted whole, and goes on: 250 later, 50 more than that at last.
        const later = yield* one(survivor!, { held: 400n, spent: 250n, floor: 400n })
        assert.deepInclude(later, { lost: true, held: 0n, totalSpent: 400n, totalHeld: 400n })
        const more = yield* one(survivor!, { held: 0n, spent: 50n, floor: 50n })
        assert.deepInclude(more, { lost: false, held: 50n, totalSpent: 450n, totalHeld: 450n })
      }))

    test("an owner that is done holds nothing", ({ owner }) =>
      Effect.gen(function* () {
        const store = yield* owner
        yield* one(store, { need: 600n })
        yield* one(store, { held: 600n, spent: 100n, floor: 100n, done: true })
        assert.deepStrictEqual(yield* total(store), { spent: 100n, held: 100n })
        assert.deepInclude(yield* one(store, { need: 900n }), { lost: false, held: 900n, enough: true })
      }))

    test("lists the periods that are now, page by page, by name", ({ owner }) =>
      Effect.gen(function* () {
        const store = yield* owner
        const keys: ReadonlyArray<Partial<BudgetEntry>> = [
          { budget: "b", account: "t2", scope: "tenant" },
          { budget: "b", account: "Z", scope: "tenant" },
          { budget: "b", account: "t1", scope: "tenant" },
          { budget: "b", account: "t1", scope: "tenant", unit: "tokens" },
          { budget: "a", startMs: 0, endMs: Number.POSITIVE_INFINITY },
          { budget: "over", startMs: startMs - dayMs, endMs: startMs },
          { budget: "later", startMs: startMs + dayMs, endMs: startMs + 2 * dayMs }
        ]
        yield* store.exchange(keys.map(entryOf), nowMs)
        const named = (rows: ReadonlyArray<BudgetTotal>) =>
          rows.map(({ account, budget, unit }) => `${budget}/${account}/${unit}`)
        const sorted = ["a//usd", "b/Z/usd", "b/t1/tokens", "b/t1/usd", "b/t2/usd"]
        const rows = yield* all(store)
        assert.deepStrictEqual(named(rows), sorted)
        assert.strictEqual(rows[0]!.endMs, Number.POSITIVE_INFINITY)
        assert.deepStrictEqual(named(yield* store.list({ nowMs, limit: 2 })), sorted.slice(0, 2))
        assert.deepStrictEqual(named(yield* store.list({ nowMs, limit: 9, after: rows[1] })), sorted.slice(2))
        assert.deepStrictEqual(named(yield* store.list({ nowMs, limit: 9, account: "t1" })), sorted.slice(2, 4))
        assert.deepStrictEqual(named(yield* store.list({ nowMs, limit: 9, scope: "global" })), ["a//usd"])
        assert.deepStrictEqual(named(yield* store.list({ nowMs, limit: 9, budget: "b" })), sorted.slice(1))
      }))

    const call: Planned = { prompt: 100, maxTokens: 100, used: { prompt: 100, output: 100 } }
    const budgets = [budgetOf({ name: "all", usd: 30 }), budgetOf({ name: "tenants", scope: "tenant", tokens: 20_100 })]

    const thousand = (instances: ReadonlyArray<Budget["Service"]>) =>
      Effect.all(
        Array.from({ length: 1000 }, (_, index) => Effect.result(attempt(instances[index % instances.length]!, call))),
        { concurrency: "unbounded" }
      )

    const count = shared ? 3 : 1
    test(`1,000 calls at ${count} instance${shared ? "s" : ""} with room for 100 spend no more, and refusals say why`, ({
      owner
    }) =>
      Effect.gen(function* () {
        const instances = yield* Effect.all(
          Array.from({ length: count }, () => instance(owner, budgets, { waitMs: 30_000 }))
        )
        const results = yield* thousand(instances)
        const refused = results.filter(Result.isFailure).map(({ failure }) => failure)
        const answered = results.length - refused.length
        assert.isAtMost(answered, 100)
        assert.isAtLeast(answered, 90, "what an instance holds in advance is little when little is left")
        for (const error of refused) {
          assert.instanceOf(error, BudgetExceeded)
          const { budget, left, limit, reason } = error as BudgetExceeded
          assert.deepStrictEqual([budget, limit, reason], ["all", 30, "limit"])
          assert.isTrue(left >= 0 && left <= 30)
        }
        // Each tells what it has spent when it is asked, and else within a second.
        for (const each of instances) yield* each.page({})
        const { items } = yield* instances[0]!.page({ budget: "all" })
        assert.deepInclude(items[0], { spent: Math.round(answered * 3) / 10 })
      }))
  })
}
