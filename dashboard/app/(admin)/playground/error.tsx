"use client"

import { PageError } from "@/components/page-error"

export default function PlaygroundError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The playground" {...props} />
}
