"use client"

import { ErrorState } from "@/components/states"
import { failureOf } from "@/lib/api"

interface PageErrorProps {
  readonly what: string
  readonly error: Error
  readonly reset: () => void
}

/** What a page shows when it could not be drawn at all. */
export function PageError({ what, error, reset }: PageErrorProps) {
  return <ErrorState what={what} failure={failureOf(error)} retrying={false} onRetry={reset} />
}
