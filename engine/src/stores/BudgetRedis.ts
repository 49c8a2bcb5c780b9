/**
 * Budgets in Redis, for instances that share one and no Postgres.
 *
 * The arithmetic is that of all stores: an exchange reads its accounts, works out what becomes of them, and writes them in one
 * script that does nothing when any of them has changed since, and then says what they are now. Amounts are texts, since Lua's
 * numbers can't hold them. An instance lives by its exchanges and a sign of life every ten seconds; one that was silent for a
 * minute, by the clock of Redis, is taken for dead by any other. What Redis loses is spent by nobody: let it write to disk.
 */
import { Effect, Schedule, type Scope } from "effect"
import { randomUUID } from "node:crypto"
import {
  type BudgetBalance,
  type BudgetEntry,
  type BudgetKey,
  type BudgetStore,
  BudgetStoreUnavailable,
  type BudgetTotal,
  exchanged,
  type Holding,
  left,
  perished
} from "../BudgetStore.ts"
import type { SharedLink } from "../SharedLink.ts"
import * as Scripts from "./BudgetScripts.ts"

export interface BudgetRedisOptions {
  /** Milliseconds between two signs of life, 10,000 by default. */
  readonly heartbeatMs?: number | undefined
  /** Milliseconds of silence after which an instance is taken for dead, 60,000 by default. */
  readonly ownerTimeoutMs?: number | undefined
}

const tag = "{millrace:budgets}"
const owners = `${tag}:owners`
const accounts = `${tag}:accounts`
const rowOf = (id: string) => `${tag}:account:${id}`
const holdingsOf = (owner: string) => `${tag}:owner:${owner}`

/** Rows of periods are kept so many milliseconds after their end. */
const retentionMs = 86_400_000
/** Times that an exchange is worked out anew because others came between. */
const triesMax = 50
/** Milliseconds that leaving may take: the engine is closing. */
const leaveMs = 2000
const rowsAtOnce = 500

/** What an account is, beside its amounts. */
type Meta = Pick<BudgetTotal, "account" | "budget" | "createdMs" | "scope" | "startMs" | "unit"> & {
  readonly endMs: number | null
  readonly limit: string
}

interface Change {
  readonly id: string
  readonly meta: Meta
  readonly total: Holding
  /** Undefined where the owner holds nothing any more. */
  readonly own: Holding | undefined
}

export const make = (
  link: SharedLink,
  options: BudgetRedisOptions = {}
): Effect.Effect<BudgetStore, never, Scope.Scope> =>
  Effect.gen(function* () {
    const owner = randomUUID()
    const timeoutMs = options.ownerTimeoutMs ?? 60_000
    let known = false

    const read = (whose: string, ids: ReadonlyArray<string>, alive: boolean) =>
      link.run(Scripts.read, [owners, ...ids.map(rowOf)], [whose, alive ? 1 : 0, timeoutMs])

    /** Writes what `work` makes of the accounts, worked out anew as long as others come between. */
    const change = <A>(
      whose: string,
      ids: ReadonlyArray<string>,
      first: ReadonlyArray<Scripts.Row>,
      work: (rows: ReadonlyArray<Scripts.Row>) => { readonly changes: ReadonlyArray<Change>; readonly result: A }
    ) =>
      Effect.gen(function* () {
        let rows = first
        for (let tries = 0; tries < triesMax; tries++) {
          const { changes, result } = work(rows)
          if (changes.length === 0) return result
          const args = changes.flatMap(({ id, meta, own, total }) => [
            id,
            rows[ids.indexOf(id)]!.version,
            JSON.stringify(meta),
            textOf(total),
            own === undefined ? "" : textOf(own),
            meta.endMs === null ? "+inf" : Math.ceil(meta.endMs),
            meta.endMs === null ? -1 : Math.ceil(meta.endMs) + retentionMs
          ])
          const keys = [accounts, holdingsOf(whose), ...changes.map(({ id }) => rowOf(id))]
          if (yield* link.run(Scripts.write, keys, [whose, ...args])) return result
          rows = (yield* read(whose, ids, false)).rows
        }
        return yield* new BudgetStoreUnavailable({ detail: "others came between each time" })
      })

    /** Takes an owner out of the totals of everything that it holds part of. */
    const part = (whose: string, parted: (total: Holding, own: Holding) => Holding) =>
      Effect.gen(function* () {
        const ids = yield* link.run(Scripts.holdings, [holdingsOf(whose)], [])
        for (let i = 0; i < ids.length; i += rowsAtOnce) {
          const some = ids.slice(i, i + rowsAtOnce)
          const { rows } = yield* read(whose, some, false)
          yield* change(whose, some, rows, (found) => ({
            changes: found.flatMap((row, at) =>
              row.own === undefined || row.meta === undefined
                ? []
                : [
                    {
                      id: some[at]!,
                      meta: metaIn(row.meta),
                      total: parted(holdingIn(row.total), holdingIn(row.own)),
                      own: undefined
                    }
                  ]
            ),
            result: undefined
          }))
        }
        yield* link.run(Scripts.forget, [owners, holdingsOf(whose)], [whose])
      })

    const exchange = Effect.fnUntraced(function* (entries: ReadonlyArray<BudgetEntry>, nowMs: number) {
      const ids = entries.map(idOf)
      let state = yield* read(owner, ids, true)
      known = true
      for (const dead of state.dead) yield* part(dead, perished)
      if (state.dead.length > 0) state = yield* read(owner, ids, true)
      return yield* change(owner, ids, state.rows, (rows) => {
        const changes: Array<Change> = []
        const result = entries.map((entry, i): BudgetBalance => {
          const row = rows[i]!
          const own = row.own === undefined ? undefined : holdingIn(row.own)
          const outcome = exchanged(entry, holdingIn(row.total), own)
          const meta = { ...metaOf(entry), createdMs: row.meta === undefined ? nowMs : metaIn(row.meta).createdMs }
          changes.push({ id: ids[i]!, meta, total: outcome.total, own: entry.done ? undefined : outcome.own })
          return {
            ...outcome.own,
            lost: outcome.lost,
            enough: outcome.enough,
            totalSpent: outcome.total.spent,
            totalHeld: outcome.total.held,
            createdMs: meta.createdMs
          }
        })
        return { changes, result }
      })
    })

    yield* Effect.forkScoped(
      Effect.repeat(
        Effect.suspend(() => (known ? Effect.ignore(read(owner, [], true)) : Effect.void)),
        Schedule.spaced(options.heartbeatMs ?? 10_000)
      )
    )
    yield* Effect.addFinalizer(() =>
      known
        ? Effect.ignore(
            Effect.timeout(
              Effect.suspend(() => part(owner, left)),
              leaveMs
            )
          )
        : Effect.void
    )

    return {
      kind: "redis",
      exchange: (entries, nowMs) => Effect.mapError(exchange(entries, nowMs), unavailable),
      list: ({ account, after, budget, limit, nowMs, scope }) =>
        Effect.gen(function* () {
          const ids = yield* link.run(Scripts.listed, [accounts], [nowMs, nowMs - retentionMs])
          const found: Array<BudgetTotal> = []
          for (let i = 0; i < ids.length; i += rowsAtOnce) {
            const { rows } = yield* read(owner, ids.slice(i, i + rowsAtOnce), false)
            for (const row of rows) if (row.meta !== undefined) found.push(totalOf(metaIn(row.meta), row.total))
          }
          return found
            .filter((each) => each.startMs <= nowMs && each.endMs > nowMs)
            .filter((each) => budget === undefined || each.budget === budget)
            .filter((each) => scope === undefined || each.scope === scope)
            .filter((each) => account === undefined || each.account === account)
            .filter((each) => after === undefined || compare(each, after) > 0)
            .sort(compare)
            .slice(0, limit)
        }).pipe(Effect.mapError(unavailable))
    }
  })

const unavailable = (error: { readonly message: string }) =>
  error instanceof BudgetStoreUnavailable ? error : new BudgetStoreUnavailable({ detail: error.message })

const idOf = ({ account, budget, startMs, unit }: BudgetKey): string => `${budget}\n${unit}\n${startMs}\n${account}`

const textOf = ({ held, spent }: Holding): string => `${spent} ${held}`

const holdingIn = (text: string): Holding => {
  const [spent = "0", held = "0"] = text.split(" ")
  return { spent: BigInt(spent), held: BigInt(held) }
}

const metaIn = (text: string): Meta => JSON.parse(text) as Meta

const metaOf = ({ account, budget, endMs, limit, scope, startMs, unit }: BudgetEntry): Omit<Meta, "createdMs"> => ({
  account,
  budget,
  unit,
  scope,
  startMs,
  endMs: Number.isFinite(endMs) ? endMs : null,
  limit: String(limit)
})

const totalOf = ({ endMs, limit, ...meta }: Meta, total: string): BudgetTotal => ({
  ...meta,
  endMs: endMs ?? Number.POSITIVE_INFINITY,
  limit: BigInt(limit),
  ...holdingIn(total)
})

type Place = Pick<BudgetKey, "account" | "budget" | "unit">

/** By the bytes of the names, as databases sort them. */
const compare = (a: Place, b: Place): number =>
  byBytes(a.budget, b.budget) || byBytes(a.account, b.account) || byBytes(a.unit, b.unit)

const byBytes = (a: string, b: string): number => (a === b ? 0 : Buffer.compare(Buffer.from(a), Buffer.from(b)))
