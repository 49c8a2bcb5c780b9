/**
 * The bounded queue of usage records in front of a thread that writes them.
 *
 * Records go to the thread in batches, one at a time: after 200 ms, or as soon as 500 wait, so batches grow with the load.
 * When the queue is full, because the database is slow, locked or gone, new records are dropped and counted. A batch has a
 * number, so that the database knows one that it is sent again.
 */
import { randomUUID } from "node:crypto"
import { Effect, type Fiber } from "effect"
import { logOf, reasonOf } from "../Log.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { type UsageBatch, UsagePacker } from "./UsageBatch.ts"
import type { Answer, Question } from "./UsageQuestions.ts"
import type { Refused } from "./UsageRefusal.ts"
import type { Report, WorkerThread } from "./WorkerThread.ts"

const log = logOf("UsageLog")

export interface UsageWriterOptions {
  /** Records that may wait for the database, 20,000 by default. */
  readonly maxQueued?: number | undefined
  /** Milliseconds until a failed write is tried again, 500 by default. */
  readonly retryMs?: number | undefined
}

/** A batch on its way to the thread. */
export interface NumberedBatch {
  readonly writer: string
  readonly batch: number
  readonly packed: UsageBatch
}

export type UsageThread = WorkerThread<NumberedBatch, Question, Answer>

const flushMs = 200
const flushRecords = 500

/** The queue in front of the writing thread. Records are numbered as they are taken in, so that writes can be awaited. */
export class UsageWriter {
  readonly thread: UsageThread
  dropped = 0
  /** What is wrong with the database; null while it is well. */
  reason: string | null = null
  /** Why records are not summed up; null while they are. */
  sumsReason: string | null = null
  private readonly maxQueued: number
  private readonly retryMs: number
  private readonly run: (effect: Effect.Effect<unknown>) => Fiber.Fiber<unknown>
  private queue = new UsagePacker()
  /** The batch that is with the thread. */
  private sent: NumberedBatch | undefined
  private readonly writer = randomUUID()
  private batches = 0
  private taken = 0
  private acknowledged = 0
  private open = false
  private closed = false
  private timer: Fiber.Fiber<unknown> | undefined
  private waiters: Array<{ readonly upTo: number; readonly resume: () => void }> = []
  private drained: (() => void) | undefined

  constructor(
    options: UsageWriterOptions,
    run: UsageWriter["run"],
    threadOf: (onReport: (report: Report) => void) => UsageThread
  ) {
    this.maxQueued = options.maxQueued ?? 20_000
    this.retryMs = options.retryMs ?? 500
    this.run = run
    this.thread = threadOf((report) => this.receive(report))
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
    this.sent = { writer: this.writer, batch: ++this.batches, packed: this.queue.pack() }
    this.queue = new UsagePacker()
    this.thread.write(this.sent)
  }

  private receive(report: Report): void {
    switch (report._tag) {
      case "opened":
        return this.healed()
      case "settling":
        return this.settling(report.reason)
      case "written":
        this.refused(report.refused)
        this.acknowledged += this.sent?.packed.size ?? 0
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

  private refused(refused: Refused | undefined): void {
    if (refused === undefined) return
    this.dropped += refused.count
    const { count, reason } = refused
    this.run(log.warn("usage records were refused by the database", { count, reason: reasonOf(reason) }))
  }

  private settling(reason: string | null): void {
    this.sumsReason = reason
    this.run(
      reason === null
        ? log.info("the sums of usage records are kept up again")
        : log.warn("usage records can't be summed up", { reason: reasonOf(reason) })
    )
  }

  private healed(): void {
    this.open = true
    if (this.reason !== null) this.run(log.info("the usage database is well again"))
    this.reason = null
    this.wake()
  }

  private failed(reason: string): void {
    if (this.reason === null) this.run(log.warn("the usage database can't be written", { reason: reasonOf(reason) }))
    this.reason = reason
    this.wake()
  }

  private wake(): void {
    const waiters = this.waiters
    this.waiters = waiters.filter((waiter) => !this.isWritten(waiter.upTo))
    for (const waiter of waiters) if (this.isWritten(waiter.upTo)) waiter.resume()
  }
}
