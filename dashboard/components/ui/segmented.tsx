import { clsx } from "clsx"
import type { ReactNode } from "react"
import { useId } from "react"

interface SegmentedProps<Value extends string> {
  readonly label: string
  /** null where none of the options is chosen. */
  readonly value: Value | null
  readonly options: ReadonlyArray<{ readonly value: Value; readonly label: string; readonly icon?: ReactNode }>
  readonly onChange: (value: Value) => void
  /** Takes the whole width. */
  readonly wide?: boolean
}

/** A choice of one among a few, all visible: radio buttons in one row. An option with an icon hides its label. */
export function Segmented<Value extends string>({
  label,
  value,
  options,
  onChange,
  wide = false
}: SegmentedProps<Value>) {
  const name = useId()
  return (
    <div
      role="radiogroup"
      aria-label={label}
      className={clsx(
        "h-8 max-w-full items-center overflow-x-auto rounded-md border bg-subtle p-0.5",
        wide ? "flex w-full" : "inline-flex"
      )}
    >
      {options.map((option) => (
        <label
          key={option.value}
          title={option.icon === undefined ? undefined : option.label}
          className="relative flex h-full grow cursor-pointer items-center justify-center rounded-[5px] px-2.5 text-xs font-medium whitespace-nowrap text-muted transition-colors select-none hover:text-foreground has-checked:bg-surface has-checked:text-foreground has-checked:shadow-xs has-focus-visible:outline-2 has-focus-visible:outline-ring"
        >
          <input
            type="radio"
            name={name}
            value={option.value}
            checked={option.value === value}
            onChange={() => onChange(option.value)}
            className="absolute inset-0 cursor-pointer appearance-none outline-none"
            {...(option.icon === undefined ? {} : { "aria-label": option.label })}
          />
          {option.icon ?? option.label}
        </label>
      ))}
    </div>
  )
}
