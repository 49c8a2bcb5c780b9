import type { Metadata } from "next"
import { requireSession } from "@/features/session/guard"
import { ErrorsClient } from "./client"

export const metadata: Metadata = { title: "Errors" }

export default async function ErrorsPage() {
  await requireSession()
  return <ErrorsClient />
}
