/**
 * Finding requests by what no sums are kept for: the failure, the latency, the beginning of the id.
 *
 * The places of a store lead to the records that have the other values asked for; these are looked at one by one, newest
 * first. A search looks at a bounded number of them and then says where to go on, so a page may be short, or empty, and
 * still have a next one.
 */
import { Effect } from "effect"
import type { UsageReport } from "../AdminAnswers.ts"
import {
  type ErrorGroup,
  maxPoints,
  type PageScan,
  type Position,
  type RecordFilters,
  type SeriesTooLong,
  type StoredRecord,
  type TooManyRecords,
  type UsageFilters,
  type UsageScan,
  type UsageStore,
  type UsageUnavailable
} from "../UsageLog.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { UsageAggregate } from "./UsageAggregate.ts"

export interface SearchScan extends UsageFilters, RecordFilters {
  readonly fromMs: number | undefined
  readonly toMs: number | undefined
  readonly limit: number
  readonly after: Position | undefined
}

export interface SearchPage {
  /** Newest first. */
  readonly found: ReadonlyArray<UsageRecord>
  /** Where to go on; undefined at the end. */
  readonly next: Position | undefined
}

/** Records that one search looks at: a first page, and where it has too few of them a second one. */
const lookedMax = 2000
const firstRows = 500

export const hasRecordFilters = ({ errorKind, fault, fingerprint, minLatencyMs, search }: RecordFilters): boolean =>
  (errorKind ?? fault ?? fingerprint ?? search ?? minLatencyMs) !== undefined

export const matches = (record: UsageRecord, filters: RecordFilters): boolean =>
  (filters.errorKind === undefined || record.errorKind === filters.errorKind) &&
  (filters.fault === undefined || record.fault === filters.fault) &&
  (filters.fingerprint === undefined || record.fingerprint === filters.fingerprint) &&
  (filters.search === undefined || record.id.startsWith(filters.search)) &&
  (filters.minLatencyMs === undefined || (record.latencyMs !== null && record.latencyMs >= filters.minLatencyMs))

export const search = (store: UsageStore, scan: SearchScan): Effect.Effect<SearchPage, UsageUnavailable> =>
  Effect.gen(function* () {
    const { errorKind, fault, fingerprint, limit, minLatencyMs, search: prefix, ...rest } = scan
    const filters: RecordFilters = { errorKind, fault, fingerprint, minLatencyMs, search: prefix }
    if (prefix !== undefined && scan.after === undefined) {
      // A whole id leads to its record.
      const record = yield* store.find(prefix)
      if (record !== undefined) return fits(record, scan) ? { found: [record], next: undefined } : nothing
    }
    const place = fingerprint === undefined ? {} : yield* placeOfGroup(store, fingerprint, scan)
    if (place === undefined) return nothing
    const narrowed = { ...rest, ...statusOf(scan), ...rangeOf(scan), ...place }
    if (narrowed.fromMs !== undefined && narrowed.toMs !== undefined && narrowed.fromMs >= narrowed.toMs) return nothing
    const found: Array<UsageRecord> = []
    let after = scan.after
    let last: Position | undefined
    let looked = 0
    for (;;) {
      const rows = looked === 0 && limit < firstRows ? firstRows : lookedMax - looked
      const page: ReadonlyArray<StoredRecord> = yield* store.page({
        ...narrowed,
        after,
        limit: rows
      } satisfies PageScan)
      for (const stored of page) {
        after = positionOf(stored)
        if (!matches(stored.record, filters)) continue
        if (found.length === limit) return { found, next: last }
        found.push(stored.record)
        last = after
      }
      looked += page.length
      if (page.length < rows) return { found, next: undefined }
      if (looked >= lookedMax) return { found, next: after }
    }
  })

/** Where the failures of a group are within a scan; undefined where there are none. */
const placeOfGroup = (store: UsageStore, fingerprint: string, scan: Omit<SearchScan, "after" | "limit">) => {
  const { fromMs = 0, key, model, provider, tenant, toMs = Number.MAX_SAFE_INTEGER } = scan
  const range = { fromMs, toMs, bucket: "day", limit: 1 } as const
  return Effect.map(store.errors({ ...range, fingerprint, key, model, provider, tenant }), ([group]) =>
    group === undefined ? undefined : placeOf(group)
  )
}

const positionOf = ({ record, seq }: StoredRecord): Position => ({ timeMs: record.timeMs, seq })

/** Records that sums look at. */
export const summedMax = 50_000

/** Sums of the requests that fit, made from the records. */
export const sums = (
  store: UsageStore,
  scan: UsageScan & Omit<RecordFilters, "search">
): Effect.Effect<UsageReport, UsageUnavailable | SeriesTooLong | TooManyRecords> =>
  Effect.gen(function* () {
    const place = scan.fingerprint === undefined ? {} : yield* placeOfGroup(store, scan.fingerprint, scan)
    if (place === undefined) return new UsageAggregate(scan.bucket, maxPoints).report()!
    return yield* store.recordSums({ ...scan, ...statusOf(scan), ...place, maxRecords: summedMax })
  })

/** Whether a record is one of those that a scan asks for. */
const fits = (record: UsageRecord, scan: SearchScan): boolean =>
  (scan.model === undefined || record.model === scan.model) &&
  (scan.provider === undefined || record.provider === scan.provider) &&
  (scan.tenant === undefined || record.tenant === scan.tenant) &&
  (scan.key === undefined || record.keyId === scan.key) &&
  (scan.status === undefined || record.status === scan.status) &&
  (scan.cache === undefined || record.cache === scan.cache) &&
  (scan.fromMs === undefined || record.timeMs >= scan.fromMs) &&
  (scan.toMs === undefined || record.timeMs < scan.toMs) &&
  matches(record, scan)

const nothing: SearchPage = { found: [], next: undefined }

/** What has failed has that status; what its caller left is told apart by its own kind of error. */
const statusOf = ({
  errorKind,
  fault,
  fingerprint,
  status
}: UsageFilters & RecordFilters): Pick<UsageFilters, "status"> => {
  if (status !== undefined) return {}
  if (errorKind === "Cancelled") return { status: "cancelled" }
  const failed = fingerprint !== undefined || errorKind !== undefined || (fault !== undefined && fault !== "caller")
  return failed ? { status: "error" } : {}
}

/** Digits of the time in an id, in base 36; enough until the year 2059. */
const timeDigits = 8
/** 2020; an id of an earlier time was made by somebody else. */
const firstIdMs = 1_577_836_800_000
/** A request's id is made when it begins to come in, its time is taken when it is there; a whole id finds what took longer. */
const comesInMs = 1500

/** The range, narrowed to the times that ids with such a beginning can be from (`RequestId.ts`). */
const rangeOf = ({ fromMs, search: prefix, toMs }: SearchScan): Pick<SearchScan, "fromMs" | "toMs"> => {
  const digits = /^req_([0-9a-z]+)/.exec(prefix ?? "")?.[1]?.slice(0, timeDigits)
  if (digits === undefined) return { fromMs, toMs }
  const first = Number.parseInt(digits.padEnd(timeDigits, "0"), 36)
  const last = Number.parseInt(digits.padEnd(timeDigits, "z"), 36)
  if (Number.isNaN(first) || last < firstIdMs) return { fromMs, toMs }
  return {
    fromMs: Math.max(fromMs ?? 0, first),
    toMs: Math.min(toMs ?? Number.POSITIVE_INFINITY, last + comesInMs)
  }
}

/** Who the failures of a group met, as far as they are counted. */
export interface Affected {
  /** The newest failures of the group, which is all of them where they are not too many. */
  readonly counted: number
  readonly keys: ReadonlyArray<{ readonly keyId: string | null; readonly count: number }>
  readonly tenants: ReadonlyArray<{ readonly tenant: string; readonly count: number }>
}

/** Keys and tenants of a group's failures in a range, the most affected first. */
export const affectedBy = (
  store: UsageStore,
  group: ErrorGroup,
  { key, tenant }: Pick<UsageFilters, "key" | "tenant">
): Effect.Effect<Affected, UsageUnavailable> =>
  Effect.map(
    search(store, {
      ...placeOf(group),
      fingerprint: group.fingerprint,
      key,
      tenant,
      limit: lookedMax,
      after: undefined
    }),
    ({ found }) => ({
      counted: found.length,
      keys: counted(found.map(({ keyId }) => keyId)).map(([keyId, count]) => ({ keyId, count })),
      tenants: counted(found.map((record) => record.tenant)).map(([name, count]) => ({ tenant: name, count }))
    })
  )

/** Where the failures of a group are: their model and provider, and the time in which they were seen. */
const placeOf = ({ firstSeenMs, lastSeenMs, model, provider }: ErrorGroup) => ({
  fromMs: firstSeenMs,
  toMs: lastSeenMs + 1,
  model: model ?? undefined,
  provider: provider ?? undefined
})

const affectedMax = 50

const counted = <Value>(values: ReadonlyArray<Value>): ReadonlyArray<readonly [Value, number]> => {
  const counts = new Map<Value, number>()
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1)
  return [...counts].sort(([x, a], [y, b]) => b - a || (String(x) < String(y) ? -1 : 1)).slice(0, affectedMax)
}
