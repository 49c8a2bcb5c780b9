"use client"

import { PiggyBank, SearchX } from "lucide-react"
import { Age } from "@/components/age"
import { Answer, RowSkeletons } from "@/components/answer"
import { CsvButton } from "@/components/csv-button"
import { LoadMore } from "@/components/load-more"
import { PageHeader } from "@/components/page-header"
import { CommandLine, EmptyState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card } from "@/components/ui/card"
import { Input } from "@/components/ui/input"
import { scopeLabels } from "@/features/budgets/budget"
import { budgetCsv } from "@/features/budgets/budget-csv"
import { BudgetTable } from "@/features/budgets/budget-table"
import { StoreNote } from "@/features/budgets/store-note"
import { useBudgets } from "@/features/budgets/use-budgets"
import { useKeyNames } from "@/features/keys/use-keys"
import { filtersOf } from "@/features/requests/filter-row"
import { ClearFilters, Filter } from "@/features/requests/filters"
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
  const filters = filtersOf({ scope, budget, of })
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
          {scope === "key" || keyNames.has(of ?? "") ? (
            <Filter
              label="Key"
              value={of}
              options={keyOptions(keyNames, of)}
              onChange={(next) => setParams({ of: next })}
            />
          ) : (
            <Input
              type="search"
              aria-label="Of whom"
              placeholder="Any tenant, model, provider"
              className="h-8! max-w-64"
              value={of ?? ""}
              onChange={(event) => setParams({ of: event.target.value === "" ? null : event.target.value })}
            />
          )}
          {filtered ? <ClearFilters onClear={() => setParams(noFilters)} /> : null}
        </div>
        <Answer query={budgets} what="The list of budgets" skeleton={<RowSkeletons label="Loading the budgets" />}>
          {({ items }) =>
            items.length > 0 ? (
              <>
                <BudgetTable rows={items} keyNames={keyNames} />
                <LoadMore query={budgets}>Load more</LoadMore>
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
          }
        </Answer>
      </Card>
    </>
  )
}

/** The keys by their names; one that is chosen and not known goes by its id. */
const keyOptions = (names: ReadonlyMap<string, string>, chosen: string | null) =>
  Array.from(
    chosen === null || names.has(chosen) ? names : [...names, [chosen, chosen] as const],
    ([value, label]) => ({
      value,
      label
    })
  )
