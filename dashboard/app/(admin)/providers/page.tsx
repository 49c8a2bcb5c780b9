import type { Metadata } from "next"
import { requireSession } from "@/features/session/guard"
import { ProvidersClient } from "./client"

export const metadata: Metadata = { title: "Providers" }

export default async function ProvidersPage() {
  await requireSession()
  return <ProvidersClient />
}
