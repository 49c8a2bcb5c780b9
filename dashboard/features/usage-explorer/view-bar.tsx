"use client"

import { BookmarkPlus, X } from "lucide-react"
import Link from "next/link"
import { useState } from "react"
import { Popover } from "@/components/popover"
import { Button, buttonVariants } from "@/components/ui/button"
import { Input } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { forgetView, givenViews, keepView, useViews } from "./views"

/** Views to choose from, and a way to keep this one. */
export function ViewBar() {
  const own = useViews()
  return (
    <nav aria-label="Saved views" className="mb-4 flex flex-wrap items-center gap-1.5">
      {givenViews.map(({ name, query }) => (
        <Link key={name} href={`/usage?${query}`} className={buttonVariants({ size: "xs" })}>
          {name}
        </Link>
      ))}
      {own.map(({ name, query }) => (
        <span key={name} data-view={name} className="inline-flex max-w-60 items-center rounded-md border bg-surface">
          <Link
            href={`/usage?${query}`}
            className="min-w-0 truncate rounded-md px-2.5 py-1 text-[13px] font-medium hover:bg-subtle"
          >
            {name}
          </Link>
          <Button
            variant="ghost"
            size="icon"
            className="size-7"
            aria-label={`Forget the view ${name}`}
            onClick={() => forgetView(name)}
          >
            <X className="size-3.5!" />
          </Button>
        </span>
      ))}
      <Popover
        label="Keep this view"
        trigger={(props) => (
          <Button variant="ghost" size="xs" {...props}>
            <BookmarkPlus />
            Save this view
          </Button>
        )}
      >
        {(close) => <NameForm onDone={close} />}
      </Popover>
    </nav>
  )
}

function NameForm({ onDone }: { readonly onDone: () => void }) {
  const [name, setName] = useState("")
  return (
    <form
      className="w-60 space-y-3"
      onSubmit={(event) => {
        event.preventDefault()
        keepView({ name: name.trim(), query: window.location.search.slice(1) })
        onDone()
      }}
    >
      <div className="space-y-1.5">
        <Label htmlFor="view-name">Name</Label>
        <Input id="view-name" value={name} maxLength={60} onChange={(event) => setName(event.target.value)} />
      </div>
      <p className="text-xs text-muted">
        Kept in this browser. The address of the page is the same view, to be shared.
      </p>
      <Button type="submit" variant="primary" size="sm" className="w-full" disabled={name.trim() === ""}>
        Save
      </Button>
    </form>
  )
}
