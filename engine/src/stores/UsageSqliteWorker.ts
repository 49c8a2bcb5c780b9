/**
 * The thread that owns a connection to the usage database. It imports nothing that takes time to load.
 */
import { workerData } from "node:worker_threads"
import type { UsageReport } from "../AdminAnswers.ts"
import type { PageScan, StoredRecord, UsageScan } from "../UsageLog.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { unpack, type UsageBatch } from "./UsageBatch.ts"
import { UsageTable, type UsageTableOptions } from "./UsageTable.ts"
import { serve } from "./WorkerLoop.ts"

export interface WorkerOptions {
  readonly table: UsageTableOptions
  /** Milliseconds until a failed write or opening is tried again. */
  readonly retryMs: number
}

export type Question =
  | { readonly _tag: "usage"; readonly scan: UsageScan; readonly maxPoints: number }
  | { readonly _tag: "page"; readonly scan: PageScan }
  | { readonly _tag: "find"; readonly id: string }

/** Undefined stands for too many points, and for no such record. */
export type Answer = UsageReport | ReadonlyArray<StoredRecord> | UsageRecord | undefined

const { retryMs, table } = workerData as WorkerOptions

const answer = (ready: UsageTable, question: Question): Answer => {
  if (question._tag === "usage") return ready.usage(question.scan, question.maxPoints)
  return question._tag === "page" ? ready.page(question.scan) : ready.find(question.id)
}

serve<UsageTable, UsageBatch, Question, Answer>({
  path: table.path,
  retryMs,
  openAtStart: !table.readOnly,
  open: () => new UsageTable(table),
  write: (ready, batch) => ready.insert(unpack(batch)),
  answer
})
