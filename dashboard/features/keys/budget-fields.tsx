"use client"

import { Plus, Trash2 } from "lucide-react"
import { Button } from "@/components/ui/button"
import { Field } from "@/components/ui/field"
import { Input } from "@/components/ui/input"
import { Select } from "@/components/ui/select"
import { periodLabels } from "@/features/budgets/budget"
import type { Issue } from "@/features/gateway/failure"
import { issueAt, newBudget, type BudgetDraft } from "./draft"

interface BudgetFieldsProps {
  readonly budgets: ReadonlyArray<BudgetDraft>
  readonly issues: ReadonlyArray<Issue>
  readonly onChange: (budgets: ReadonlyArray<BudgetDraft>) => void
}

/** The budgets that a key brings, one below the other. */
export function BudgetFields({ budgets, issues, onChange }: BudgetFieldsProps) {
  const change = (row: number, part: Partial<BudgetDraft>) =>
    onChange(budgets.map((budget) => (budget.row === row ? { ...budget, ...part } : budget)))
  return (
    <div className="space-y-3">
      {budgets.map((budget, index) => (
        <BudgetRow
          key={budget.row}
          index={index}
          budget={budget}
          issues={issues}
          onChange={(part) => change(budget.row, part)}
          onRemove={() => onChange(budgets.filter(({ row }) => row !== budget.row))}
        />
      ))}
      <Button size="sm" onClick={() => onChange([...budgets, newBudget(budgets)])}>
        <Plus />
        Add a budget
      </Button>
    </div>
  )
}

interface BudgetRowProps {
  readonly index: number
  readonly budget: BudgetDraft
  readonly issues: ReadonlyArray<Issue>
  readonly onChange: (part: Partial<BudgetDraft>) => void
  readonly onRemove: () => void
}

function BudgetRow({ index, budget, issues, onChange, onRemove }: BudgetRowProps) {
  const at = (field: string) => issueAt(issues, `budget[${index}].${field}`)
  const whole = issues.find(({ field }) => field === `budget[${index}]`)?.detail
  return (
    <fieldset className="min-w-0 space-y-3 rounded-lg border p-4">
      <legend className="float-left text-[13px] font-medium">Budget {index + 1}</legend>
      <div className="flex justify-end">
        <Button
          variant="ghost"
          size="icon"
          aria-label={`Remove budget ${index + 1}`}
          className="-m-2"
          onClick={onRemove}
        >
          <Trash2 />
        </Button>
      </div>
      {whole === undefined ? null : (
        <p role="alert" className="clear-both text-xs text-bad-text">
          {whole}
        </p>
      )}
      <div className="clear-both grid grid-cols-2 gap-3 sm:grid-cols-3">
        <Field label="Dollars" error={at("usd")}>
          {(control) => (
            <Input
              {...control}
              inputMode="decimal"
              placeholder="No limit"
              value={budget.usd}
              onChange={(event) => onChange({ usd: event.target.value })}
            />
          )}
        </Field>
        <Field label="Tokens" error={at("tokens")}>
          {(control) => (
            <Input
              {...control}
              inputMode="numeric"
              placeholder="No limit"
              value={budget.tokens}
              onChange={(event) => onChange({ tokens: event.target.value })}
            />
          )}
        </Field>
        <Field label="Period" error={at("period")}>
          {(control) => (
            <Select {...control} value={budget.period} onChange={(event) => onChange({ period: event.target.value })}>
              {Object.entries(periodLabels).map(([period, label]) => (
                <option key={period} value={period}>
                  {label}
                </option>
              ))}
            </Select>
          )}
        </Field>
      </div>
      <div className="grid gap-3 sm:grid-cols-2">
        <Field label="Time zone" hint="Days and months begin there." error={at("timeZone")}>
          {(control) => (
            <Input
              {...control}
              placeholder="UTC"
              value={budget.timeZone}
              onChange={(event) => onChange({ timeZone: event.target.value })}
            />
          )}
        </Field>
        <Field label="Warn at" hint="Per cent, with commas between them." error={at("warnAt")}>
          {(control) => (
            <Input
              {...control}
              placeholder="80, 100"
              value={budget.warnAt}
              onChange={(event) => onChange({ warnAt: event.target.value })}
            />
          )}
        </Field>
      </div>
    </fieldset>
  )
}
