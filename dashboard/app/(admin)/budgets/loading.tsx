import { Skeleton } from "@/components/ui/skeleton"

export default function Loading() {
  return (
    <div role="status" aria-label="Loading the budgets">
      <Skeleton className="mb-6 h-8 w-40" />
      <Skeleton className="h-[70dvh] w-full rounded-xl" />
    </div>
  )
}
