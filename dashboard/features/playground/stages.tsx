"use client"

import type { CacheKind } from "millrace/admin-api"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { cacheLabels } from "@/features/requests/badges"
import { RequestDetailView } from "@/features/requests/request-detail"
import { useRequest } from "@/features/requests/use-requests"
import { duration, exactCount, gap, text, usd, type Quantity } from "@/lib/format"
import { isRunning, type RunState } from "./use-run"

/** What each stage did: first from the response headers, then as the gateway has recorded it. */
export function Stages({ state }: { readonly state: RunState }) {
  const { decisions, tokens } = state
  const requestId = isRunning(state) ? null : (decisions?.requestId ?? null)
  const request = useRequest(requestId)
  const costUsd = decisions?.costUsd ?? request.data?.costUsd
  const completionTokens = tokens?.completionTokens ?? request.data?.completionTokens
  const speed =
    completionTokens === undefined ||
    state.totalMs === null ||
    state.firstTextMs === null ||
    state.totalMs - state.firstTextMs < 50
      ? null
      : completionTokens / ((state.totalMs - state.firstTextMs) / 1000)
  return (
    <>
      <MetricGrid label="The call">
        <MetricCard
          id="cache"
          label="Cache"
          figures={[{ quantity: cacheOf(decisions?.cache ?? null) }]}
          note={decisions?.cacheAgeSeconds == null ? null : `${text(duration(decisions.cacheAgeSeconds * 1000))} old`}
        />
        <MetricCard
          id="first-token"
          label="First token"
          figures={[{ quantity: duration(state.firstTextMs) }]}
          note="Measured in this browser"
        />
        <MetricCard
          id="total"
          label="Answer complete"
          figures={[{ quantity: duration(state.totalMs) }]}
          note={speed === null ? "Measured in this browser" : `${exactCount(speed)} tokens per second`}
        />
        <MetricCard
          id="cost"
          label="Cost"
          figures={[{ quantity: usd(costUsd) }]}
          note={
            tokens === null
              ? null
              : `${exactCount(tokens.promptTokens)} prompt, ${exactCount(tokens.completionTokens)} completion tokens`
          }
        />
      </MetricGrid>
      {decisions === null ? null : (
        <Card aria-labelledby="stages">
          <CardHeader id="stages" title="What each stage did" note={servedBy(state)}>
            {decisions.requestId === null ? null : (
              <span className="font-mono text-xs text-muted" data-request-id={decisions.requestId}>
                {decisions.requestId}
              </span>
            )}
          </CardHeader>
          <div className="border-t">
            {request.data !== undefined ? (
              <RequestDetailView request={request.data} />
            ) : (
              <div className="px-5 py-4 text-[13px] text-muted">
                {request.isError ? (
                  <p>
                    The gateway has no record of this call yet.{" "}
                    <button type="button" className="underline" onClick={() => request.refetch()}>
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
      )}
    </>
  )
}

const cacheOf = (cache: string | null): Quantity =>
  cache === null ? gap : { value: cacheLabels[cache as CacheKind] ?? cache, unit: "" }

const servedBy = ({ decisions }: RunState): string | undefined => {
  if (decisions === null || decisions.provider === null) return undefined
  const target = decisions.model === null ? decisions.provider : `${decisions.provider}/${decisions.model}`
  if (decisions.attempts === null) return target
  return `${target}, ${exactCount(decisions.attempts)} ${decisions.attempts === 1 ? "attempt" : "attempts"}`
}
