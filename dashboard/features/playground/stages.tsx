"use client"

import { MetricCard, MetricGrid } from "@/components/metric-card"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { RequestDetailView } from "@/features/requests/request-detail"
import { exactCount } from "@/lib/format"
import { useFigures } from "./use-figures"
import type { RunState } from "./use-run"

/** The figures of one run, as cards. */
export function RunMetrics({ state }: { readonly state: RunState }) {
  const { figures } = useFigures(state)
  return (
    <MetricGrid label="The call">
      {figures.map(({ id, label, note, quantity }) => (
        <MetricCard key={id} id={id} label={label} figures={[{ quantity }]} note={note} />
      ))}
    </MetricGrid>
  )
}

/** What each stage did, as the gateway has recorded it. */
export function Stages({ state }: { readonly state: RunState }) {
  const { record } = useFigures(state)
  const { decisions } = state
  if (decisions === null) return null
  return (
    <Card aria-labelledby="stages">
      <CardHeader id="stages" title="What each stage did" note={servedBy(state)}>
        {decisions.requestId === null ? null : (
          <span className="font-mono text-xs text-muted" data-request-id={decisions.requestId}>
            {decisions.requestId}
          </span>
        )}
      </CardHeader>
      <div className="border-t">
        {record.data !== undefined ? (
          <RequestDetailView request={record.data} replay={false} />
        ) : (
          <div className="px-5 py-4 text-[13px] text-muted">
            {record.isError ? (
              <p>
                The gateway has no record of this call yet.{" "}
                <button type="button" className="underline" onClick={() => record.refetch()}>
                  Look again
                </button>
              </p>
            ) : (
              <div className="space-y-3" role="status" aria-label="Waiting for the record of this call">
                <Skeleton className="h-5 w-1/2" />
                <Skeleton className="h-5 w-1/3" />
                <Skeleton className="h-24" />
              </div>
            )}
          </div>
        )}
      </div>
    </Card>
  )
}

const servedBy = ({ decisions }: RunState): string | undefined => {
  if (decisions === null || decisions.provider === null) return undefined
  const target = decisions.model === null ? decisions.provider : `${decisions.provider}/${decisions.model}`
  if (decisions.attempts === null) return target
  return `${target}, ${exactCount(decisions.attempts)} ${decisions.attempts === 1 ? "attempt" : "attempts"}`
}
