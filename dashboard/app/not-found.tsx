import Link from "next/link"
import { buttonVariants } from "@/components/ui/button"

export default function NotFound() {
  return (
    <main className="flex min-h-dvh flex-col items-center justify-center gap-4 p-6 text-center">
      <h1 className="text-lg font-semibold tracking-tight">There is no such page</h1>
      <p className="text-muted">The address may have changed.</p>
      <Link href="/overview" className={buttonVariants()}>
        Go to the overview
      </Link>
    </main>
  )
}
