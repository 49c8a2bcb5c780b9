import type { BudgetStatus } from "millrace/admin-api"
import { Meter } from "@/components/meter"
import { text } from "@/lib/format"
import { amount, spentText } from "./budget"

interface BudgetMeterProps {
  readonly account: BudgetStatus
  /** Whose budget it is, for screen readers. */
  readonly label: string
}

/** What is spent of a budget, and paler what calls under way hold of it. */
export function BudgetMeter({ account, label }: BudgetMeterProps) {
  const { unit, limit, spent, reserved, left } = account
  return (
    <span className="block min-w-0 space-y-1.5 py-2">
      <span className="block truncate text-xs">{spentText(account)}</span>
      <Meter
        label={label}
        share={limit === 0 ? 1 : spent / limit}
        heldShare={limit === 0 ? 0 : reserved / limit}
        text={`${spentText(account)}, ${text(amount(unit, reserved))} reserved, ${text(amount(unit, left))} left`}
      />
    </span>
  )
}
