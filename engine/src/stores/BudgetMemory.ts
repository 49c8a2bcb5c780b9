/**
 * Budgets in the memory of the process: they begin anew with it.
 *
 * Several ledgers can share a table, as several instances share a database. Periods that are over and held by nobody are
 * dropped.
 */
import { Effect, type Scope } from "effect"
import {
  type BudgetBalance,
  type BudgetEntry,
  type BudgetKey,
  type BudgetScan,
  type BudgetStore,
  type BudgetTotal,
  exchanged,
  type Holding,
  left,
  perished
} from "../BudgetStore.ts"

/** Milliseconds between two looks for periods that are over. */
const pruneEveryMs = 60_000

interface Row {
  readonly key: BudgetKey
  scope: BudgetTotal["scope"]
  endMs: number
  limit: bigint
  readonly createdMs: number
  total: Holding
  readonly owners: Map<string, Holding>
}

export class BudgetTable {
  private readonly rows = new Map<string, Row>()
  private prunedMs = 0
  private names = 0

  /** A store for one more owner. */
  readonly open: Effect.Effect<BudgetStore, never, Scope.Scope> = Effect.acquireRelease(
    Effect.sync(() => this.storeOf(`owner-${++this.names}`)),
    ({ owner }) => Effect.sync(() => this.part(owner, left))
  )

  /** Counts everything that an owner holds as spent, as when its process was killed. */
  readonly bury = (owner: string): void => this.part(owner, perished)

  private storeOf(owner: string): BudgetStore & { readonly owner: string } {
    return {
      owner,
      kind: "memory",
      exchange: (entries, nowMs) => Effect.sync(() => entries.map((entry) => this.exchange(owner, entry, nowMs))),
      list: (scan) => Effect.sync(() => this.list(scan))
    }
  }

  private exchange(owner: string, entry: BudgetEntry, nowMs: number): BudgetBalance {
    if (nowMs - this.prunedMs >= pruneEveryMs) this.prune(nowMs)
    const { account, budget, endMs, limit, scope, startMs, unit } = entry
    const id = `${budget}\n${unit}\n${startMs}\n${account}`
    let row = this.rows.get(id)
    if (row === undefined) {
      const key = { budget, account, unit, startMs }
      row = { key, scope, endMs, limit, createdMs: nowMs, total: { spent: 0n, held: 0n }, owners: new Map() }
      this.rows.set(id, row)
    }
    const { enough, lost, own, total } = exchanged(entry, row.total, row.owners.get(owner))
    row.scope = scope
    row.limit = limit
    row.total = total
    if (entry.done) row.owners.delete(owner)
    else row.owners.set(owner, own)
    const { createdMs } = row
    return { ...own, lost, enough, totalSpent: total.spent, totalHeld: total.held, createdMs }
  }

  private list({ account, after, budget, limit, nowMs, scope }: BudgetScan): ReadonlyArray<BudgetTotal> {
    const found: Array<BudgetTotal> = []
    for (const { createdMs, endMs, key, limit: limitOf, scope: scopeOf, total } of this.rows.values()) {
      if (key.startMs > nowMs || endMs <= nowMs) continue
      if (budget !== undefined && key.budget !== budget) continue
      if (scope !== undefined && scopeOf !== scope) continue
      if (account !== undefined && key.account !== account) continue
      if (after !== undefined && compare(key, after) <= 0) continue
      found.push({ ...key, scope: scopeOf, endMs, limit: limitOf, ...total, createdMs })
    }
    return found.sort(compare).slice(0, limit)
  }

  private part(owner: string, part: (total: Holding, own: Holding) => Holding): void {
    for (const row of this.rows.values()) {
      const own = row.owners.get(owner)
      if (own === undefined) continue
      row.owners.delete(owner)
      row.total = part(row.total, own)
    }
  }

  private prune(nowMs: number): void {
    this.prunedMs = nowMs
    for (const [id, row] of this.rows) if (row.endMs <= nowMs && row.owners.size === 0) this.rows.delete(id)
  }
}

/** A table of its own. */
export const make: Effect.Effect<BudgetStore, never, Scope.Scope> = Effect.suspend(() => new BudgetTable().open)

type Place = Pick<BudgetKey, "account" | "budget" | "unit">

/** By the bytes of the names, as databases sort them. */
const compare = (a: Place, b: Place): number =>
  byBytes(a.budget, b.budget) || byBytes(a.account, b.account) || byBytes(a.unit, b.unit)

const byBytes = (a: string, b: string): number => (a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)))
