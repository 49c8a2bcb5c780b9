/**
 * The thread that owns a connection to the cache's database. It imports nothing that takes time to load.
 */
import { workerData } from "node:worker_threads"
import { type CacheChange, type CacheRow, CacheRows, type CacheRowsOptions, type CacheScan } from "./CacheRows.ts"
import { serve } from "./WorkerLoop.ts"

export interface CacheWorkerOptions {
  readonly rows: CacheRowsOptions
  /** Milliseconds until a failed write or opening is tried again. */
  readonly retryMs: number
}

/** Changes, and the time in epoch milliseconds at which they were sent. */
export interface CacheBatch {
  readonly nowMs: number
  readonly changes: ReadonlyArray<CacheChange>
}

const { retryMs, rows } = workerData as CacheWorkerOptions

serve<CacheRows, CacheBatch, CacheScan, ReadonlyArray<CacheRow>>({
  path: rows.path,
  retryMs,
  openAtStart: true,
  open: () => new CacheRows(rows),
  write: (ready, { changes, nowMs }) => ready.apply(changes, nowMs),
  answer: (ready, scan) => ready.scan(scan)
})
