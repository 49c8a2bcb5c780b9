/**
 * A usage store over threads that own the connections to a database: the same for SQLite and Postgres.
 *
 * Writing is handed to one thread and waited for only when durability is `strict` and the database is well. Questions wait
 * until what was written before them is in the database. What takes long, pruning, is done in steps between which the
 * thread writes. Closing the scope writes all that is queued.
 */
import { Effect, type Scope } from "effect"
import type { DatabaseStatus, UsageReport } from "../AdminAnswers.ts"
import {
  type ErrorGroup,
  maxPoints,
  type PruneScan,
  SeriesTooLong,
  type StoredRecord,
  TooManyRecords,
  type UsageScan,
  UsageUnavailable,
  type UsageStore
} from "../UsageLog.ts"
import { logOf } from "../Log.ts"
import { bucketMs } from "./UsageAggregate.ts"
import type { Answer, CellsPruned, Question } from "./UsageQuestions.ts"
import { firstCell } from "./UsageWrites.ts"
import { type UsageThread, UsageWriter, type UsageWriterOptions } from "./UsageWriter.ts"
import { type Report, WorkerThread } from "./WorkerThread.ts"

export interface UsageThreadsOptions extends UsageWriterOptions {
  readonly kind: DatabaseStatus["kind"]
  /** Name of the file of this folder that the threads run. */
  readonly worker: string
  readonly writerData: unknown
  /** Undefined where the writing thread answers questions too. */
  readonly readerData: unknown
  /** `strict` lets a request wait until its record is on disk, as long as the database is healthy. */
  readonly durability: "relaxed" | "strict"
  /** Milliseconds that closing waits for the last writes, 3000 by default. */
  readonly closeTimeoutMs?: number | undefined
}

/** Records or cells that one step of pruning looks at. */
const pruneStep = 2000

const log = logOf("UsageLog")

export const make = (options: UsageThreadsOptions): Effect.Effect<UsageStore, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const closeTimeoutMs = options.closeTimeoutMs ?? 3000
    const threadOf = (data: unknown, onReport: (report: Report) => void): UsageThread =>
      new WorkerThread(options.worker, data, onReport)
    const writer = yield* Effect.acquireRelease(
      Effect.sync(() => new UsageWriter(options, run, (onReport) => threadOf(options.writerData, onReport))),
      (writer) =>
        Effect.flatMap(
          Effect.promise(() => writer.close(closeTimeoutMs)),
          (lost) => (lost === 0 ? Effect.void : log.warn("usage records could not be written", { count: lost }))
        )
    )
    const reader =
      options.readerData === undefined
        ? writer.thread
        : yield* Effect.acquireRelease(
            Effect.sync(() => threadOf(options.readerData, () => {})),
            (reader) => Effect.promise(() => reader.close(closeTimeoutMs))
          )

    const askOf = <A extends Answer>(thread: UsageThread, question: Question): Effect.Effect<A, UsageUnavailable> =>
      Effect.andThen(
        Effect.suspend(() => writer.written()),
        Effect.callback<A, UsageUnavailable>((resume) =>
          thread.ask(question, (answered) =>
            resume(
              answered._tag === "answer"
                ? Effect.succeed(answered.answer as A)
                : Effect.fail(new UsageUnavailable({ detail: answered.reason }))
            )
          )
        )
      )
    const ask = <A extends Answer>(question: Question) => askOf<A>(reader, question)
    const change = <A extends Answer>(question: Question) => askOf<A>(writer.thread, question)

    const usageText = (scan: UsageScan) =>
      Effect.flatMap(ask<string | undefined>({ _tag: "usage", scan, maxPoints }), (text) =>
        text === undefined ? Effect.fail(new SeriesTooLong({ maxPoints })) : Effect.succeed(text)
      )

    const prune = Effect.fnUntraced(function* (scan: PruneScan) {
      const beforeMs = Math.floor(scan.beforeMs / bucketMs.day) * bucketMs.day
      while ((yield* change<number>({ _tag: "rollUp", limit: pruneStep })) > 0);
      yield* change({ _tag: "beginPrune", beforeMs })
      let rows = 0
      let rollups = 0
      for (let deleted = 1; deleted > 0; rows += deleted) {
        deleted = yield* change<number>({ _tag: "pruneRecords", beforeMs, limit: pruneStep })
      }
      let from = scan.keepRollups ? undefined : firstCell()
      while (from !== undefined) {
        const pruned: CellsPruned = yield* change<CellsPruned>({ _tag: "pruneCells", beforeMs, from, limit: pruneStep })
        rollups += pruned.deleted
        from = pruned.next
      }
      return { rows, rollups }
    })

    return {
      write: options.durability === "strict" ? (record) => writer.addAndWait(record) : (record) => writer.add(record),
      usage: (scan) => Effect.map(usageText(scan), (text) => JSON.parse(text) as UsageReport),
      usageText,
      recordSums: Effect.fnUntraced(function* (scan) {
        const text = yield* ask<string | null | undefined>({ _tag: "recordSums", scan, maxPoints })
        if (text === null) return yield* new TooManyRecords({ maxRecords: scan.maxRecords })
        if (text === undefined) return yield* new SeriesTooLong({ maxPoints })
        return JSON.parse(text) as UsageReport
      }),
      page: (scan) => ask<ReadonlyArray<StoredRecord>>({ _tag: "page", scan }),
      find: (id) => Effect.map(ask<StoredRecord | undefined>({ _tag: "find", id }), (stored) => stored?.record),
      errors: (scan) => ask<ReadonlyArray<ErrorGroup>>({ _tag: "errors", scan }),
      scanRows: (scan, after) => ask<ReadonlyArray<StoredRecord>>({ _tag: "rows", scan, after }),
      prune,
      reprice: (changes) => change<number>({ _tag: "reprice", changes }),
      health: () => ({
        kind: options.kind,
        healthy: writer.reason === null,
        rowsDropped: writer.dropped,
        reason: writer.reason,
        ...(writer.sumsReason === null ? {} : { sumsReason: writer.sumsReason })
      })
    }
  })
