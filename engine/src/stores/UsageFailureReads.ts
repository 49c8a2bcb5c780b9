/**
 * The question about failures by fingerprint, as a program for a SQL database.
 *
 * Counts by minute, hour and day answer it, for one tenant or for all; the ends of a range are read from the records, and
 * so is what one key has met. It changes nothing and sees one state of the database.
 */
import type { ErrorGroup, ErrorsScan } from "../UsageLog.ts"
import { type FailureWords, UsageFailures } from "./UsageFailures.ts"
import { conditionsOf, dimsWith } from "./UsagePlaces.ts"
import { endOfDay, overrunOf } from "./UsageReads.ts"
import { readState } from "./UsageRollup.ts"
import { fingerprints } from "./UsageSchema.ts"
import { cover, type SumsState, wordOf } from "./UsageShapes.ts"
import { lookup, query, type SqlProgram, type SqlRow } from "./UsageSql.ts"

export const errors = function* (scan: ErrorsScan): SqlProgram<ReadonlyArray<ErrorGroup>> {
  const state = yield* readState()
  const { rolled } = state
  const found = new UsageFailures(scan.bucket)
  const words = new Map<string, FailureWords>()
  const { fromMs, toMs } = scan
  const { values, where } = conditionsOf(scan)
  if (scan.kind !== undefined) {
    where.push("error_kind = ?")
    values.push(scan.kind)
  }
  if (scan.fingerprint !== undefined) {
    where.push("fingerprint = ?")
    values.push(scan.fingerprint)
  }
  const addRecords = function* (from: number, to: number, time: string, bound: string): SqlProgram<void> {
    const filter = [...where, `${time} >= ?`, `${time} < ?`, bound, "fingerprint IS NOT NULL"].join(" AND ")
    const failing = yield query(
      `SELECT fingerprint, time_ms, id, error_kind, fault, provider, model, error_detail
       FROM usage_records WHERE ${filter}`,
      ...values,
      from,
      to,
      rolled
    )
    for (const row of failing) {
      const [fingerprint, timeMs, id] = row as [string, number, string]
      found.add({ fingerprint, count: 1, firstMs: timeMs, lastMs: timeMs, sampleId: id })
      words.set(fingerprint, wordsIn(row.slice(3)))
    }
  }
  if (scan.key === undefined) {
    const end = (yield* overrunOf(scan, state)) === 0 ? endOfDay(toMs) : toMs
    for (const stretch of coverFailures(fromMs, end, scan.bucket, state)) {
      if (stretch.sizeMs === 0) {
        yield* addRecords(stretch.fromMs, stretch.toMs, "time_ms", "+seq <= ?")
        continue
      }
      const counts = yield query(
        `SELECT f.fingerprint, f.failures, f.first_ms, f.last_ms, f.sample_id, p.kind, p.fault, p.provider, p.model, p.message
         FROM usage_failures f JOIN usage_fingerprints p ON p.fingerprint = f.fingerprint
         WHERE f.size_ms = ? AND f.start_ms >= ? AND f.start_ms < ? AND f.tenant = ?`,
        stretch.sizeMs,
        stretch.fromMs,
        stretch.toMs,
        scan.tenant === undefined ? "" : wordOf(scan.tenant)
      )
      for (const row of counts) {
        const group = wordsIn(row.slice(5))
        const [fingerprint, count, firstMs, lastMs, sampleId] = row as [string, number, number, number, string]
        if (!fits(group, fingerprint, scan)) continue
        found.add({ fingerprint, count, firstMs, lastMs, sampleId })
        words.set(fingerprint, group)
      }
    }
  } else {
    // Keys are too many for sums of their own; the places of a key's failures lead to them, the newest of each combination.
    for (const [id] of yield dimsWith({ ...scan, status: "error" })) {
      const failing = yield query(
        `SELECT r.fingerprint, r.time_ms, r.id FROM usage_places p JOIN usage_records r ON r.seq = p.seq
         WHERE p.dims = ? AND p.time_ms >= ? AND p.time_ms < ? AND r.seq <= ? AND r.fingerprint IS NOT NULL
         ORDER BY p.time_ms DESC, p.seq DESC LIMIT ?`,
        id!,
        fromMs,
        toMs,
        rolled,
        failuresOfPlace
      )
      for (const row of failing) {
        const [fingerprint, timeMs, sampleId] = row as [string, number, string]
        found.add({ fingerprint, count: 1, firstMs: timeMs, lastMs: timeMs, sampleId })
      }
    }
    const columns = ["fingerprint", "kind", "fault", "provider", "model", "message"]
    const keys = found.fingerprints.map((fingerprint) => [fingerprint])
    for (const [fingerprint, ...group] of yield lookup(fingerprints, ["fingerprint"], columns, keys)) {
      if (fingerprint === null) continue
      if (fits(wordsIn(group), fingerprint as string, scan)) words.set(fingerprint as string, wordsIn(group))
    }
  }
  yield* addRecords(fromMs, toMs, "+time_ms", "seq > ?")
  return found.report(words, scan.limit)
}

/** Failures of one key and one combination of values that are looked at. */
const failuresOfPlace = 20_000

const wordsIn = (row: SqlRow): FailureWords => {
  const [kind, fault, provider, model, message] = row as ReadonlyArray<string | null>
  return { kind: kind!, fault: fault as FailureWords["fault"], provider: provider!, model: model!, message: message! }
}

const fits = (words: FailureWords, fingerprint: string, scan: ErrorsScan): boolean =>
  (scan.provider === undefined || words.provider === scan.provider) &&
  (scan.model === undefined || words.model === scan.model) &&
  (scan.kind === undefined || words.kind === scan.kind) &&
  (scan.fingerprint === undefined || fingerprint === scan.fingerprint)

/** Counts of failures are kept by minute, hour and day; `sizeMs` is 0 where the records are read. */
const coverFailures = (fromMs: number, toMs: number, bucket: ErrorsScan["bucket"], state: SumsState) =>
  cover({ fromMs, toMs }, bucket, new Set(), state).map((stretch) => ({
    fromMs: stretch.fromMs,
    toMs: stretch.toMs,
    sizeMs: stretch.shape?.sizeMs ?? 0
  }))
