"use client"

import { PageError } from "@/components/page-error"

export default function UsageError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The usage" {...props} />
}
