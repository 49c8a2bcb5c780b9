"use client"

import { List, SearchX, ZoomIn } from "lucide-react"
import Link from "next/link"
import type { ErrorGroup } from "millrace/admin-api"
import { useMemo, type ReactNode } from "react"
import { TimeChart } from "@/components/chart"
import { Sheet } from "@/components/sheet"
import { EmptyState, ErrorState } from "@/components/states"
import { Button, buttonVariants } from "@/components/ui/button"
import { Skeleton } from "@/components/ui/skeleton"
import { useKeyNames } from "@/features/keys/use-keys"
import { requestsHref, type RequestLink } from "@/features/requests/link"
import type { Range, Window } from "@/features/usage/range"
import { failureOf } from "@/lib/api"
import { count, exactCount } from "@/lib/format"
import { formatFull } from "@/lib/time"
import { KindBadge } from "./error-table"
import { failurePoints, failureSeries, faultLabels, placeOf } from "./series"
import { useErrors } from "./use-errors"

interface ErrorSheetProps {
  readonly fingerprint: string | null
  readonly range: Range
  readonly onClose: () => void
  readonly onSample: (requestId: string) => void
}

/** One group of failures beside the list: its course, and whom it met. */
export function ErrorSheet({ fingerprint, range, onClose, onSample }: ErrorSheetProps) {
  return (
    <Sheet
      open={fingerprint !== null}
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      title="Failures that are alike"
      description={
        <>
          Fingerprint <span className="font-mono">{fingerprint}</span>
        </>
      }
    >
      {fingerprint === null ? null : <Group fingerprint={fingerprint} range={range} onSample={onSample} />}
    </Sheet>
  )
}

interface GroupProps {
  readonly fingerprint: string
  readonly range: Range
  readonly onSample: (requestId: string) => void
}

function Group({ fingerprint, range, onSample }: GroupProps) {
  const errors = useErrors(range, { fingerprint })
  if (errors.data === undefined || (errors.isPlaceholderData && !errors.isError)) {
    return errors.isError ? (
      <ErrorState
        what="The failures"
        failure={failureOf(errors.error)}
        retrying={errors.isFetching}
        onRetry={() => errors.refetch()}
      />
    ) : (
      <div className="space-y-3 p-5" role="status" aria-label="Loading the failures">
        <Skeleton className="h-16" />
        <Skeleton className="h-58" />
      </div>
    )
  }
  const [group] = errors.data.groups
  return group === undefined ? (
    <EmptyState icon={SearchX} title="None in this time">
      <p>Choose a longer time to see when it was met.</p>
    </EmptyState>
  ) : (
    <GroupDetail group={group} window={errors.data.window} range={range} onSample={onSample} />
  )
}

interface GroupDetailProps {
  readonly group: ErrorGroup
  readonly window: Window
  readonly range: Range
  readonly onSample: (requestId: string) => void
}

function GroupDetail({ group, window, range, onSample }: GroupDetailProps) {
  const points = useMemo(() => failurePoints([group], window), [group, window])
  const link: RequestLink = { range, fingerprint: group.fingerprint }
  return (
    <div className="divide-y">
      <div className="space-y-4 px-5 py-4">
        <p className="flex flex-wrap items-center gap-2.5 text-[13px]">
          <KindBadge {...group} />
          {group.message ?? <span className="text-muted">No message was kept.</span>}
        </p>
        <dl className="grid grid-cols-[7rem_1fr] gap-x-4 gap-y-2 text-[13px]">
          <Fact name="Requests">{exactCount(group.count)}</Fact>
          <Fact name="Fault of">{group.fault === null ? "–" : faultLabels[group.fault]}</Fact>
          <Fact name="Model">{placeOf(group) ?? "–"}</Fact>
          <Fact name="First seen">{formatFull(Date.parse(group.firstSeen))}</Fact>
          <Fact name="Last seen">{formatFull(Date.parse(group.lastSeen))}</Fact>
        </dl>
        <div className="flex flex-wrap gap-2">
          <Button size="sm" onClick={() => onSample(group.sampleId)}>
            <ZoomIn />
            Open the newest
          </Button>
          <Link href={requestsHref(link)} className={buttonVariants({ size: "sm" })}>
            <List />
            Show all its requests
          </Link>
        </div>
      </div>
      <section className="px-3 py-4">
        <h3 className="mb-2 px-2 text-[13px] font-semibold">Over time</h3>
        <TimeChart
          label={`Failures per ${window.bucket}`}
          kind="bars"
          points={points}
          series={failureSeries}
          format={count}
          bucket={window.bucket}
          wholeNumbers
        />
      </section>
      <Affected group={group} link={link} />
    </div>
  )
}

/** Whom the newest of them met: keys and tenants, each with the way to its requests. */
function Affected({ group, link }: { readonly group: ErrorGroup; readonly link: RequestLink }) {
  const names = useKeyNames()
  if (group.affected === null) return null
  const { keys, tenants, counted } = group.affected
  return (
    <section className="space-y-4 px-5 py-4">
      <header>
        <h3 className="text-[13px] font-semibold">Whom it met</h3>
        {counted < group.count ? (
          <p className="text-xs text-muted">
            Counted over the newest {exactCount(counted)} of {exactCount(group.count)}.
          </p>
        ) : null}
      </header>
      <div className="grid gap-6 sm:grid-cols-2">
        <Counts
          title="Keys"
          rows={keys.map(({ keyId, count: met }) => ({
            name: keyId === null ? "Without a key" : (names.get(keyId) ?? keyId),
            href: keyId === null ? null : requestsHref({ ...link, key: keyId }),
            count: met
          }))}
        />
        <Counts
          title="Tenants"
          rows={tenants.map(({ tenant, count: met }) => ({
            name: tenant,
            href: requestsHref({ ...link, tenant }),
            count: met
          }))}
        />
      </div>
    </section>
  )
}

interface CountsProps {
  readonly title: string
  readonly rows: ReadonlyArray<{ readonly name: string; readonly href: string | null; readonly count: number }>
}

function Counts({ title, rows }: CountsProps) {
  return (
    <div className="min-w-0">
      <h4 className="mb-1.5 text-xs text-muted">{title}</h4>
      <ul className="space-y-1 text-[13px]">
        {rows.map(({ name, href, count: met }) => (
          <li key={href ?? name} className="flex justify-between gap-4">
            {href === null ? (
              <span className="truncate">{name}</span>
            ) : (
              <Link href={href} className="truncate rounded-sm underline-offset-2 hover:underline">
                {name}
              </Link>
            )}
            <span className="tabular-nums">{exactCount(met)}</span>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  )
}
