"use client"

import type { CacheKind, CacheStatus } from "millrace/admin-api"
import Link from "next/link"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { requestsHref } from "@/features/requests/link"
import type { Range } from "@/features/usage/range"
import type { UsageAnswer } from "@/features/usage/use-usage"
import { bytes, count, exactCount, ratio, share, text, usd } from "@/lib/format"
import { servedOf, splitOf } from "./split"

interface CacheMetricsProps {
  readonly range: Range
  readonly cache: CacheStatus | undefined
  readonly usage: UsageAnswer | undefined
}

/** What the cache served and saved over the range, and what it holds now. */
export function CacheMetrics({ range, cache, usage }: CacheMetricsProps) {
  const totals = usage?.report.totals
  const split = usage === undefined ? undefined : splitOf(usage.report.series)
  const served = split === undefined ? undefined : servedOf(split)
  return (
    <MetricGrid label="Figures of the cache">
      <MetricCard
        id="cache-hit-rate"
        label="Hit rate"
        figures={[{ quantity: share(served?.rate) }]}
        note={
          served === undefined ? null : `${exactCount(served.served)} of ${exactCount(served.lookups)} lookups served`
        }
      />
      <MetricCard
        id="cache-split"
        label="Served"
        figures={[
          { name: "exact", quantity: count(split?.hit) },
          { name: "semantic", quantity: count(split?.semantic) },
          { name: "coalesced", quantity: count(split?.coalesced) }
        ]}
        note={
          <>
            Requests: <RequestsOf range={range} cache="hit" word="exact" />,{" "}
            <RequestsOf range={range} cache="semantic" word="semantic" />,{" "}
            <RequestsOf range={range} cache="coalesced" word="coalesced" />
          </>
        }
      />
      <MetricCard
        id="cache-misses"
        label="Not served"
        figures={[
          { name: "misses", quantity: count(split?.miss) },
          { name: "bypassed", quantity: count(split?.bypass) }
        ]}
        note={
          <>
            Requests: <RequestsOf range={range} cache="miss" word="misses" />,{" "}
            <RequestsOf range={range} cache="bypass" word="bypassed" />
          </>
        }
      />
      <MetricCard
        id="cache-saved"
        label="Saved"
        figures={[{ quantity: usd(totals?.savedUsd) }]}
        note={totals === undefined ? null : `${text(count(totals.savedTokens))} tokens that no provider was asked for`}
      />
      <MetricCard
        id="cache-provider"
        label="Providers’ prompt caches"
        figures={[{ quantity: share(ratio(totals?.cachedTokens, totals?.promptTokens)) }]}
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
  )
}

interface RequestsOfProps {
  readonly range: Range
  readonly cache: CacheKind
  readonly word: string
}

function RequestsOf({ range, cache, word }: RequestsOfProps) {
  return (
    <Link
      href={requestsHref({ range, cache })}
      className="rounded-sm underline underline-offset-2 hover:text-foreground"
    >
      {word}
    </Link>
  )
}
