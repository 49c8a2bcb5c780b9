import type { Metadata } from "next"
import { requireSession } from "@/features/session/guard"
import { UsageClient } from "./client"

export const metadata: Metadata = { title: "Usage" }

export default async function UsagePage() {
  await requireSession()
  return <UsageClient />
}
