import { Skeleton } from "@/components/ui/skeleton"

export default function Loading() {
  return (
    <div role="status" aria-label="Loading the overview">
      <Skeleton className="mb-6 h-8 w-40" />
      <Skeleton className="h-52 w-full rounded-xl" />
      <div className="mt-6 grid gap-6 xl:grid-cols-3">
        <Skeleton className="h-80 rounded-xl xl:col-span-2" />
        <Skeleton className="h-80 rounded-xl" />
      </div>
    </div>
  )
}
