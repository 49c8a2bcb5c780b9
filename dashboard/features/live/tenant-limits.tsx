"use client"

import type { ScopeStatus } from "millrace/admin-api"
import Link from "next/link"
import { Card, CardHeader } from "@/components/ui/card"
import { LimitFill, limitNames } from "@/features/providers/limit-fill"
import { requestsHref } from "@/features/requests/link"
import { exactCount } from "@/lib/format"

/** Tenants with limits of their own: calls in flight and how full the limits are. */
export function TenantLimits({ tenants }: { readonly tenants: ReadonlyArray<ScopeStatus> }) {
  if (tenants.length === 0) return null
  return (
    <Card aria-labelledby="tenant-limits" className="overflow-hidden">
      <CardHeader id="tenant-limits" title="Tenants" note={`${exactCount(tenants.length)} with limits of their own`} />
      <ul className="grid max-h-96 grid-cols-[repeat(auto-fit,minmax(min(20rem,100%),1fr))] gap-px overflow-y-auto border-t bg-border">
        {tenants.map(({ name, active, limits }) => (
          <li key={name} className="bg-surface px-5 py-4" data-tenant={name}>
            <div className="flex items-baseline justify-between gap-3 text-[13px]">
              <Link
                href={requestsHref({ tenant: name })}
                className="min-w-0 truncate rounded-sm font-medium underline-offset-2 hover:underline"
              >
                {name}
              </Link>
              <span className="text-xs whitespace-nowrap text-muted tabular-nums">{exactCount(active)} in flight</span>
            </div>
            <dl className="mt-3 grid gap-y-2.5">
              {limitNames.map(([limit, label]) => (
                <LimitFill key={limit} of={name} name={label} limit={limits[limit]} />
              ))}
            </dl>
          </li>
        ))}
      </ul>
    </Card>
  )
}
