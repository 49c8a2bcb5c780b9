import { clsx } from "clsx"
import { useId, type ReactNode } from "react"
import { Label } from "./label"

/** What ties a control to its label, hint and error. */
export interface FieldControl {
  readonly id: string
  readonly "aria-invalid": boolean
  readonly "aria-describedby": string | undefined
}

interface FieldProps {
  readonly label: string
  readonly hint?: ReactNode
  readonly error?: string | null
  readonly className?: string
  readonly children: (control: FieldControl) => ReactNode
}

/** A control with its label, a hint below it, and what is wrong with it in the hint's place. */
export function Field({ label, hint, error = null, className, children }: FieldProps) {
  const id = useId()
  const noteId = `${id}note`
  const noted = error !== null || hint !== undefined
  return (
    <div className={clsx("min-w-0 space-y-1.5", className)}>
      <Label htmlFor={id}>{label}</Label>
      {children({ id, "aria-invalid": error !== null, "aria-describedby": noted ? noteId : undefined })}
      {noted ? (
        <p id={noteId} className={clsx("text-xs", error === null ? "text-muted" : "text-bad-text")}>
          {error ?? hint}
        </p>
      ) : null}
    </div>
  )
}
