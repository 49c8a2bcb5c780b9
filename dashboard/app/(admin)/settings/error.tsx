"use client"

import { PageError } from "@/components/page-error"

export default function SettingsError(props: { readonly error: Error; readonly reset: () => void }) {
  return <PageError what="The settings" {...props} />
}
