"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import type { CacheKind, CacheStatus } from "millrace/admin-api"
import Link from "next/link"
import { Held } from "@/components/answer"
import { Change } from "@/components/change"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { requestsOf } from "@/features/requests/link"
import type { Range } from "@/features/usage/range"
import type { UsageAnswer, UsageFilters } from "@/features/usage/use-usage"
import { bytes, count, exactCount, ratio, share, text, usd } from "@/lib/format"
import { servedOf, splitOf } from "./split"

interface CacheMetricsProps {
  readonly range: Range
  readonly filters: UsageFilters
  readonly cache: CacheStatus | undefined
  readonly usage: UseQueryResult<UsageAnswer>
  /** The time before, where figures are compared with it. */
  readonly before: UsageAnswer | undefined
}

/** What the cache served and saved over the range, and what it holds now. */
export function CacheMetrics({ range, filters, cache, usage, before }: CacheMetricsProps) {
  const totals = usage.data?.report.totals
  const split = usage.data === undefined ? undefined : splitOf(usage.data.report.series)
  const served = split === undefined ? undefined : servedOf(split)
  const past = before?.report.totals
  const splitBefore = before === undefined ? undefined : splitOf(before.report.series)
  const servedBefore = splitBefore === undefined ? undefined : servedOf(splitBefore)
  const kind = (name: string, key: CacheKind) => ({
    name,
    quantity: count(split?.[key]),
    change: <Change now={split?.[key]} before={splitBefore?.[key]} format={count} />
  })
  const requests = (cached: CacheKind, word: string) => (
    <Link
      href={requestsOf(range, { ...filters, cache: cached })}
      className="rounded-sm underline underline-offset-2 hover:text-foreground"
    >
      {word}
    </Link>
  )
  return (
    <Held held={usage.isPlaceholderData}>
      <MetricGrid label="Figures of the cache">
        <MetricCard
          id="cache-hit-rate"
          label="Hit rate"
          figures={[
            {
              quantity: share(served?.rate),
              change: <Change now={served?.rate} before={servedBefore?.rate} format={share} better="up" />
            }
          ]}
          note={
            served === undefined ? null : `${exactCount(served.served)} of ${exactCount(served.lookups)} lookups served`
          }
        />
        <MetricCard
          id="cache-split"
          label="Served"
          figures={[kind("exact", "hit"), kind("semantic", "semantic"), kind("coalesced", "coalesced")]}
          note={
            <>
              Requests: {requests("hit", "exact")}, {requests("semantic", "semantic")},{" "}
              {requests("coalesced", "coalesced")}
            </>
          }
        />
        <MetricCard
          id="cache-misses"
          label="Not served"
          figures={[kind("misses", "miss"), kind("bypassed", "bypass")]}
          note={
            <>
              Requests: {requests("miss", "misses")}, {requests("bypass", "bypassed")}
            </>
          }
        />
        <MetricCard
          id="cache-saved"
          label="Saved"
          figures={[
            {
              quantity: usd(totals?.savedUsd),
              change: <Change now={totals?.savedUsd} before={past?.savedUsd} format={usd} better="up" />
            }
          ]}
          note={
            totals === undefined ? null : `${text(count(totals.savedTokens))} tokens that no provider was asked for`
          }
        />
        <MetricCard
          id="cache-provider"
          label="Providers’ prompt caches"
          figures={[
            {
              quantity: share(ratio(totals?.cachedTokens, totals?.promptTokens)),
              change: (
                <Change
                  now={ratio(totals?.cachedTokens, totals?.promptTokens)}
                  before={ratio(past?.cachedTokens, past?.promptTokens)}
                  format={share}
                  better="up"
                />
              )
            }
          ]}
          note={totals === undefined ? null : `of prompt tokens, ${text(usd(totals.providerCacheSavedUsd))} saved`}
        />
        <MetricCard
          id="cache-entries"
          label="Entries"
          figures={[{ quantity: count(cache?.entries) }]}
          note={
            cache === undefined
              ? null
              : `of ${exactCount(cache.maxSize)}; ${text(bytes(cache.bytes))} of ${text(bytes(cache.maxBytes))}`
          }
        />
        <MetricCard
          id="cache-stale"
          label="Stale hits since start"
          figures={[{ quantity: count(cache?.staleHits) }]}
          note={cache === undefined ? null : `${exactCount(cache.refreshes)} renewed in the background`}
        />
        <MetricCard
          id="cache-evictions"
          label="Evicted since start"
          figures={[{ quantity: count(cache?.evictions) }]}
          note="Entries that had to leave for others"
        />
      </MetricGrid>
    </Held>
  )
}
