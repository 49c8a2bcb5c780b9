/**
 * What is asked of the thread of a usage database, and the program that answers it.
 */
import type { UsageReport } from "../AdminAnswers.ts"
import type {
  ErrorGroup,
  ErrorsScan,
  PageScan,
  Position,
  PriceChange,
  RecordSumsScan,
  RowsScan,
  StoredRecord,
  UsageScan
} from "../UsageLog.ts"
import { errors } from "./UsageFailureReads.ts"
import * as Reads from "./UsageReads.ts"
import { rollUp } from "./UsageRollup.ts"
import type { Dialect, SqlProgram } from "./UsageSql.ts"
import * as Writes from "./UsageWrites.ts"

export type Question =
  | { readonly _tag: "usage"; readonly scan: UsageScan; readonly maxPoints: number }
  | { readonly _tag: "recordSums"; readonly scan: RecordSumsScan; readonly maxPoints: number }
  | { readonly _tag: "page"; readonly scan: PageScan }
  | { readonly _tag: "find"; readonly id: string }
  | { readonly _tag: "errors"; readonly scan: ErrorsScan }
  | { readonly _tag: "rows"; readonly scan: RowsScan; readonly after: Position | undefined }
  | { readonly _tag: "rollUp"; readonly limit: number }
  | { readonly _tag: "reprice"; readonly changes: ReadonlyArray<PriceChange> }
  | { readonly _tag: "beginPrune"; readonly beforeMs: number }
  | { readonly _tag: "pruneRecords"; readonly beforeMs: number; readonly limit: number }
  | {
      readonly _tag: "pruneCells"
      readonly beforeMs: number
      readonly from: Writes.CellsPosition
      readonly limit: number
    }

export interface CellsPruned {
  readonly deleted: number
  readonly next: Writes.CellsPosition | undefined
}

/**
 * A text is a usage report as JSON. Undefined stands for too many points, and for no such record, null for too many records.
 */
export type Answer =
  | string
  | null
  | ReadonlyArray<StoredRecord>
  | StoredRecord
  | ReadonlyArray<ErrorGroup>
  | number
  | CellsPruned
  | undefined
  | void

/** True for what reads and changes nothing. */
export const isRead = ({ _tag }: Question): boolean =>
  _tag === "usage" ||
  _tag === "recordSums" ||
  _tag === "page" ||
  _tag === "find" ||
  _tag === "errors" ||
  _tag === "rows"

/** As text, a report of thousands of points costs the thread that asked for it next to nothing. */
const asText = function* (program: SqlProgram<UsageReport | null | undefined>): SqlProgram<string | null | undefined> {
  const report = yield* program
  return report === null || report === undefined ? report : JSON.stringify(report)
}

export const programOf = (dialect: Dialect, question: Question): SqlProgram<Answer> => {
  switch (question._tag) {
    case "usage":
      return asText(Reads.usage(dialect, question.scan, question.maxPoints))
    case "recordSums":
      return asText(Reads.recordSums(dialect, question.scan, question.maxPoints))
    case "page":
      return Reads.page(dialect, question.scan)
    case "find":
      return Reads.find(dialect, question.id)
    case "errors":
      return errors(question.scan)
    case "rows":
      return Reads.rows(dialect, question.scan, question.after)
    case "rollUp":
      return rollUp(dialect, question.limit)
    case "reprice":
      return Writes.reprice(dialect, question.changes)
    case "beginPrune":
      return Writes.beginPrune(dialect, question.beforeMs)
    case "pruneRecords":
      return Writes.pruneRecords(dialect, question.beforeMs, question.limit)
    case "pruneCells":
      return Writes.pruneCells(dialect, question.beforeMs, question.from, question.limit)
  }
}
