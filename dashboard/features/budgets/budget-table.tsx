"use client"

import { createColumnHelper } from "@tanstack/react-table"
import Link from "next/link"
import type { BudgetStatus } from "millrace/admin-api"
import { useMemo } from "react"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { Badge } from "@/components/ui/badge"
import { text } from "@/lib/format"
import { formatDayTime, formatFull } from "@/lib/time"
import { accountId, amount, forecastText, requestsOf, scopeLabels, stateLabels, stateTones } from "./budget"
import { BudgetMeter } from "./budget-meter"

interface BudgetTableProps {
  readonly rows: ReadonlyArray<BudgetStatus>
  /** Names of keys by id. */
  readonly keyNames: ReadonlyMap<string, string>
}

const helper = createColumnHelper<typeof features, BudgetStatus>()

/** Accounts of budgets; the name of a key leads to the key, what is spent to the requests behind it. */
export function BudgetTable({ rows, keyNames }: BudgetTableProps) {
  const columns = useMemo(() => columnsOf(keyNames), [keyNames])
  return (
    <DataTable
      label="Budgets"
      rows={rows}
      columns={columns}
      rowId={accountId}
      minWidth="min-w-[76rem]"
      height="max-h-[calc(100dvh-17rem)] min-h-64"
    />
  )
}

const columnsOf = (keyNames: ReadonlyMap<string, string>) =>
  helper.columns([
    helper.accessor("budget", { header: "Budget", meta: { className: "w-40 font-medium" } }),
    helper.accessor("scope", {
      header: "Of",
      cell: ({ row: { original } }) => <Owner account={original} keyNames={keyNames} />
    }),
    helper.accessor("spent", {
      header: "Spent",
      meta: { className: "w-56" },
      cell: ({ row: { original } }) => (
        <Link
          href={requestsOf(original)}
          title={`${text(amount(original.unit, original.spent))}: show the requests`}
          className="block rounded-sm"
        >
          <BudgetMeter
            account={original}
            label={`${original.budget}${original.of === null ? "" : ` of ${original.of}`}`}
          />
        </Link>
      )
    }),
    helper.accessor("reserved", {
      header: "Reserved",
      meta: { align: "right", className: "w-28" },
      cell: ({ row: { original } }) => <Figure quantity={amount(original.unit, original.reserved)} />
    }),
    helper.accessor("left", {
      header: "Left",
      meta: { align: "right", className: "w-32" },
      cell: ({ row: { original } }) => <Figure quantity={amount(original.unit, original.left)} />
    }),
    helper.accessor("exhaustedAt", {
      header: "Forecast",
      meta: { className: "w-52" },
      cell: ({ row: { original } }) => (
        <span
          className={original.exhaustedAt === null ? "text-muted" : ""}
          title={original.exhaustedAt === null ? undefined : formatFull(Date.parse(original.exhaustedAt))}
        >
          {forecastText(original)}
        </span>
      )
    }),
    helper.accessor("resetsAt", {
      header: "Resets",
      meta: { className: "w-32" },
      cell: ({ row: { original } }) =>
        original.resetsAt === null ? (
          <span className="text-muted">Never</span>
        ) : (
          <span title={`${formatFull(Date.parse(original.resetsAt))}; days begin in ${original.timeZone ?? "UTC"}`}>
            {formatDayTime(Date.parse(original.resetsAt))}
          </span>
        )
    }),
    helper.accessor("state", {
      header: "State",
      meta: { className: "w-28" },
      cell: ({ getValue }) => <Badge tone={stateTones[getValue()]}>{stateLabels[getValue()]}</Badge>
    })
  ])

interface OwnerProps {
  readonly account: BudgetStatus
  readonly keyNames: ReadonlyMap<string, string>
}

/** Whose account it is. */
function Owner({ account: { scope, of }, keyNames }: OwnerProps) {
  if (of === null) {
    return <span className="text-muted">{scope === "global" ? "Everything" : `The ${scope}s it names, together`}</span>
  }
  return (
    <>
      <span className="mr-1.5 text-xs text-muted">{scopeLabels[scope]}</span>
      {scope === "key" ? (
        <Link href={`/keys?id=${encodeURIComponent(of)}`} className="rounded-sm underline-offset-2 hover:underline">
          {keyNames.get(of) ?? of}
        </Link>
      ) : (
        of
      )}
    </>
  )
}
