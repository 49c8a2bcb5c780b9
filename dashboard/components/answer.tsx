"use client"

import type { UseQueryResult } from "@tanstack/react-query"
import { clsx } from "clsx"
import type { ReactNode } from "react"
import { Skeleton } from "@/components/ui/skeleton"
import { failureOf } from "@/lib/api"
import { ErrorState } from "./states"

/** What is read of a query to show its answer. */
export type Asked<Data> = Pick<
  UseQueryResult<Data>,
  "data" | "error" | "isError" | "isFetching" | "isPlaceholderData" | "refetch"
>

interface AnswerProps<Data> {
  readonly query: Asked<Data>
  /** What could not be read, as in “The list of keys could not be read”. */
  readonly what: string
  /** Stands in its place while it is read. */
  readonly skeleton?: ReactNode
  readonly children: (data: Data) => ReactNode
}

/** The answer to a question: a skeleton until it is there, why it could not be read and a retry, or itself. */
export function Answer<Data>({ query, what, skeleton, children }: AnswerProps<Data>) {
  const { data, error, isError, isFetching, isPlaceholderData, refetch } = query
  if (data !== undefined) return <Held held={isPlaceholderData}>{children(data)}</Held>
  return isError ? (
    <ErrorState what={what} failure={failureOf(error)} retrying={isFetching} onRetry={() => refetch()} />
  ) : (
    (skeleton ?? <Skeleton className="h-58 w-full" />)
  )
}

interface HeldProps {
  /** True while the figures answer the question before. */
  readonly held: boolean
  readonly children: ReactNode
}

/** Figures that are set back while those of a new question are read. */
export function Held({ held, children }: HeldProps) {
  return (
    <div aria-busy={held} data-held={held || undefined} className={clsx(held && "opacity-40 transition-opacity")}>
      {children}
    </div>
  )
}

/** Says beside the title of a page that its figures are held. */
export function HeldNote() {
  return <span role="status">Reading other figures; those below are still the ones before</span>
}

interface RowSkeletonsProps {
  readonly label: string
  readonly rows?: number
}

/** Stands for the rows of a list. */
export function RowSkeletons({ label, rows = 6 }: RowSkeletonsProps) {
  return (
    <div className="space-y-2 px-5 pb-5" role="status" aria-label={label}>
      {Array.from({ length: rows }, (_, index) => (
        <Skeleton key={index} className="h-9" />
      ))}
    </div>
  )
}
