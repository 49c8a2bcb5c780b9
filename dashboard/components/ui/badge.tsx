import { clsx } from "clsx"
import { cva, type VariantProps } from "class-variance-authority"
import type { ComponentProps } from "react"

const badgeVariants = cva(
  "inline-flex h-5.5 items-center gap-1.5 rounded-full border px-2 text-xs font-medium whitespace-nowrap",
  {
    variants: {
      tone: {
        neutral: "bg-subtle text-muted",
        good: "border-good/25 bg-good/10 text-good-text",
        warn: "border-warn/35 bg-warn/12 text-warn-text",
        bad: "border-bad/25 bg-bad/10 text-bad-text",
        cached: "border-cached/30 bg-cached/12 text-cached-text",
        answered: "border-answered/25 bg-answered/10 text-answered-text"
      }
    },
    defaultVariants: { tone: "neutral" }
  }
)

export type Tone = NonNullable<VariantProps<typeof badgeVariants>["tone"]>

export function Badge({ className, tone, ...props }: ComponentProps<"span"> & { tone?: Tone }) {
  return <span className={clsx(badgeVariants({ tone }), className)} {...props} />
}
