"use client"

import { PageError } from "@/components/page-error"

export default function BudgetsError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The list of budgets" {...props} />
}
