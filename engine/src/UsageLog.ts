/**
 * The usage log: one record for each settled request, and the questions the admin API asks about them.
 *
 * At admission it registers a settler and nothing else; at settlement it adds to the running totals and hands the record
 * to a store. Its stage is the outermost one, so it settles last, when the journal is complete. A store never fails a
 * request and, unless durability is `strict`, never delays one (law 11): what it can't keep it drops and counts.
 */
import { Clock, Context, Effect, Layer, Schema, type Scope } from "effect"
import type {
  AttemptTotals,
  Bucket,
  CacheKind,
  DatabaseStatus,
  GroupBy,
  RequestDetail,
  RequestPage,
  RequestStatus,
  Totals,
  UsageReport
} from "./AdminAnswers.ts"
import type { Fault } from "./Errors.ts"
import { MoneySum } from "./Money.ts"
import { ProviderTotals } from "./ProviderTotals.ts"
import type { Stage } from "./Stage.ts"
import * as UsageRecord from "./UsageRecord.ts"

/** Exact values that a record must have. */
export interface UsageFilters {
  readonly model?: string | undefined
  readonly provider?: string | undefined
  readonly tenant?: string | undefined
  readonly key?: string | undefined
  readonly status?: RequestStatus | undefined
  readonly cache?: CacheKind | undefined
}

/** Records with `fromMs <= timeMs < toMs`. Without `toMs` up to now, without `fromMs` the 24 hours before `toMs`. */
export interface UsageQuery extends UsageFilters {
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  /** `hour` by default. Buckets begin at full minutes, hours and days of UTC. */
  readonly bucket?: Bucket | undefined
  readonly groupBy?: GroupBy | undefined
}

/** Records with `fromMs <= timeMs < toMs`, newest first. */
export interface RequestsQuery extends UsageFilters {
  readonly fromMs?: number | undefined
  readonly toMs?: number | undefined
  /** 1–500, 50 by default. */
  readonly limit?: number | undefined
  /** `nextCursor` of the page before. */
  readonly cursor?: string | undefined
}

/** A usage query with its defaults filled in. */
export interface UsageScan extends UsageFilters {
  readonly fromMs: number
  readonly toMs: number
  readonly bucket: Bucket
  readonly groupBy: GroupBy | undefined
}

/** Values that a record must have, beside those that sums are kept for. */
export interface RecordFilters {
  readonly errorKind?: string | undefined
  readonly fault?: Fault | undefined
  readonly fingerprint?: string | undefined
  /** Beginning of the request's id. */
  readonly search?: string | undefined
  readonly minLatencyMs?: number | undefined
}

/** Sums that are made from the records one by one, at most so many. */
export interface RecordSumsScan extends UsageScan, Omit<RecordFilters, "search"> {
  readonly maxRecords: number
}

/** Place of a record in a store: its time, and a number that grows with each record written. */
export interface Position {
  readonly timeMs: number
  readonly seq: number
}

/** The newest `limit` records that come after `after` in reading order, which is from the newest to the oldest. */
export interface PageScan extends UsageFilters {
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
  readonly limit: number
  readonly after: Position | undefined
}

export interface StoredRecord {
  readonly seq: number
  readonly record: UsageRecord.UsageRecord
}

/** Failures with `fromMs <= timeMs < toMs`, the most frequent groups first. */
export interface ErrorsScan extends Pick<UsageFilters, "model" | "provider" | "tenant" | "key"> {
  readonly fromMs: number
  readonly toMs: number
  readonly bucket: Bucket
  readonly kind?: string | undefined
  readonly fingerprint?: string | undefined
  readonly limit: number
}

/** Failures with one fingerprint; the times and counts are those within the range. */
export interface ErrorGroup {
  readonly fingerprint: string
  readonly kind: string | null
  readonly fault: Fault | null
  readonly provider: string | null
  readonly model: string | null
  readonly message: string | null
  readonly count: number
  readonly firstSeenMs: number
  readonly lastSeenMs: number
  /** The request that failed last. */
  readonly sampleId: string
  /** Buckets that have a failure, in the order of time. */
  readonly series: ReadonlyArray<{ readonly startMs: number; readonly count: number }>
}

/** Records with `fromMs <= timeMs < toMs`, oldest first. */
export interface RowsScan extends UsageFilters {
  readonly fromMs: number
  readonly toMs: number
  /** At most 5,000. */
  readonly limit: number
}

/** What is to be forgotten: whole days of UTC that end before or at `beforeMs`. */
export interface PruneScan {
  readonly beforeMs: number
  /** True keeps the sums of the records that are deleted. */
  readonly keepRollups: boolean
}

/** What was deleted: records, and cells of sums. */
export interface Pruned {
  readonly rows: number
  readonly rollups: number
}

/** The price of a stored record, computed anew. */
export interface PriceChange extends Pick<
  UsageRecord.UsageRecord,
  | "costUsd"
  | "priceTable"
  | "unpricedReason"
  | "savedUsd"
  | "inputUsd"
  | "cacheReadUsd"
  | "cacheWriteUsd"
  | "outputUsd"
  | "reasoningUsd"
  | "providerCacheSavedUsd"
> {
  readonly seq: number
}

/** The database can't be read now. */
export class UsageUnavailable extends Schema.TaggedError<UsageUnavailable>()("UsageUnavailable", {
  detail: Schema.String
}) {
  override get message() {
    return `the usage database can't be read: ${this.detail}`
  }
}

/** The answer would have more points than are sent at once. */
export class SeriesTooLong extends Schema.TaggedError<SeriesTooLong>()("SeriesTooLong", {
  maxPoints: Schema.Number
}) {
  override get message() {
    return `the series would have more than ${this.maxPoints} points; ask for a larger bucket or a shorter range`
  }
}

/** More records would have to be looked at one by one than are. */
export class TooManyRecords extends Schema.TaggedError<TooManyRecords>()("TooManyRecords", {
  maxRecords: Schema.Number
}) {
  override get message() {
    return `more than ${this.maxRecords} requests would be looked at one by one; ask for a shorter range`
  }
}

/** The cursor was not made by this log. */
export class InvalidCursor extends Schema.TaggedError<InvalidCursor>()("InvalidCursor", {}) {
  override get message() {
    return "expected the nextCursor of an earlier page"
  }
}

/** Where records are kept. Reads see every record that was written before them. */
export interface UsageStore {
  /** Returns an effect only where the caller is to wait for the write. Never fails. */
  readonly write: (record: UsageRecord.UsageRecord) => Effect.Effect<void> | void
  readonly usage: (scan: UsageScan) => Effect.Effect<UsageReport, UsageUnavailable | SeriesTooLong>
  /** The same report as JSON, made where the sums are: for an answer that is passed on as it is. */
  readonly usageText: (scan: UsageScan) => Effect.Effect<string, UsageUnavailable | SeriesTooLong>
  /** Sums by what no sums are kept for. */
  readonly recordSums: (
    scan: RecordSumsScan
  ) => Effect.Effect<UsageReport, UsageUnavailable | SeriesTooLong | TooManyRecords>
  readonly page: (scan: PageScan) => Effect.Effect<ReadonlyArray<StoredRecord>, UsageUnavailable>
  readonly find: (id: string) => Effect.Effect<UsageRecord.UsageRecord | undefined, UsageUnavailable>
  readonly errors: (scan: ErrorsScan) => Effect.Effect<ReadonlyArray<ErrorGroup>, UsageUnavailable>
  /** The oldest `limit` records that come after `after` in the order of time. */
  readonly scanRows: (
    scan: RowsScan,
    after: Position | undefined
  ) => Effect.Effect<ReadonlyArray<StoredRecord>, UsageUnavailable>
  /** Deletes in bounded steps, between which writes go on. */
  readonly prune: (scan: PruneScan) => Effect.Effect<Pruned, UsageUnavailable>
  /** Changes records and the sums they are in, all or none; returns how many there were. At most 1,000 at once. */
  readonly reprice: (changes: ReadonlyArray<PriceChange>) => Effect.Effect<number, UsageUnavailable>
  readonly health: () => DatabaseStatus
}

export interface UsageLogOptions {
  /** Keeps prompt and answer as text (`logging.content`); never unless it is true. */
  readonly content?: boolean | undefined
}

export class UsageLog extends Context.Service<
  UsageLog,
  {
    readonly stage: Stage
    /** Counts a record and hands it to the store. Returns an effect only when durability is `strict`. */
    readonly record: (record: UsageRecord.UsageRecord) => Effect.Effect<void> | void
    /** Sums since the process started. */
    readonly totals: () => Totals
    /** What became of the calls to a provider since the process started. */
    readonly attemptsAt: (provider: string) => AttemptTotals
    readonly usage: (query: UsageQuery) => Effect.Effect<UsageReport, UsageUnavailable | SeriesTooLong>
    readonly requests: (query: RequestsQuery) => Effect.Effect<RequestPage, UsageUnavailable | InvalidCursor>
    readonly request: (id: string) => Effect.Effect<RequestDetail | undefined, UsageUnavailable>
    readonly health: () => DatabaseStatus
    /** The store itself, for what reads and changes history: failures, export, retention, prices. */
    readonly store: UsageStore
  }
>()("millrace/UsageLog") {
  /** Over a store, which lives as long as the layer: closing it writes what is still queued. */
  static readonly layer = <R>(
    store: Effect.Effect<UsageStore, never, R>,
    options: UsageLogOptions = {}
  ): Layer.Layer<UsageLog, never, Exclude<R, Scope.Scope>> =>
    Layer.effect(
      UsageLog,
      Effect.map(store, (opened) => make(opened, options))
    )
}

/** Points that a usage report has at most. */
export const maxPoints = 10_000

const dayMs = 86_400_000
const defaultLimit = 50

const make = (store: UsageStore, { content = false }: UsageLogOptions): UsageLog["Service"] => {
  const totals = {
    requests: 0,
    errors: 0,
    promptTokens: 0,
    completionTokens: 0,
    savedTokens: 0
  }
  const cost = new MoneySum()
  const saved = new MoneySum()
  const providerCacheSaved = new MoneySum()
  const providers = new ProviderTotals()

  const record = (entry: UsageRecord.UsageRecord) => {
    totals.requests += 1
    if (entry.status === "error") totals.errors += 1
    totals.promptTokens += UsageRecord.promptTokensOf(entry)
    totals.completionTokens += entry.output
    totals.savedTokens += entry.savedTokens
    cost.add(entry.costUsd)
    saved.add(entry.savedUsd)
    providerCacheSaved.add(entry.providerCacheSavedUsd)
    providers.add(entry)
    return store.write(entry)
  }

  const usage = Effect.fnUntraced(function* (query: UsageQuery) {
    const toMs = query.toMs ?? (yield* Clock.currentTimeMillis) + 1
    return yield* store.usage({
      ...query,
      fromMs: query.fromMs ?? toMs - dayMs,
      toMs,
      bucket: query.bucket ?? "hour",
      groupBy: query.groupBy
    })
  })

  const requests = Effect.fnUntraced(function* (query: RequestsQuery) {
    const { cursor, limit = defaultLimit, ...rest } = query
    const after = cursor === undefined ? undefined : decodeCursor(cursor)
    if (cursor !== undefined && after === undefined) return yield* new InvalidCursor()
    const found = yield* store.page({ ...rest, fromMs: query.fromMs, toMs: query.toMs, limit: limit + 1, after })
    const page = found.slice(0, limit)
    const last = found.length > limit ? page.at(-1) : undefined
    return {
      items: page.map((stored) => UsageRecord.toItem(stored.record)),
      nextCursor: last === undefined ? null : encodeCursor({ timeMs: last.record.timeMs, seq: last.seq })
    }
  })

  return UsageLog.of({
    stage: (next) => (call) => {
      call.settlement.add((outcome) => record(UsageRecord.fromCall(call, outcome, content)))
      return next(call)
    },
    record,
    totals: () => ({
      ...totals,
      costUsd: cost.usd,
      savedUsd: saved.usd,
      providerCacheSavedUsd: providerCacheSaved.usd
    }),
    attemptsAt: (provider) => providers.get(provider),
    usage,
    requests,
    request: (id) =>
      Effect.map(store.find(id), (entry) => (entry === undefined ? undefined : UsageRecord.toDetail(entry))),
    health: store.health,
    store
  })
}

/** A position as text that a caller gives back. */
export const encodeCursor = (position: Position): string =>
  `${position.timeMs.toString(36)}.${position.seq.toString(36)}`

/** Undefined for what `encodeCursor` did not make. */
export const decodeCursor = (text: string): Position | undefined => {
  if (!/^-?[0-9a-z]{1,10}\.[0-9a-z]{1,11}$/.test(text)) return undefined
  const [timeMs, seq] = text.split(".").map((digits) => Number.parseInt(digits, 36)) as [number, number]
  return Number.isSafeInteger(timeMs) && Number.isSafeInteger(seq) ? { timeMs, seq } : undefined
}
