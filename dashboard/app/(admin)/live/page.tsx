import type { Metadata } from "next"
import { requireSession } from "@/features/session/guard"
import { LiveClient } from "./client"

export const metadata: Metadata = { title: "Live" }

export default async function LivePage() {
  await requireSession()
  return <LiveClient />
}
