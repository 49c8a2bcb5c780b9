"use client"

import { PageError } from "@/components/page-error"

export default function CacheError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The page of the cache" {...props} />
}
