/**
 * The thread that owns a connection to the usage database.
 *
 * It takes batches to write and questions to answer, one after the other. A batch that can't be written is kept and tried
 * again until it can; meanwhile the connection is opened anew, and every answer says what is wrong. It imports nothing
 * that takes time to load.
 */
import { parentPort, workerData } from "node:worker_threads"
import type { UsageReport } from "../AdminAnswers.ts"
import type { PageScan, StoredRecord, UsageScan } from "../UsageLog.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { unpack, type UsageBatch } from "./UsageBatch.ts"
import { UsageTable, type UsageTableOptions } from "./UsageTable.ts"

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

/** The next batch is sent when the one before has been written. */
export type ToWorker =
  | { readonly _tag: "write"; readonly batch: UsageBatch }
  | { readonly _tag: "ask"; readonly id: number; readonly question: Question }
  | { readonly _tag: "close" }

export type FromWorker =
  | { readonly _tag: "opened" }
  | { readonly _tag: "written" }
  | { readonly _tag: "failed"; readonly reason: string }
  | { readonly _tag: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly _tag: "unanswered"; readonly id: number; readonly reason: string }

const options = workerData as WorkerOptions
const port = parentPort!
let table: UsageTable | undefined
let unwritten: Array<UsageRecord> | undefined
let retry: NodeJS.Timeout | undefined

const reply = (message: FromWorker) => port.postMessage(message)

const reasonOf = (error: unknown): string =>
  `${options.table.path}: ${error instanceof Error ? error.message : String(error)}`

const opened = (): UsageTable => (table ??= new UsageTable(options.table))

/** Lets go of the connection, so that the next use opens it anew. What is in memory would be gone with it. */
const reset = () => {
  if (options.table.path === ":memory:") return
  try {
    table?.close()
  } finally {
    table = undefined
  }
}

/** Opens the database and writes what is waiting, or says why not and tries again later. */
const advance = () => {
  clearTimeout(retry)
  try {
    const ready = opened()
    if (unwritten === undefined) return reply({ _tag: "opened" })
    ready.insert(unwritten)
    unwritten = undefined
    reply({ _tag: "written" })
  } catch (error) {
    reset()
    reply({ _tag: "failed", reason: reasonOf(error) })
    retry = setTimeout(advance, options.retryMs)
  }
}

const answer = (question: Question): Answer => {
  const ready = opened()
  if (question._tag === "usage") return ready.usage(question.scan, question.maxPoints)
  return question._tag === "page" ? ready.page(question.scan) : ready.find(question.id)
}

port.on("message", (message: ToWorker) => {
  switch (message._tag) {
    case "write":
      unwritten = unpack(message.batch)
      return advance()
    case "ask":
      try {
        return reply({ _tag: "answer", id: message.id, answer: answer(message.question) })
      } catch (error) {
        reset()
        return reply({ _tag: "unanswered", id: message.id, reason: reasonOf(error) })
      }
    case "close":
      clearTimeout(retry)
      table?.close()
      return port.close()
  }
})

if (!options.table.readOnly) advance()
