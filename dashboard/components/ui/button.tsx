import { clsx } from "clsx"
import { cva, type VariantProps } from "class-variance-authority"
import type { ComponentProps } from "react"

/** The look of a button, for links that are one. */
export const buttonVariants = cva(
  "inline-flex shrink-0 items-center justify-center gap-2 rounded-md text-[13px] font-medium whitespace-nowrap transition-colors select-none disabled:pointer-events-none disabled:opacity-50 [&_svg]:size-4 [&_svg]:shrink-0",
  {
    variants: {
      variant: {
        primary: "bg-foreground text-inverse hover:bg-foreground/88",
        outline: "border bg-surface hover:bg-subtle",
        ghost: "text-muted hover:bg-subtle hover:text-foreground",
        danger: "border border-bad/40 text-bad-text hover:bg-bad/10"
      },
      size: { md: "h-9 px-3.5", sm: "h-8 px-2.5", xs: "h-7 px-2.5", icon: "size-8" }
    },
    defaultVariants: { variant: "outline", size: "md" }
  }
)

type ButtonProps = ComponentProps<"button"> & VariantProps<typeof buttonVariants>

export function Button({ className, variant, size, type = "button", ...props }: ButtonProps) {
  return <button type={type} className={clsx(buttonVariants({ variant, size }), className)} {...props} />
}
