"use client"

import { PageError } from "@/components/page-error"

export default function ErrorsError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The list of errors" {...props} />
}
