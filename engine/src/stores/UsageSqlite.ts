/**
 * Usage records in a SQLite file, written behind by a thread of their own.
 *
 * Records wait in a bounded queue and go to the thread in batches, one at a time: after 200 ms, or as soon as 500 wait.
 * When the queue is full, because the disk is full, locked or gone, new records are dropped and counted, the health says
 * why, and requests go on; what is queued is written when the database is well again. Closing the scope writes all.
 * Questions are answered by a second thread, so that a long one delays no write.
 */
import { Effect, type Fiber, type Scope } from "effect"
import type { UsageReport } from "../AdminAnswers.ts"
import { maxPoints, SeriesTooLong, type StoredRecord, UsageUnavailable, type UsageStore } from "../UsageLog.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { type UsageBatch, UsagePacker } from "./UsageBatch.ts"
import type { Answer, Question, WorkerOptions } from "./UsageSqliteWorker.ts"
import { type Report, WorkerThread } from "./WorkerThread.ts"

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

const flushMs = 200
const flushRecords = 500

/** Opens the database aside: the effect succeeds at once, and `health` says whether that went well. */
export const make = (options: UsageSqliteOptions): Effect.Effect<UsageStore, never, Scope.Scope> =>
  Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const closeTimeoutMs = options.closeTimeoutMs ?? 3000
    const writer = yield* Effect.acquireRelease(
      Effect.sync(() => new Writer(options, run)),
      (writer) =>
        Effect.flatMap(
          Effect.promise(() => writer.close(closeTimeoutMs)),
          (lost) => (lost === 0 ? Effect.void : Effect.logWarning(`${lost} usage records could not be written`))
        )
    )
    const reader =
      options.path === ":memory:"
        ? writer.thread
        : yield* Effect.acquireRelease(
            Effect.sync(() => threadOf(options, true, () => {})),
            (reader) => Effect.promise(() => reader.close(closeTimeoutMs))
          )

    const ask = <A extends Answer>(question: Question): Effect.Effect<A, UsageUnavailable> =>
      Effect.andThen(
        Effect.suspend(() => writer.written()),
        Effect.callback<A, UsageUnavailable>((resume) =>
          reader.ask(question, (answered) =>
            resume(
              answered._tag === "answer"
                ? Effect.succeed(answered.answer as A)
                : Effect.fail(new UsageUnavailable({ detail: answered.reason }))
            )
          )
        )
      )

    return {
      write: options.durability === "strict" ? (record) => writer.addAndWait(record) : (record) => writer.add(record),
      usage: (scan) =>
        Effect.flatMap(ask<UsageReport | undefined>({ _tag: "usage", scan, maxPoints }), (report) =>
          report === undefined ? Effect.fail(new SeriesTooLong({ maxPoints })) : Effect.succeed(report)
        ),
      page: (scan) => ask<ReadonlyArray<StoredRecord>>({ _tag: "page", scan }),
      find: (id) => ask<UsageRecord | undefined>({ _tag: "find", id }),
      health: () => ({
        kind: "sqlite",
        healthy: writer.reason === null,
        rowsDropped: writer.dropped,
        reason: writer.reason
      })
    }
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

type Thread = WorkerThread<UsageBatch, Question, Answer>

const threadOf = (options: UsageSqliteOptions, readOnly: boolean, onReport: (report: Report) => void): Thread =>
  new WorkerThread("UsageSqliteWorker", workerOptions(options, readOnly), onReport)

/** The queue in front of the writing thread. Records are numbered as they are taken in, so that writes can be awaited. */
class Writer {
  readonly thread: Thread
  dropped = 0
  /** What is wrong with the database; null while it is well. */
  reason: string | null = null
  private readonly maxQueued: number
  private readonly retryMs: number
  private readonly run: (effect: Effect.Effect<unknown>) => Fiber.Fiber<unknown>
  private queue = new UsagePacker()
  /** The batch that is with the thread. */
  private sent: UsageBatch | undefined
  private taken = 0
  private acknowledged = 0
  private open = false
  private closed = false
  private timer: Fiber.Fiber<unknown> | undefined
  private waiters: Array<{ readonly upTo: number; readonly resume: () => void }> = []
  private drained: (() => void) | undefined

  constructor(options: UsageSqliteOptions, run: Writer["run"]) {
    this.maxQueued = options.maxQueued ?? 20_000
    this.retryMs = options.retryMs ?? 500
    this.run = run
    this.thread = threadOf(options, false, (report) => this.receive(report))
    this.thread.start()
  }

  add(record: UsageRecord): void {
    if (this.closed || this.taken - this.acknowledged >= this.maxQueued) {
      this.dropped += 1
      return
    }
    this.taken += 1
    this.queue.add(record)
    if (this.queue.size >= flushRecords) this.send()
    else if (this.timer === undefined) {
      this.timer = this.run(
        Effect.andThen(
          Effect.sleep(flushMs),
          Effect.sync(() => {
            this.timer = undefined
            this.send()
          })
        )
      )
    }
  }

  addAndWait(record: UsageRecord): Effect.Effect<void> {
    this.add(record)
    return this.written(this.taken)
  }

  /** Waits until a record, else all of those taken in so far, are written, or the database is found to be unwell. */
  written(upTo = this.taken): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      if (this.isWritten(upTo)) return resume(Effect.void)
      this.waiters.push({ upTo, resume: () => resume(Effect.void) })
      this.send()
    })
  }

  /** Writes what is queued, for `timeoutMs` at most. Returns the number of records that are lost. */
  async close(timeoutMs: number): Promise<number> {
    this.closed = true
    this.timer?.interruptUnsafe()
    if (this.acknowledged < this.taken) {
      const { promise, resolve } = Promise.withResolvers<void>()
      const timeout = setTimeout(resolve, timeoutMs)
      this.drained = resolve
      this.send()
      await promise
      clearTimeout(timeout)
    }
    const lost = this.taken - this.acknowledged
    this.dropped += lost
    await this.thread.close(lost === 0 ? timeoutMs : 0)
    return lost
  }

  private isWritten(upTo: number): boolean {
    return this.reason !== null || (this.open && this.acknowledged >= upTo)
  }

  private send(): void {
    if (this.sent !== undefined || this.queue.size === 0) return
    this.timer?.interruptUnsafe()
    this.timer = undefined
    this.sent = this.queue.pack()
    this.queue = new UsagePacker()
    this.thread.write(this.sent)
  }

  private receive(report: Report): void {
    switch (report._tag) {
      case "opened":
        return this.healed()
      case "written":
        this.acknowledged += this.sent?.size ?? 0
        this.sent = undefined
        this.healed()
        if (this.timer === undefined || this.waiters.length > 0 || this.queue.size >= flushRecords) this.send()
        if (this.acknowledged === this.taken) this.drained?.()
        return
      case "failed":
        return this.failed(report.reason)
      case "died":
        setTimeout(() => (this.sent === undefined ? this.thread.start() : this.thread.write(this.sent)), this.retryMs)
        return this.failed(report.reason)
    }
  }

  private healed(): void {
    this.open = true
    if (this.reason !== null) this.run(Effect.logInfo("the usage database is well again"))
    this.reason = null
    this.wake()
  }

  private failed(reason: string): void {
    if (this.reason === null) this.run(Effect.logWarning(`the usage database can't be written: ${reason}`))
    this.reason = reason
    this.wake()
  }

  private wake(): void {
    const waiters = this.waiters
    this.waiters = waiters.filter((waiter) => !this.isWritten(waiter.upTo))
    for (const waiter of waiters) if (this.isWritten(waiter.upTo)) waiter.resume()
  }
}
