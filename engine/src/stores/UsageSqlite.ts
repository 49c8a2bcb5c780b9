/**
 * Usage records in a SQLite file, written behind by a thread of their own.
 *
 * When the disk is full, locked or gone, new records wait in a bounded queue, then are dropped and counted; the health says
 * why, and requests go on. Questions are answered by a second thread, so that a long one delays no write.
 */
import type { Effect, Scope } from "effect"
import type { UsageStore } from "../UsageLog.ts"
import type { WorkerOptions } from "./UsageSqliteWorker.ts"
import * as UsageThreads from "./UsageThreads.ts"

export interface UsageSqliteOptions {
  /** A file, or `:memory:`. */
  readonly path: string
  /** `strict` lets a request wait until its record is on disk, as long as the database is healthy. */
  readonly durability: "relaxed" | "strict"
  /** Records that may wait for the database, 20,000 by default. */
  readonly maxQueued?: number | undefined
  /** Milliseconds that a write waits for a lock of another process, 1000 by default. */
  readonly busyTimeoutMs?: number | undefined
  /** Milliseconds until a failed write is tried again, 500 by default. */
  readonly retryMs?: number | undefined
  /** Milliseconds that closing waits for the last writes, 3000 by default. */
  readonly closeTimeoutMs?: number | undefined
}

/** Opens the database aside: the effect succeeds at once, and `health` says whether that went well. */
export const make = (options: UsageSqliteOptions): Effect.Effect<UsageStore, never, Scope.Scope> =>
  UsageThreads.make({
    ...options,
    kind: "sqlite",
    worker: "UsageSqliteWorker",
    writerData: workerOptions(options, false),
    readerData: options.path === ":memory:" ? undefined : workerOptions(options, true)
  })

const workerOptions = (options: UsageSqliteOptions, readOnly: boolean): WorkerOptions => ({
  table: {
    path: options.path,
    busyTimeoutMs: options.busyTimeoutMs ?? 1000,
    synchronous: options.durability === "strict" ? "full" : "normal",
    readOnly
  },
  retryMs: options.retryMs ?? 500
})
