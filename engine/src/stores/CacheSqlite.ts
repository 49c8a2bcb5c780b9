/**
 * Entries of the exact cache in a SQLite file, written behind by a thread of their own.
 *
 * Changes wait in a bounded queue and go to the thread in batches, one at a time, after 200 ms. When the queue is full,
 * because the disk is full, locked or gone, new entries are dropped and counted and the health says why; removals and
 * purges are never dropped. Closing the scope writes what is queued. No request ever waits for it.
 */
import { Clock, Effect, type Fiber, Result, type Scope } from "effect"
import { type CacheRecord, decodeRecord } from "../CacheRecord.ts"
import type { CacheStore } from "../CacheStore.ts"
import { logOf, reasonOf } from "../Log.ts"
import type { CacheChange, CacheRow, CacheScan } from "./CacheRows.ts"
import type { CacheBatch, CacheWorkerOptions } from "./CacheSqliteWorker.ts"
import { type Report, WorkerThread } from "./WorkerThread.ts"

export interface CacheSqliteOptions {
  /** A file, or `:memory:`. */
  readonly path: string
  /** Entries that are kept, the newest. */
  readonly maxEntries: number
  /** Changes that may wait for the database, 20,000 by default. */
  readonly maxQueued?: number | undefined
  /** Milliseconds that a write waits for a lock of another process, 1000 by default. */
  readonly busyTimeoutMs?: number | undefined
  /** Milliseconds until a failed write is tried again, 500 by default. */
  readonly retryMs?: number | undefined
  /** Milliseconds that closing waits for the last writes, 3000 by default. */
  readonly closeTimeoutMs?: number | undefined
}

const flushMs = 200

/** Changes of one batch; their records are written as JSON in one go, which takes about a millisecond. */
const batchMax = 200

/** Rows that are read in one go. */
const pageRows = 100

const log = logOf("Cache")

/** Opens the database aside: the effect succeeds at once, and `health` says whether that went well. */
export const make = (options: CacheSqliteOptions): Effect.Effect<CacheStore, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const clock = yield* Clock.Clock
    const writer = yield* Effect.acquireRelease(
      Effect.sync(() => new Writer(options, run, () => clock.currentTimeMillisUnsafe())),
      (writer) =>
        Effect.flatMap(
          Effect.promise(() => writer.close(options.closeTimeoutMs ?? 3000)),
          (lost) => (lost === 0 ? Effect.void : log.warn("cache entries could not be stored", { count: lost }))
        )
    )

    const page = (scan: CacheScan): Effect.Effect<ReadonlyArray<CacheRow>> =>
      Effect.callback((resume) =>
        writer.thread.ask(scan, (answered) => resume(Effect.succeed(answered._tag === "answer" ? answered.answer : [])))
      )

    const load: CacheStore["load"] = ({ maxEntries, nowMs }, take) => {
      const from = (after: CacheScan["after"]): Effect.Effect<void> =>
        Effect.flatMap(page({ nowMs, maxRows: maxEntries, after, limit: pageRows }), (rows) => {
          take(rows.flatMap(recordOf))
          const last = rows.at(-1)
          return rows.length < pageRows || last === undefined
            ? Effect.void
            : Effect.andThen(Effect.yieldNow, from({ storedAtMs: last.storedAtMs, key: last.key }))
        })
      return from(undefined)
    }

    return {
      put: (record) => writer.put(record),
      remove: (key) => writer.add({ _tag: "remove", key }),
      purge: (filter) => writer.purge({ _tag: "purge", filter }),
      load,
      flush: Effect.callback<void>((resume) => writer.whenWritten(() => resume(Effect.void))),
      health: () => ({
        kind: "sqlite",
        healthy: writer.reason === null,
        dropped: writer.dropped,
        reason: writer.reason
      })
    }
  })

/** A row that can't be read, because somebody else wrote it, is none. */
const recordOf = (row: CacheRow): ReadonlyArray<CacheRecord> => {
  try {
    const decoded = decodeRecord(JSON.parse(row.record))
    return Result.isSuccess(decoded) ? [decoded.success] : []
  } catch {
    return []
  }
}

const rowOf = (record: CacheRecord): CacheRow => {
  const { expiresAtMs, key, model, namespace, provider, storedAtMs, tenant } = record
  return { key, provider, model, tenant, namespace, storedAtMs, expiresAtMs, record: JSON.stringify(record) }
}

type Waiting = Exclude<CacheChange, { readonly _tag: "put" }> | { readonly _tag: "put"; readonly record: CacheRecord }

/** The queue in front of the writing thread. */
class Writer {
  readonly thread: WorkerThread<CacheBatch, CacheScan, ReadonlyArray<CacheRow>>
  dropped = 0
  /** What is wrong with the database; null while it is well. */
  reason: string | null = null
  private readonly maxQueued: number
  private readonly retryMs: number
  private readonly run: (effect: Effect.Effect<unknown>) => Fiber.Fiber<unknown>
  private readonly nowMs: () => number
  private queue: Array<Waiting> = []
  /** The batch that is with the thread. */
  private sent: CacheBatch | undefined
  private timer: NodeJS.Timeout | undefined
  private closed = false
  private waiters: Array<() => void> = []

  constructor(options: CacheSqliteOptions, run: Writer["run"], nowMs: () => number) {
    this.maxQueued = options.maxQueued ?? 20_000
    this.retryMs = options.retryMs ?? 500
    this.run = run
    this.nowMs = nowMs
    const data: CacheWorkerOptions = {
      rows: { path: options.path, busyTimeoutMs: options.busyTimeoutMs ?? 1000, maxRows: options.maxEntries },
      retryMs: this.retryMs
    }
    this.thread = new WorkerThread("CacheSqliteWorker", data, (report) => this.receive(report))
    this.thread.start()
  }

  put(record: CacheRecord): void {
    if (this.closed || this.queue.length >= this.maxQueued) this.dropped += 1
    else this.add({ _tag: "put", record })
  }

  /** What was put before and matches needs no writing any more. */
  purge(change: Extract<CacheChange, { readonly _tag: "purge" }>): void {
    if (Object.values(change.filter).every((value) => value === undefined)) this.queue = []
    this.add(change)
  }

  add(change: Waiting): void {
    this.queue.push(change)
    this.timer ??= setTimeout(() => this.send(), flushMs).unref()
  }

  /** Calls back when all that was handed over is written, or the database is found to be unwell. */
  whenWritten(resume: () => void): void {
    if (this.isDone()) return resume()
    this.waiters.push(resume)
    this.send()
  }

  /** Writes what is queued, for `timeoutMs` at most. Returns the number of changes that are lost. */
  async close(timeoutMs: number): Promise<number> {
    this.closed = true
    if (this.sent !== undefined || this.queue.length > 0) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timeout = setTimeout(resolve, timeoutMs)
      this.whenWritten(resolve)
      await promise
      clearTimeout(timeout)
    }
    clearTimeout(this.timer)
    const lost = this.queue.length + (this.sent?.changes.length ?? 0)
    await this.thread.close(lost === 0 ? timeoutMs : 0)
    return lost
  }

  private isDone(): boolean {
    return this.reason !== null || (this.sent === undefined && this.queue.length === 0)
  }

  private send(): void {
    clearTimeout(this.timer)
    this.timer = undefined
    if (this.sent !== undefined || this.queue.length === 0) return
    const changes = this.queue
      .splice(0, batchMax)
      .map((change): CacheChange => (change._tag === "put" ? { _tag: "put", row: rowOf(change.record) } : change))
    this.sent = { nowMs: this.nowMs(), changes }
    this.thread.write(this.sent)
  }

  private receive(report: Report): void {
    switch (report._tag) {
      case "written":
        this.sent = undefined
        this.healed()
        return this.send()
      case "opened":
        return this.healed()
      // The cache has no sums that would be made later.
      case "settling":
        return undefined
      case "failed":
        return this.failed(report.reason)
      case "died":
        setTimeout(() => (this.sent === undefined ? this.thread.start() : this.thread.write(this.sent)), this.retryMs)
        return this.failed(report.reason)
    }
  }

  private healed(): void {
    if (this.reason !== null) this.run(log.info("the cache's database is well again"))
    this.reason = null
    this.wake()
  }

  private failed(reason: string): void {
    if (this.reason === null) this.run(log.warn("the cache's database can't be written", { reason: reasonOf(reason) }))
    this.reason = reason
    this.wake()
  }

  private wake(): void {
    if (!this.isDone()) return
    const waiters = this.waiters
    this.waiters = []
    for (const resume of waiters) resume()
  }
}
