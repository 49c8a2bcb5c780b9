/**
 * Usage records in Postgres, written behind by a thread of their own: for instances that share their history.
 *
 * When Postgres is away or does not answer, new records wait in a bounded queue, then are dropped and counted; the health
 * says why, without the password, and requests go on. Instances take turns writing and summing up.
 */
import { type Effect, Redacted, type Scope } from "effect"
import type { UsageStore } from "../UsageLog.ts"
import type { PostgresWorkerOptions } from "./UsagePostgresWorker.ts"
import * as UsageThreads from "./UsageThreads.ts"

export interface UsagePostgresOptions {
  readonly url: Redacted.Redacted
  /** `strict` lets a request wait until its record is on disk, as long as the database is healthy. */
  readonly durability: "relaxed" | "strict"
  /** Records that may wait for the database, 20,000 by default. */
  readonly maxQueued?: number | undefined
  /** Milliseconds until a failed write is tried again, 500 by default. */
  readonly retryMs?: number | undefined
  /** Milliseconds without an answer after which the database counts as unwell, 1000 by default. */
  readonly stallMs?: number | undefined
  /** Milliseconds without an answer after which the connections are made anew, 30,000 by default. */
  readonly giveUpMs?: number | undefined
  /** Milliseconds that closing waits for the last writes, 3000 by default. */
  readonly closeTimeoutMs?: number | undefined
}

/** Connects aside: the effect succeeds at once, and `health` says whether that went well. */
export const make = (options: UsagePostgresOptions): Effect.Effect<UsageStore, never, Scope.Scope> => {
  const data: PostgresWorkerOptions = {
    url: Redacted.value(options.url),
    retryMs: options.retryMs ?? 500,
    stallMs: options.stallMs ?? 1000,
    giveUpMs: options.giveUpMs ?? 30_000
  }
  return UsageThreads.make({
    ...options,
    kind: "postgres",
    worker: "UsagePostgresWorker",
    writerData: data,
    readerData: undefined
  })
}
