import { TriangleAlert } from "lucide-react"
import type { BudgetStoreStatus } from "millrace/admin-api"
import { exactCount } from "@/lib/format"

/** Says that the budgets' database is away, and what was decided without it. */
export function StoreNote({ store }: { readonly store: BudgetStoreStatus | null }) {
  if (store === null || store.healthy) return null
  return (
    <p
      role="alert"
      className="mb-4 flex items-start gap-2 rounded-lg border border-warn/35 bg-warn/12 px-4 py-3 text-[13px] text-warn-text"
    >
      <TriangleAlert aria-hidden className="mt-0.5 size-4 shrink-0" />
      <span>
        The database of the budgets can’t be asked{store.reason === null ? "" : `: ${store.reason}`}. Shown is what this
        instance knows; {exactCount(store.decidedAlone)} reservations were made by that.
      </span>
    </p>
  )
}
