/**
 * The thread that owns a connection to the usage database. It imports nothing that takes time to load.
 */
import { workerData } from "node:worker_threads"
import { unpack } from "./UsageBatch.ts"
import { type Answer, programOf, type Question } from "./UsageQuestions.ts"
import { rollUp } from "./UsageRollup.ts"
import { UsageTable, type UsageTableOptions } from "./UsageTable.ts"
import type { NumberedBatch } from "./UsageWriter.ts"
import { write } from "./UsageWrites.ts"
import { serve } from "./WorkerLoop.ts"

export interface WorkerOptions {
  readonly table: UsageTableOptions
  /** Milliseconds until a failed write or opening is tried again. */
  readonly retryMs: number
}

/** Records that are summed up in one step, for which the next write may have to wait. */
const rollUpStep = 5000

const { retryMs, table } = workerData as WorkerOptions

serve<UsageTable, NumberedBatch, Question, Answer>({
  path: table.path,
  retryMs,
  openAtStart: !table.readOnly,
  open: () => new UsageTable(table),
  write: (ready, { batch, packed, writer }) => ready.run(write("sqlite", { writer, batch, records: unpack(packed) })),
  answer: (ready, question) => ready.run(programOf("sqlite", question)),
  settle: (ready) => !table.readOnly && ready.run(rollUp("sqlite", rollUpStep)) === rollUpStep
})
