"use client"

import { LoaderCircle } from "lucide-react"
import type { ReactNode } from "react"
import { Button } from "@/components/ui/button"

interface LoadMoreProps {
  readonly query: {
    readonly hasNextPage: boolean
    readonly isFetchingNextPage: boolean
    readonly fetchNextPage: () => unknown
  }
  readonly children: ReactNode
}

/** Below a list that has more pages: reads the next one. */
export function LoadMore({ query: { hasNextPage, isFetchingNextPage, fetchNextPage }, children }: LoadMoreProps) {
  return hasNextPage ? (
    <div className="flex justify-center border-t py-3">
      <Button size="sm" disabled={isFetchingNextPage} onClick={() => fetchNextPage()}>
        {isFetchingNextPage ? <LoaderCircle className="animate-spin" /> : null}
        {children}
      </Button>
    </div>
  ) : null
}
