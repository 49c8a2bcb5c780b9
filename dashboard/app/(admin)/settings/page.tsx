import type { Metadata } from "next"
import { gatewayUrl } from "@/features/gateway/address"
import { requireSession } from "@/features/session/guard"
import { SettingsClient } from "./client"

export const metadata: Metadata = { title: "Settings" }

export default async function SettingsPage() {
  await requireSession()
  return <SettingsClient gateway={gatewayUrl()} />
}
