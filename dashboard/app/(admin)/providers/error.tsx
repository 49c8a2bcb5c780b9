"use client"

import { PageError } from "@/components/page-error"

export default function ProvidersError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The page of providers" {...props} />
}
