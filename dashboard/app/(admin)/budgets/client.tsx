"use client"

import { LoaderCircle, PiggyBank, SearchX } from "lucide-react"
import { Age } from "@/components/age"
import { CsvButton } from "@/components/csv-button"
import { PageHeader } from "@/components/page-header"
import { CommandLine, EmptyState, ErrorState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card } from "@/components/ui/card"
import { Input } from "@/components/ui/input"
import { Skeleton } from "@/components/ui/skeleton"
import { scopeLabels } from "@/features/budgets/budget"
import { budgetCsv } from "@/features/budgets/budget-csv"
import { BudgetTable } from "@/features/budgets/budget-table"
import { StoreNote } from "@/features/budgets/store-note"
import { useBudgets } from "@/features/budgets/use-budgets"
import { useKeyNames } from "@/features/keys/use-keys"
import { ClearFilters, Filter } from "@/features/requests/filters"
import { failureOf } from "@/lib/api"
import { exactCount } from "@/lib/format"
import { useUrlState } from "@/lib/url-state"
import { budgetParams, budgetScopes } from "./search-params"

const scopeOptions = budgetScopes.map((value) => ({ value, label: scopeLabels[value] }))
const noFilters = { scope: null, budget: null, of: null }

const exampleConfig = `budgets:
  - { name: month, scope: global, period: month, usd: 2000 }
  - { name: teams, scope: tenant, period: day, usd: 50, warnAt: [0.5, 0.9] }`

export function BudgetsClient() {
  const [{ scope, budget, of }, setParams] = useUrlState(budgetParams)
  const filters = Object.fromEntries(
    Object.entries({ scope, budget, of }).filter((entry): entry is [string, string] => entry[1] !== null)
  )
  const filtered = Object.keys(filters).length > 0
  const budgets = useBudgets(filters)
  const keyNames = useKeyNames()
  const rows = budgets.data?.items
  return (
    <>
      <PageHeader
        title="Budgets"
        note={
          rows === undefined ? (
            "\u00a0"
          ) : (
            <>
              {budgets.hasNextPage ? "First " : ""}
              {exactCount(rows.length)} {rows.length === 1 ? "account" : "accounts"} ·{" "}
              <Age atMs={budgets.dataUpdatedAt} />
            </>
          )
        }
      >
        <CsvButton name="budgets" columns={budgetCsv} rows={rows ?? []} />
      </PageHeader>
      <StoreNote store={budgets.data?.store ?? null} />
      <Card>
        <div role="group" aria-label="Filters" className="flex flex-wrap items-center gap-2 px-5 py-3">
          <Filter label="Scope" value={scope} options={scopeOptions} onChange={(next) => setParams({ scope: next })} />
          <Input
            type="search"
            aria-label="Budget"
            placeholder="Any budget"
            className="h-8! max-w-44"
            value={budget ?? ""}
            onChange={(event) => setParams({ budget: event.target.value === "" ? null : event.target.value })}
          />
          <Input
            type="search"
            aria-label="Of whom"
            placeholder="Any tenant, key, model, provider"
            className="h-8! max-w-64"
            value={of ?? ""}
            onChange={(event) => setParams({ of: event.target.value === "" ? null : event.target.value })}
          />
          {filtered ? <ClearFilters onClear={() => setParams(noFilters)} /> : null}
        </div>
        {rows !== undefined ? (
          rows.length > 0 ? (
            <>
              <BudgetTable rows={rows} keyNames={keyNames} />
              {budgets.hasNextPage ? (
                <div className="flex justify-center border-t py-3">
                  <Button size="sm" disabled={budgets.isFetchingNextPage} onClick={() => budgets.fetchNextPage()}>
                    {budgets.isFetchingNextPage ? <LoaderCircle className="animate-spin" /> : null}
                    Load more
                  </Button>
                </div>
              ) : null}
            </>
          ) : filtered ? (
            <EmptyState icon={SearchX} title="No account fits these filters">
              <p>An account of a tenant, key, model or provider appears with its first call.</p>
              <Button size="sm" onClick={() => setParams(noFilters)}>
                Clear the filters
              </Button>
            </EmptyState>
          ) : (
            <EmptyState icon={PiggyBank} title="No budgets yet">
              <p>Write them into the configuration; keys can bring budgets of their own.</p>
              <CommandLine command={exampleConfig} what="the lines" />
              <p>An account appears here with its first call.</p>
            </EmptyState>
          )
        ) : budgets.isError ? (
          <ErrorState
            what="The list of budgets"
            failure={failureOf(budgets.error)}
            retrying={budgets.isFetching}
            onRetry={() => budgets.refetch()}
          />
        ) : (
          <div className="space-y-2 px-5 pb-5" role="status" aria-label="Loading the budgets">
            {Array.from({ length: 6 }, (_, index) => (
              <Skeleton key={index} className="h-9" />
            ))}
          </div>
        )}
      </Card>
    </>
  )
}
