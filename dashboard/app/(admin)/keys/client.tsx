"use client"

import { KeyRound, Plus, SearchX } from "lucide-react"
import type { BudgetStatus, MadeVirtualKey } from "millrace/admin-api"
import { useMemo, useState } from "react"
import { Age } from "@/components/age"
import { Answer, RowSkeletons } from "@/components/answer"
import { CsvButton } from "@/components/csv-button"
import { LoadMore } from "@/components/load-more"
import { PageHeader } from "@/components/page-header"
import { CommandLine, EmptyState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { Card } from "@/components/ui/card"
import { Input } from "@/components/ui/input"
import { useKeyBudgets } from "@/features/budgets/use-budgets"
import { CreateKey } from "@/features/keys/create-key"
import { keyCsv } from "@/features/keys/key-csv"
import { KeySheet } from "@/features/keys/key-sheet"
import { KeyTable, type KeyRow } from "@/features/keys/key-table"
import { SecretDialog } from "@/features/keys/secret-dialog"
import { useKeys } from "@/features/keys/use-keys"
import { ClearFilters } from "@/features/requests/filters"
import { exactCount } from "@/lib/format"
import { useUrlState } from "@/lib/url-state"
import { keyParams } from "./search-params"

const noFilters = { name: null, tenant: null }

export function KeysClient({ gateway }: { readonly gateway: string }) {
  const [{ name, tenant, id, create }, setParams] = useUrlState(keyParams)
  const [made, setMade] = useState<MadeVirtualKey | null>(null)
  const keys = useKeys({ ...(name === null ? {} : { name }), ...(tenant === null ? {} : { tenant }) })
  const accounts = useKeyBudgets()
  const filtered = name !== null || tenant !== null
  const page = keys.data
  const rows = useMemo(() => rowsOf(page?.items ?? [], accounts ?? []), [page, accounts])
  const open = () => setParams({ create: "1" }, { push: true })
  const shown = (next: MadeVirtualKey) => {
    setParams({ create: null })
    setMade(next)
  }
  return (
    <>
      <PageHeader
        title="Keys"
        note={
          page === undefined ? (
            "\u00a0"
          ) : (
            <>
              <Shown shown={rows.length} total={page.total} /> · <Age atMs={keys.dataUpdatedAt} />
            </>
          )
        }
      >
        <CsvButton name="keys" columns={keyCsv} rows={rows} />
        <Button variant="primary" size="sm" onClick={open}>
          <Plus />
          Create a key
        </Button>
      </PageHeader>
      <Card>
        <div role="group" aria-label="Filters" className="flex flex-wrap items-center gap-2 px-5 py-3">
          <Input
            type="search"
            aria-label="Search by name"
            placeholder="Search by name"
            className="h-8! max-w-64"
            value={name ?? ""}
            onChange={(event) => setParams({ name: event.target.value === "" ? null : event.target.value })}
          />
          <Input
            type="search"
            aria-label="Tenant"
            placeholder="Any tenant"
            className="h-8! max-w-48"
            value={tenant ?? ""}
            onChange={(event) => setParams({ tenant: event.target.value === "" ? null : event.target.value })}
          />
          {filtered ? <ClearFilters onClear={() => setParams(noFilters)} /> : null}
        </div>
        <Answer query={keys} what="The list of keys" skeleton={<RowSkeletons label="Loading the keys" />}>
          {() =>
            rows.length > 0 ? (
              <>
                <KeyTable rows={rows} openId={id} onOpen={(next) => setParams({ id: next }, { push: true })} />
                <LoadMore query={keys}>Load older ones</LoadMore>
              </>
            ) : filtered ? (
              <EmptyState icon={SearchX} title="No key fits these filters">
                <Button size="sm" onClick={() => setParams(noFilters)}>
                  Clear the filters
                </Button>
              </EmptyState>
            ) : (
              <EmptyState icon={KeyRound} title="No keys yet">
                <p>A key says who calls: a tenant, what it may use, its limits and budgets. Create one here, or by</p>
                <CommandLine command="millrace keys create --name search --rpm 60 --budget 10usd/month" />
                <Button size="sm" onClick={open}>
                  <Plus />
                  Create a key
                </Button>
              </EmptyState>
            )
          }
        </Answer>
      </Card>
      <CreateKey open={create !== null} onClose={() => setParams({ create: null })} onMade={shown} />
      <KeySheet id={id} onClose={() => setParams({ id: null })} onMade={setMade} />
      <SecretDialog made={made} gateway={gateway} onClose={() => setMade(null)} />
    </>
  )
}

/** Each key with the fullest of its budgets. */
const rowsOf = (
  keys: ReadonlyArray<KeyRow["record"]>,
  accounts: ReadonlyArray<BudgetStatus>
): ReadonlyArray<KeyRow> => {
  const fullest = new Map<string | null, BudgetStatus>()
  for (const account of accounts) {
    const known = fullest.get(account.of)
    if (account.budget.startsWith("key:") && (known === undefined || known.usedShare < account.usedShare)) {
      fullest.set(account.of, account)
    }
  }
  return keys.map((record) => ({ record, account: record.budget === null ? undefined : fullest.get(record.id) }))
}

function Shown({ shown, total }: { readonly shown: number; readonly total: number }) {
  if (total > shown) return <>{`Newest ${exactCount(shown)} of ${exactCount(total)}`}</>
  return <>{total === 1 ? "1 key" : `${exactCount(total)} keys`}</>
}
