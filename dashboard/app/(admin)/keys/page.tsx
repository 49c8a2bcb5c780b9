import type { Metadata } from "next"
import { gatewayUrl } from "@/features/gateway/address"
import { requireSession } from "@/features/session/guard"
import { KeysClient } from "./client"

export const metadata: Metadata = { title: "Keys" }

export default async function KeysPage() {
  await requireSession()
  return <KeysClient gateway={gatewayUrl()} />
}
