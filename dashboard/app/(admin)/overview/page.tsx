import type { Metadata } from "next"
import { gatewayUrl } from "@/features/gateway/address"
import { requireSession } from "@/features/session/guard"
import { OverviewClient } from "./client"

export const metadata: Metadata = { title: "Overview" }

export default async function OverviewPage() {
  await requireSession()
  return <OverviewClient gateway={gatewayUrl()} />
}
