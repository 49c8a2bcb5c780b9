"use client"

import { createColumnHelper } from "@tanstack/react-table"
import { Sparkles } from "lucide-react"
import type { SemanticStatus } from "millrace/admin-api"
import Link from "next/link"
import { DataTable, type features } from "@/components/data-table"
import { EmptyState, ErrorState } from "@/components/states"
import { MetricCard, MetricGrid } from "@/components/metric-card"
import { Badge, type Tone } from "@/components/ui/badge"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { requestsHref } from "@/features/requests/link"
import { failureOf } from "@/lib/api"
import { bytes, count, exactCount, ratio, share, text } from "@/lib/format"
import { formatFull, formatDayTime } from "@/lib/time"
import { Reasons } from "./reasons"
import { SemanticFeedback } from "./semantic-feedback"
import { Similarity } from "./similarity"
import { useSemantic } from "./use-cache"

const modes = {
  off: { tone: "neutral", label: "Off" },
  shadow: { tone: "warn", label: "Shadow: compares, serves nothing" },
  on: { tone: "cached", label: "On: serves" }
} as const satisfies Record<SemanticStatus["mode"], { readonly tone: Tone; readonly label: string }>

/** The semantic cache since the process started: what it serves or would serve, and how much of that is wrong. */
export function Semantic() {
  const semantic = useSemantic()
  const status = semantic.data
  return (
    <section aria-labelledby="semantic" className="space-y-6">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1">
        <h2 id="semantic" className="text-base font-semibold tracking-tight">
          Semantic cache
        </h2>
        {status === undefined ? null : <Badge tone={modes[status.mode].tone}>{modes[status.mode].label}</Badge>}
        <p className="text-xs text-muted">since the gateway started</p>
      </div>
      {status === undefined ? (
        <Card>
          {semantic.isError ? (
            <ErrorState
              what="The semantic cache"
              failure={failureOf(semantic.error)}
              retrying={semantic.isFetching}
              onRetry={() => semantic.refetch()}
            />
          ) : (
            <Skeleton className="m-5 h-48" />
          )}
        </Card>
      ) : status.mode === "off" ? (
        <Card>
          <EmptyState icon={Sparkles} title="The semantic cache is off">
            <p>
              Set <code className="font-mono">cache.semantic.mode: shadow</code> to measure on your own traffic what it
              would serve, before anybody is served.
            </p>
          </EmptyState>
        </Card>
      ) : (
        <SemanticFigures status={status} />
      )}
    </section>
  )
}

function SemanticFigures({ status }: { readonly status: SemanticStatus }) {
  const { embeddings, feedback, judge, shadow } = status
  return (
    <>
      <MetricGrid label="Figures of the semantic cache">
        <MetricCard
          id="semantic-lookups"
          label="Lookups"
          figures={[{ quantity: count(status.lookups) }]}
          note={`${exactCount(status.hits)} served, ${text(share(ratio(status.hits, status.lookups)))}`}
        />
        <MetricCard
          id="semantic-would"
          label="Would be hits"
          figures={[{ quantity: count(shadow.wouldBeHits) }]}
          note={`${exactCount(shadow.same)} same, ${exactCount(shadow.different)} different, ${exactCount(shadow.unclear)} unclear`}
        />
        <MetricCard
          id="semantic-false"
          label="False hits, measured"
          figures={[{ quantity: share(shadow.falseHitRate?.value) }]}
          note={
            shadow.falseHitRate === null
              ? "Nothing was compared yet"
              : `95 % interval ${text(share(shadow.falseHitRate.low))} to ${text(share(shadow.falseHitRate.high))}`
          }
        />
        <MetricCard
          id="semantic-entries"
          label="Prompts"
          figures={[{ quantity: count(status.entries) }]}
          note={`in ${exactCount(status.partitions)} partitions, ${text(bytes(status.vectorBytes))} of vectors`}
        />
      </MetricGrid>
      <Similarity key={status.threshold} status={status} />
      <div className="grid gap-6 xl:grid-cols-3">
        <Reasons id="semantic-misses" title="Misses by reason" counts={status.misses} />
        <Reasons id="semantic-bypassed" title="Took no part" counts={status.bypassed} />
        <Card aria-labelledby="semantic-setup">
          <CardHeader id="semantic-setup" title="How it decides" />
          <dl className="grid grid-cols-[auto_1fr] gap-x-4 gap-y-2 px-5 pb-5 text-[13px] tabular-nums">
            <dt className="text-muted">Embedder</dt>
            <dd className="text-right break-words">{status.embedder}</dd>
            <dt className="text-muted">Threshold</dt>
            <dd className="text-right">{status.threshold}</dd>
            {embeddings === null ? null : (
              <>
                <dt className="text-muted">Embeddings</dt>
                <dd className="text-right">
                  {exactCount(embeddings.asked)} asked, {exactCount(embeddings.failed)} failed,{" "}
                  {exactCount(embeddings.late)} late
                </dd>
              </>
            )}
            {judge === null ? null : (
              <>
                <dt className="text-muted">Judge</dt>
                <dd className="text-right">
                  {exactCount(judge.asked)} asked: {exactCount(judge.same)} same, {exactCount(judge.different)}{" "}
                  different
                </dd>
              </>
            )}
            <dt className="text-muted">Not compared</dt>
            <dd className="text-right">{exactCount(shadow.dropped)} because too many waited</dd>
            <dt className="text-muted">Wrong hits told</dt>
            <dd className="text-right">
              {exactCount(feedback.wrong)}, {exactCount(feedback.pairs)} pairs remembered
            </dd>
          </dl>
          <SemanticFeedback />
        </Card>
      </div>
      <Recent recent={shadow.recent} />
    </>
  )
}

type Compared = SemanticStatus["shadow"]["recent"][number]

const comparisons = {
  same: { tone: "good", label: "Same" },
  different: { tone: "bad", label: "Different" },
  unclear: { tone: "neutral", label: "Unclear" }
} as const satisfies Record<Compared["comparison"], { readonly tone: Tone; readonly label: string }>

const recentHelper = createColumnHelper<typeof features, Compared>()
const recentColumns = recentHelper.columns([
  recentHelper.accessor("time", {
    header: "Time",
    meta: { className: "w-32" },
    cell: ({ row: { original } }) => (
      <Link
        href={requestsHref({ id: original.requestId })}
        title={formatFull(Date.parse(original.time))}
        className="rounded-sm tabular-nums underline-offset-2 hover:underline"
      >
        {formatDayTime(Date.parse(original.time))}
      </Link>
    )
  }),
  recentHelper.accessor("similarity", {
    header: "Similarity",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => getValue().toFixed(3)
  }),
  recentHelper.accessor("comparison", {
    header: "Answers",
    meta: { className: "w-28" },
    cell: ({ getValue }) => <Badge tone={comparisons[getValue()].tone}>{comparisons[getValue()].label}</Badge>
  }),
  recentHelper.accessor((compared) => compared.content?.asked.prompt ?? compared.askedKey, {
    id: "asked",
    header: "Asked",
    cell: ({ getValue }) => <span title={getValue()}>{getValue()}</span>
  }),
  recentHelper.accessor((compared) => compared.content?.stored.prompt ?? compared.storedKey, {
    id: "stored",
    header: "Would be served the answer to",
    cell: ({ getValue }) => <span title={getValue()}>{getValue()}</span>
  })
])

function Recent({ recent }: { readonly recent: ReadonlyArray<Compared> }) {
  return (
    <Card aria-labelledby="semantic-recent" className="overflow-hidden">
      <CardHeader id="semantic-recent" title="Would-be hits" note={`the last ${exactCount(recent.length)}`} />
      {recent.length === 0 ? (
        <EmptyState icon={Sparkles} title="None yet">
          <p>A prompt that says in other words what was asked before appears here with both answers compared.</p>
        </EmptyState>
      ) : (
        <DataTable
          label="Would-be hits"
          rows={recent}
          columns={recentColumns}
          rowId={(compared) => compared.requestId}
          minWidth="min-w-[56rem]"
          height="max-h-96"
        />
      )}
    </Card>
  )
}
