"use client"

import { PageError } from "@/components/page-error"

export default function LiveError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The live page" {...props} />
}
