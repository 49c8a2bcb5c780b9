"use client"

import { PageError } from "@/components/page-error"

export default function OverviewError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The overview" {...props} />
}
