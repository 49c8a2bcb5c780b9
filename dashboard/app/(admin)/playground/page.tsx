import type { Metadata } from "next"
import { gatewayUrl } from "@/features/gateway/address"
import { requireSession } from "@/features/session/guard"
import { PlaygroundClient } from "./client"

export const metadata: Metadata = { title: "Playground" }

export default async function PlaygroundPage() {
  await requireSession()
  return <PlaygroundClient url={gatewayUrl()} />
}
