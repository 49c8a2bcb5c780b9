"use client"

import { PageHeader } from "@/components/page-header"
import { ErrorState } from "@/components/states"
import { Card } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { firstDraft } from "@/features/playground/draft"
import { Playground } from "@/features/playground/playground"
import { replayed } from "@/features/playground/replay"
import { ReplayNote } from "@/features/playground/replay-note"
import { useRequest } from "@/features/requests/use-requests"
import { failureOf } from "@/lib/api"
import { useUrlState } from "@/lib/url-state"
import { playgroundParams } from "./search-params"

/** `url` is where the gateway is, for code that is copied. */
export function PlaygroundClient({ url }: { readonly url: string }) {
  const [params, setParams] = useUrlState(playgroundParams)
  const request = useRequest(params.replay)
  if (params.replay === null) {
    return <Playground url={url} target={params} onTarget={setParams} draft={firstDraft} model={null} />
  }
  if (request.data !== undefined) {
    const { draft, model } = replayed(request.data)
    return (
      <Playground
        key={params.replay}
        url={url}
        target={params}
        onTarget={setParams}
        draft={draft}
        model={model}
        note={<ReplayNote request={request.data} />}
      />
    )
  }
  return (
    <>
      <PageHeader title="Playground" note={"\u00a0"} />
      <Card>
        {request.isError ? (
          <ErrorState
            what="The request to be sent again"
            failure={failureOf(request.error)}
            retrying={request.isFetching}
            onRetry={() => request.refetch()}
          />
        ) : (
          <div className="space-y-3 p-5" role="status" aria-label="Loading the request">
            <Skeleton className="h-9" />
            <Skeleton className="h-40" />
          </div>
        )}
      </Card>
    </>
  )
}
