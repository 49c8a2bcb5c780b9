import { settingText } from "@/features/budgets/budget"
import type { CsvColumn } from "@/lib/csv"
import type { KeyRow } from "./key-table"

/** The columns of the list of keys as a file; limits and lists in cells of their own. */
export const keyCsv: ReadonlyArray<CsvColumn<KeyRow>> = [
  { header: "id", value: ({ record }) => record.id },
  { header: "name", value: ({ record }) => record.name },
  { header: "status", value: ({ record }) => record.status },
  { header: "tenant", value: ({ record }) => record.tenant },
  { header: "models", value: ({ record }) => record.models?.join(" ") ?? null },
  { header: "providers", value: ({ record }) => record.providers?.join(" ") ?? null },
  { header: "requestsPerMinute", value: ({ record }) => record.rateLimits?.requestsPerMinute ?? null },
  { header: "tokensPerMinute", value: ({ record }) => record.rateLimits?.tokensPerMinute ?? null },
  { header: "concurrent", value: ({ record }) => record.rateLimits?.concurrent ?? null },
  { header: "budget", value: ({ record }) => record.budget?.map(settingText).join("; ") ?? null },
  { header: "fullestBudget", value: ({ account }) => account?.budget ?? null },
  { header: "spent", value: ({ account }) => account?.spent ?? null },
  { header: "unit", value: ({ account }) => account?.unit ?? null },
  { header: "last4", value: ({ record }) => record.last4 },
  { header: "lastUsedAt", value: ({ record }) => record.lastUsedAt },
  { header: "createdAt", value: ({ record }) => record.createdAt },
  { header: "expiresAt", value: ({ record }) => record.expiresAt }
]
