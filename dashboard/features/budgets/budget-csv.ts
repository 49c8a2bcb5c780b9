import type { BudgetStatus } from "millrace/admin-api"
import type { CsvColumn } from "@/lib/csv"

/** The columns of the list of budgets as a file: the figures of the admin API. */
export const budgetCsv: ReadonlyArray<CsvColumn<BudgetStatus>> = [
  { header: "budget", value: ({ budget }) => budget },
  { header: "scope", value: ({ scope }) => scope },
  { header: "of", value: ({ of }) => of },
  { header: "unit", value: ({ unit }) => unit },
  { header: "limit", value: ({ limit }) => limit },
  { header: "spent", value: ({ spent }) => spent },
  { header: "reserved", value: ({ reserved }) => reserved },
  { header: "left", value: ({ left }) => left },
  { header: "state", value: ({ state }) => state },
  { header: "period", value: ({ period }) => period },
  { header: "timeZone", value: ({ timeZone }) => timeZone },
  { header: "startsAt", value: ({ startsAt }) => startsAt },
  { header: "resetsAt", value: ({ resetsAt }) => resetsAt },
  { header: "exhaustedAt", value: ({ exhaustedAt }) => exhaustedAt }
]
