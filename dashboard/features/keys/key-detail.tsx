"use client"

import Link from "next/link"
import type { VirtualKeyDetail } from "millrace/admin-api"
import type { ReactNode } from "react"
import { Figure } from "@/components/figure"
import { Badge } from "@/components/ui/badge"
import { accountId, outlookText, settingText, stateLabels, stateTones } from "@/features/budgets/budget"
import { BudgetMeter } from "@/features/budgets/budget-meter"
import { useKeyBudgets } from "@/features/budgets/use-budgets"
import { LimitFill, limitNames } from "@/features/providers/limit-fill"
import { requestsHref } from "@/features/requests/link"
import { useUsage } from "@/features/usage/use-usage"
import { count, usd } from "@/lib/format"
import { formatAge, formatFull } from "@/lib/time"
import { useNow } from "@/lib/use-now"
import { limitsText } from "./key-table"

/** Everything that is known of a key, with what it has used and what is left of its limits and budgets. */
export function KeyDetail({ detail }: { readonly detail: VirtualKeyDetail }) {
  const now = useNow()
  const { lastUsedAt, limits } = detail
  const lastUsedMs = lastUsedAt === null ? null : Date.parse(lastUsedAt)
  return (
    <div className="divide-y">
      <Section title="Settings">
        <dl className="grid grid-cols-[7rem_1fr] gap-x-4 gap-y-2 text-[13px]">
          <Fact name="Tenant">{detail.tenant}</Fact>
          <Fact name="Models">
            {detail.models === null ? "Any" : <span className="font-mono text-xs">{detail.models.join(", ")}</span>}
          </Fact>
          <Fact name="Providers">{detail.providers === null ? "Any" : detail.providers.join(", ")}</Fact>
          <Fact name="Limits">{limitsText(detail.rateLimits) || "None"}</Fact>
          <Fact name="Created">{formatFull(Date.parse(detail.createdAt))}</Fact>
          <Fact name="Changed">{formatFull(Date.parse(detail.updatedAt))}</Fact>
          <Fact name="Last used">
            {lastUsedMs === null ? "Never" : now === null ? formatFull(lastUsedMs) : formatAge(now - lastUsedMs)}
          </Fact>
          <Fact name="Expires">{detail.expiresAt === null ? "Never" : formatFull(Date.parse(detail.expiresAt))}</Fact>
        </dl>
        {detail.metadata === null ? null : (
          <pre tabIndex={0} className="mt-4 max-h-40 overflow-auto rounded-lg border bg-subtle p-3 font-mono text-xs">
            {JSON.stringify(detail.metadata, null, 2)}
          </pre>
        )}
      </Section>
      <Spent id={detail.id} />
      <Budgets detail={detail} />
      {detail.rateLimits === null ? null : (
        <Section title="Limits now">
          {limits === null ? (
            <p className="text-[13px] text-muted">The key was not used since the gateway started: all is free.</p>
          ) : (
            <dl className="space-y-3">
              {limitNames.map(([limit, name]) => (
                <LimitFill key={limit} of={detail.name} name={name} limit={limits[limit]} />
              ))}
            </dl>
          )}
        </Section>
      )}
      <Section title="Valid secrets">
        <ul className="space-y-2 text-[13px]">
          {detail.secrets.map(({ last4, createdAt, expiresAt }) => (
            <li key={last4 + createdAt} className="flex flex-wrap items-baseline gap-x-3">
              <span className="font-mono">…{last4}</span>
              <span className="text-xs text-muted">
                made {formatFull(Date.parse(createdAt))}
                {expiresAt === null ? null : `, valid until ${formatFull(Date.parse(expiresAt))}`}
              </span>
            </li>
          ))}
        </ul>
      </Section>
    </div>
  )
}

/** What the key has used in 30 days, with the way to its requests. */
function Spent({ id }: { readonly id: string }) {
  const { data } = useUsage("30d", { filters: { key: id }, sumsOnly: true })
  const totals = data?.report.totals
  return (
    <Section
      title="Last 30 days"
      aside={
        <Link href={requestsHref({ range: "30d", key: id })} className="text-xs underline">
          Its requests
        </Link>
      }
    >
      <dl className="grid grid-cols-2 gap-4 sm:grid-cols-4">
        <Sum name="Requests">
          <Figure quantity={count(totals?.requests)} />
        </Sum>
        <Sum name="Failed">
          <Figure quantity={count(totals?.errors)} />
        </Sum>
        <Sum name="Tokens">
          <Figure quantity={count(totals === undefined ? undefined : totals.promptTokens + totals.completionTokens)} />
        </Sum>
        <Sum name="Cost">
          <Figure quantity={usd(totals?.costUsd)} />
        </Sum>
      </dl>
    </Section>
  )
}

function Budgets({ detail: { id, name, budget } }: { readonly detail: VirtualKeyDetail }) {
  const accounts = useKeyBudgets(id)
  if (budget === null) return null
  return (
    <Section
      title="Budgets"
      aside={
        <Link href={`/budgets?of=${encodeURIComponent(id)}`} className="text-xs underline">
          In the list of budgets
        </Link>
      }
    >
      <ul className="space-y-3">
        {accounts === undefined || accounts.length === 0
          ? budget.map((setting) => (
              <li key={JSON.stringify(setting)} className="text-[13px]">
                {settingText(setting)}
                {accounts === undefined ? null : <span className="text-muted">, nothing spent yet</span>}
              </li>
            ))
          : accounts.map((account) => (
              <li key={accountId(account)} data-account={accountId(account)}>
                <div className="flex items-center gap-4">
                  <div className="min-w-0 grow">
                    <BudgetMeter account={account} label={`${account.budget} of ${name}, ${account.unit}`} />
                  </div>
                  <Badge tone={stateTones[account.state]}>{stateLabels[account.state]}</Badge>
                </div>
                <p className="text-xs text-muted">{outlookText(account)}</p>
              </li>
            ))}
      </ul>
    </Section>
  )
}

interface SectionProps {
  readonly title: string
  readonly aside?: ReactNode
  readonly children: ReactNode
}

function Section({ title, aside, children }: SectionProps) {
  return (
    <section className="px-5 py-4">
      <header className="mb-3 flex items-baseline justify-between gap-4">
        <h3 className="text-[13px] font-semibold">{title}</h3>
        {aside}
      </header>
      {children}
    </section>
  )
}

interface NamedProps {
  readonly name: string
  readonly children: ReactNode
}

function Fact({ name, children }: NamedProps) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  )
}

function Sum({ name, children }: NamedProps) {
  return (
    <div className="min-w-0">
      <dt className="truncate text-xs text-muted">{name}</dt>
      <dd className="text-[15px] font-medium">{children}</dd>
    </div>
  )
}
