import type { RequestItem } from "millrace/admin-api"
import type { CsvColumn } from "@/lib/csv"

/** What the table of requests shows, with every digit, and the ids behind it. */
export const requestCsv: ReadonlyArray<CsvColumn<RequestItem>> = [
  { header: "id", value: (row) => row.id },
  { header: "time", value: (row) => row.time },
  { header: "tenant", value: (row) => row.tenant },
  { header: "key", value: (row) => row.keyId },
  { header: "modelRequested", value: (row) => row.modelRequested },
  { header: "provider", value: (row) => row.provider },
  { header: "model", value: (row) => row.model },
  { header: "status", value: (row) => row.status },
  { header: "fault", value: (row) => row.fault },
  { header: "errorKind", value: (row) => row.errorKind },
  { header: "cache", value: (row) => row.cache },
  { header: "attempts", value: (row) => row.attempts },
  { header: "promptTokens", value: (row) => row.promptTokens },
  { header: "completionTokens", value: (row) => row.completionTokens },
  { header: "costUsd", value: (row) => row.costUsd },
  { header: "ttftMs", value: (row) => row.ttftMs },
  { header: "latencyMs", value: (row) => row.latencyMs },
  { header: "queueMs", value: (row) => row.queueMs }
]
