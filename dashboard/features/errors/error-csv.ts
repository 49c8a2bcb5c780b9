import type { CsvColumn } from "@/lib/csv"
import type { ErrorRow } from "./error-table"

/** The columns of the list of failures as a file: the figures of the admin API. */
export const errorCsv: ReadonlyArray<CsvColumn<ErrorRow>> = [
  { header: "fingerprint", value: ({ group }) => group.fingerprint },
  { header: "kind", value: ({ group }) => group.kind },
  { header: "fault", value: ({ group }) => group.fault },
  { header: "provider", value: ({ group }) => group.provider },
  { header: "model", value: ({ group }) => group.model },
  { header: "message", value: ({ group }) => group.message },
  { header: "count", value: ({ group }) => group.count },
  { header: "countBefore", value: ({ before }) => before },
  { header: "firstSeen", value: ({ group }) => group.firstSeen },
  { header: "lastSeen", value: ({ group }) => group.lastSeen },
  { header: "sampleId", value: ({ group }) => group.sampleId }
]
