"use client"

import { PageHeader } from "@/components/page-header"
import { ErrorState } from "@/components/states"
import { Card } from "@/components/ui/card"
import { BudgetsNear } from "@/features/live/budgets-near"
import { LiveMetrics } from "@/features/live/live-metrics"
import { ProcessMetrics } from "@/features/live/process-metrics"
import { ProviderLoad } from "@/features/live/provider-load"
import { useLive, useRefreshLive } from "@/features/live/provider"
import { Queues } from "@/features/live/queues"
import { StoresHealth } from "@/features/live/stores-health"
import { TenantLimits } from "@/features/live/tenant-limits"
import { formatAge } from "@/lib/time"
import { useNow } from "@/lib/use-now"

export function LiveClient() {
  const live = useLive()
  const refresh = useRefreshLive()
  const now = useNow()
  const { failure, receivedAtMs, status } = live
  return (
    <>
      <PageHeader
        title="Live"
        note={
          receivedAtMs === null || now === null
            ? "\u00a0"
            : `As of ${formatAge(now - receivedAtMs)}, with the last 2 minutes`
        }
      />
      {status === null && failure !== null ? (
        <Card>
          <ErrorState what="The status of the gateway" failure={failure} retrying={false} onRetry={refresh} />
        </Card>
      ) : (
        <div className="space-y-6">
          <LiveMetrics live={live} />
          <ProviderLoad live={live} />
          <ProcessMetrics live={live} />
          <Queues status={status} />
          <TenantLimits tenants={status?.tenants ?? []} />
          <div className="grid gap-6 xl:grid-cols-2">
            <BudgetsNear status={status} />
            <StoresHealth status={status} />
          </div>
        </div>
      )}
    </>
  )
}
