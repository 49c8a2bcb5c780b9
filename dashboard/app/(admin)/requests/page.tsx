import type { Metadata } from "next"
import { requireSession } from "@/features/session/guard"
import { RequestsClient } from "./client"

export const metadata: Metadata = { title: "Requests" }

export default async function RequestsPage() {
  await requireSession()
  return <RequestsClient />
}
