/**
 * Prices history anew: what each stored request would cost by the prices of today's configuration and price table.
 *
 * It works in steps, oldest requests first, and says of each model what its requests cost before and after and which of
 * them have no price, with the reason. A request's own time decides which prices hold for it. What an attempt that nobody
 * read has probably cost stays as it was booked, and so do the savings of the cache: their tokens are not kept apart.
 */
import { Effect } from "effect"
import { MoneySum } from "../Money.ts"
import type { Price } from "../Pricing.ts"
import type { RepricedModel } from "../AdminUsageAnswers.ts"
import type { Cost, Usage } from "../Usage.ts"
import type { Position, PriceChange, RowsScan, StoredRecord, UsageStore, UsageUnavailable } from "../UsageLog.ts"
import { servedByCache, type UsageRecord } from "../UsageRecord.ts"
import { priceColumns } from "../UsagePrice.ts"

export interface RepriceStep {
  readonly fromMs: number
  readonly toMs: number
  /** Says what would change, and changes nothing. */
  readonly dryRun: boolean
  readonly price: Price
  /** Where the step before has ended. */
  readonly after: Position | undefined
  /** Requests that are looked at in this step. */
  readonly rows: number
}

/** What was found in one step, or in several. */
export interface Repriced {
  readonly requests: number
  readonly changed: number
  readonly oldUsd: number
  readonly newUsd: number
  readonly models: ReadonlyArray<RepricedModel>
  /** Undefined when all requests have been looked at. */
  readonly next: Position | undefined
}

/** Requests that are read, and changed, at once. */
const pageRows = 1000

export const repriceStep = (store: UsageStore, step: RepriceStep): Effect.Effect<Repriced, UsageUnavailable> =>
  Effect.gen(function* () {
    const tally = new RepriceTally()
    const scan: RowsScan = { fromMs: step.fromMs, toMs: step.toMs, limit: pageRows }
    let after = step.after
    let page: ReadonlyArray<StoredRecord>
    do {
      page = yield* store.scanRows(scan, after)
      const changes: Array<PriceChange> = []
      for (const { record, seq } of page) {
        if (!hasTokens(record)) continue
        const change = changeOf(seq, record, step.price)
        tally.add(record, change)
        if (differs(record, change)) changes.push(change)
      }
      if (changes.length > 0 && !step.dryRun) yield* store.reprice(changes)
      const last = page.at(-1)
      if (last !== undefined) after = { timeMs: last.record.timeMs, seq: last.seq }
      tally.looked(page.length)
    } while (page.length === pageRows && tally.requests < step.rows)
    return { ...tally.report(), next: page.length === pageRows ? after : undefined }
  })

/** The findings of steps as those of one. */
export const mergeSteps = (steps: ReadonlyArray<Omit<Repriced, "next">>): Omit<Repriced, "next"> => {
  const tally = new RepriceTally()
  for (const { models, requests } of steps) {
    tally.looked(requests)
    for (const model of models) tally.join(model)
  }
  return tally.report()
}

/** What the cache served, and what came to nothing, has no price to compute. */
const hasTokens = (record: UsageRecord): boolean =>
  !servedByCache(record.cache) &&
  record.provider !== null &&
  record.uncachedInput + record.cacheReadInput + record.cacheWriteInput + record.output > 0

const changeOf = (seq: number, record: UsageRecord, price: Price): PriceChange => {
  const usage: Usage = { ...record, detail: record.usageDetail ?? undefined }
  const cost = price({ provider: record.provider!, model: record.model! }, usage, record.timeMs)
  return {
    seq,
    costUsd: cost._tag === "Priced" ? withLost(cost, record) : null,
    priceTable: cost._tag === "Priced" ? cost.table : null,
    unpricedReason: cost._tag === "Unpriced" ? cost.reason : null,
    savedUsd: record.savedUsd,
    ...priceColumns(usage, cost)
  }
}

const withLost = (cost: Extract<Cost, { readonly _tag: "Priced" }>, { attempts }: UsageRecord): number => {
  const sum = new MoneySum()
  sum.add(cost.usd)
  for (const { lost } of attempts) sum.add(lost?.costUsd)
  return sum.usd
}

const comparedFields = [
  "costUsd",
  "priceTable",
  "unpricedReason",
  "inputUsd",
  "cacheReadUsd",
  "cacheWriteUsd",
  "outputUsd",
  "reasoningUsd",
  "providerCacheSavedUsd"
] as const

const differs = (record: UsageRecord, change: PriceChange): boolean =>
  comparedFields.some((field) => record[field] !== change[field])

interface ModelTally {
  readonly provider: string | null
  readonly model: string | null
  requests: number
  changed: number
  readonly old: MoneySum
  readonly new: MoneySum
  readonly unpriced: Map<string, number>
}

class RepriceTally {
  requests = 0
  private readonly models = new Map<string, ModelTally>()

  looked(requests: number): void {
    this.requests += requests
  }

  add(record: UsageRecord, change: PriceChange): void {
    const tally = this.of(record)
    tally.requests += 1
    if (differs(record, change)) tally.changed += 1
    tally.old.add(record.costUsd)
    tally.new.add(change.costUsd)
    if (change.unpricedReason !== null) this.unpriced(tally, change.unpricedReason, 1)
  }

  join(found: RepricedModel): void {
    const tally = this.of(found)
    tally.requests += found.requests
    tally.changed += found.changed
    tally.old.add(found.oldUsd)
    tally.new.add(found.newUsd)
    for (const { reason, requests } of found.unpriced) this.unpriced(tally, reason, requests)
  }

  /** The models that cost most first. */
  report(): Omit<Repriced, "next"> {
    const tallies = [...this.models.values()]
    const total = (pick: (tally: ModelTally) => MoneySum) => {
      const sum = new MoneySum()
      for (const tally of tallies) sum.addPicos(pick(tally).picos)
      return sum.usd
    }
    return {
      requests: this.requests,
      changed: tallies.reduce((sum, { changed }) => sum + changed, 0),
      oldUsd: total((tally) => tally.old),
      newUsd: total((tally) => tally.new),
      models: tallies
        .map(({ changed, model, new: after, old, provider, requests, unpriced }) => ({
          provider,
          model,
          requests,
          changed,
          oldUsd: old.usd,
          newUsd: after.usd,
          unpriced: [...unpriced].map(([reason, count]) => ({ reason, requests: count }))
        }))
        .sort((a, b) => b.newUsd - a.newUsd || b.oldUsd - a.oldUsd || b.requests - a.requests)
    }
  }

  private unpriced(tally: ModelTally, reason: string, requests: number): void {
    tally.unpriced.set(reason, (tally.unpriced.get(reason) ?? 0) + requests)
  }

  private of({ model, provider }: Pick<RepricedModel, "model" | "provider">): ModelTally {
    const key = JSON.stringify([provider, model])
    let tally = this.models.get(key)
    if (tally === undefined) {
      tally = {
        provider,
        model,
        requests: 0,
        changed: 0,
        old: new MoneySum(),
        new: new MoneySum(),
        unpriced: new Map()
      }
      this.models.set(key, tally)
    }
    return tally
  }
}
