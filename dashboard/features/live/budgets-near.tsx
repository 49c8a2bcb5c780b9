"use client"

import { PiggyBank } from "lucide-react"
import type { BudgetOverview, BudgetStatus, Status } from "millrace/admin-api"
import { Meter } from "@/components/meter"
import { EmptyState } from "@/components/states"
import { Badge } from "@/components/ui/badge"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { count, exactCount, share, text, usd } from "@/lib/format"
import { formatDayTime } from "@/lib/time"

/** Accounts are near their limit from this share on. */
const nearShare = 0.8

const shownMax = 12

const amount = (budget: BudgetStatus, figure: number) =>
  budget.unit === "usd" ? text(usd(figure)) : `${text(count(figure))} tokens`

/** Budgets that are nearly spent, the fullest first. */
export function BudgetsNear({ status }: { readonly status: Status | null }) {
  const near = (status?.budgets?.items ?? []).filter(({ state, usedShare }) => state !== "ok" || usedShare >= nearShare)
  return (
    <Card aria-labelledby="budgets-near" className="overflow-hidden">
      <CardHeader
        id="budgets-near"
        title="Budgets near their limit"
        note={near.length > shownMax ? `top ${shownMax} of ${exactCount(near.length)}` : undefined}
      />
      {status === null ? (
        <Skeleton className="mx-5 mb-5 h-24" />
      ) : near.length === 0 ? (
        <NoneNear budgets={status.budgets} />
      ) : (
        <ul className="divide-y border-t">
          {near.slice(0, shownMax).map((budget) => (
            <li
              key={`${budget.budget} ${budget.of ?? ""} ${budget.unit} ${budget.period}`}
              className="space-y-1.5 px-5 py-3 text-[13px]"
              data-budget={budget.budget}
            >
              <div className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
                <span className="font-medium">{budget.budget}</span>
                <span className="text-muted">{budget.of ?? "all together"}</span>
                <Badge tone={budget.state === "exhausted" ? "bad" : "warn"}>
                  {budget.state === "exhausted" ? "Exhausted" : "Near its limit"}
                </Badge>
                <span className="ml-auto tabular-nums">
                  {amount(budget, budget.left)} of {amount(budget, budget.limit)} left
                </span>
              </div>
              <Meter
                label={`${budget.budget}, ${budget.of ?? "all together"}`}
                share={budget.usedShare}
                text={`${text(share(budget.usedShare))} used`}
              />
              <p className="text-xs text-muted tabular-nums">{whenText(budget)}</p>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

function NoneNear({ budgets }: { readonly budgets: BudgetOverview | undefined }) {
  const fullest = budgets?.items[0]
  return (
    <EmptyState icon={PiggyBank} title={budgets === undefined ? "No budgets" : "No budget is near its limit"}>
      <p>
        {budgets === undefined
          ? "Add one under “budgets” in the config file to bound what calls may cost."
          : fullest === undefined
            ? "Nothing was spent yet."
            : `The fullest, ${fullest.budget}${fullest.of === null ? "" : ` of ${fullest.of}`}, is used to ${text(share(fullest.usedShare))}.`}
      </p>
    </EmptyState>
  )
}

const whenText = ({ exhaustedAt, resetsAt, usedShare }: BudgetStatus): string =>
  [
    `${text(share(usedShare))} used`,
    ...(exhaustedAt === null ? [] : [`spent by ${formatDayTime(Date.parse(exhaustedAt))} at this rate`]),
    ...(resetsAt === null ? ["never reset"] : [`reset ${formatDayTime(Date.parse(resetsAt))}`])
  ].join(" · ")
