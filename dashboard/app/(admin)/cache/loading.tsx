import { Skeleton } from "@/components/ui/skeleton"

export default function Loading() {
  return (
    <div role="status" aria-label="Loading the cache">
      <Skeleton className="mb-6 h-8 w-40" />
      <Skeleton className="h-52 w-full rounded-xl" />
      <Skeleton className="mt-6 h-80 w-full rounded-xl" />
      <Skeleton className="mt-6 h-80 w-full rounded-xl" />
    </div>
  )
}
