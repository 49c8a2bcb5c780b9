import type { Metadata } from "next"
import { requireSession } from "@/features/session/guard"
import { BudgetsClient } from "./client"

export const metadata: Metadata = { title: "Budgets" }

export default async function BudgetsPage() {
  await requireSession()
  return <BudgetsClient />
}
