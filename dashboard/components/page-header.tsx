import type { ReactNode } from "react"

interface PageHeaderProps {
  readonly title: string
  readonly note?: ReactNode
  readonly children?: ReactNode
}

export function PageHeader({ title, note, children }: PageHeaderProps) {
  return (
    <div className="mb-6 flex flex-wrap items-center gap-x-4 gap-y-3">
      <div className="min-w-0">
        <h1 className="text-xl leading-7 font-semibold tracking-tight">{title}</h1>
        {note === undefined ? null : <p className="mt-0.5 text-[13px] text-muted">{note}</p>}
      </div>
      {children === undefined ? null : <div className="flex flex-wrap items-center gap-2 sm:ml-auto">{children}</div>}
    </div>
  )
}
