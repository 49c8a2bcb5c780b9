import type { Metadata } from "next"
import { requireSession } from "@/features/session/guard"
import { CacheClient } from "./client"

export const metadata: Metadata = { title: "Cache" }

export default async function CachePage() {
  await requireSession()
  return <CacheClient />
}
