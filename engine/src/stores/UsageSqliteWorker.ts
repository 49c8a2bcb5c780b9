/**
 * The thread that owns a connection to the usage database. It imports nothing that takes time to load.
 */
import { workerData } from "node:worker_threads"
import type { UsageRecord } from "../UsageRecord.ts"
import { unpack } from "./UsageBatch.ts"
import { type Answer, programOf, type Question } from "./UsageQuestions.ts"
import { isRefusedBySqlite, refusalsMax, sift } from "./UsageRefusal.ts"
import { rollUp } from "./UsageRollup.ts"
import { Undone, undone } from "./UsageSql.ts"
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
  write: (ready, { batch, packed, writer }, failures) => {
    const all = unpack(packed)
    const program = (records: ReadonlyArray<UsageRecord>) => write("sqlite", { writer, batch, records })
    try {
      ready.run(program(all))
      return undefined
    } catch (error) {
      if (failures + 1 < refusalsMax || !isRefusedBySqlite(error)) throw error
      const takes = (records: ReadonlyArray<UsageRecord>): boolean => {
        try {
          return ready.run(undone(program(records)))
        } catch (outcome) {
          if (!isRefusedBySqlite(outcome) && !(outcome instanceof Undone)) throw outcome
          return outcome instanceof Undone
        }
      }
      const sifting = sift(all)
      let next = sifting.next()
      while (next.done !== true) next = sifting.next(takes(next.value))
      if (next.value.length > 0) ready.run(program(next.value))
      return { count: all.length - next.value.length, reason: (error as Error).message }
    }
  },
  answer: (ready, question) => ready.run(programOf("sqlite", question)),
  settle: (ready) => !table.readOnly && ready.run(rollUp("sqlite", rollUpStep)) === rollUpStep
})
