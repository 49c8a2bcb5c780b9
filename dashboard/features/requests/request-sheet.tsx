"use client"

import { ErrorState } from "@/components/states"
import { Sheet } from "@/components/ui/sheet"
import { Skeleton } from "@/components/ui/skeleton"
import { failureOf } from "@/lib/api"
import { formatFull } from "@/lib/time"
import { StatusBadge } from "./badges"
import { RequestDetailView } from "./request-detail"
import { useRequest } from "./use-requests"

interface RequestSheetProps {
  readonly id: string | null
  readonly onClose: () => void
  /** Opens another request in its place; elsewhere others are links to the list. */
  readonly onOpen?: (id: string) => void
}

/** One request beside the list. */
export function RequestSheet({ id, onClose, onOpen }: RequestSheetProps) {
  const request = useRequest(id)
  return (
    <Sheet
      open={id !== null}
      onOpenChange={(open) => {
        if (!open) onClose()
      }}
      width="max-w-3xl"
      title={
        <span className="flex flex-wrap items-center gap-2">
          {request.data?.model ?? request.data?.modelRequested ?? "Request"}
          {request.data === undefined ? null : (
            <StatusBadge status={request.data.status} errorKind={request.data.errorKind} />
          )}
        </span>
      }
      description={
        <>
          <span className="font-mono break-all">{id}</span>
          {request.data === undefined ? null : <span> · {formatFull(Date.parse(request.data.time))}</span>}
        </>
      }
    >
      {request.data !== undefined ? (
        <RequestDetailView request={request.data} onOpen={onOpen} />
      ) : request.isError ? (
        <ErrorState
          what="The request"
          failure={failureOf(request.error)}
          retrying={request.isFetching}
          onRetry={() => request.refetch()}
        />
      ) : (
        <div className="space-y-3 p-5" role="status" aria-label="Loading the request">
          <Skeleton className="h-24" />
          <Skeleton className="h-40" />
          <Skeleton className="h-24" />
        </div>
      )}
    </Sheet>
  )
}
