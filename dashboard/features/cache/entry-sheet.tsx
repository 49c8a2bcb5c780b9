"use client"

import { GitCompareArrows, SearchX, ThumbsDown, Trash2 } from "lucide-react"
import type { CacheEntry } from "millrace/admin-api"
import { useState, type ReactNode } from "react"
import { Confirm } from "@/components/confirm"
import { Sheet } from "@/components/sheet"
import { EmptyState } from "@/components/states"
import { Button } from "@/components/ui/button"
import { bytes, duration, exactCount, text, usd } from "@/lib/format"
import { formatFull } from "@/lib/time"
import { useChange } from "@/lib/use-change"

interface EntrySheetProps {
  readonly entryKey: string | null
  readonly entry: CacheEntry | undefined
  readonly onClose: () => void
  readonly onCompare: (key: string) => void
}

type Asking = "evict" | "wrong"

const questions = {
  evict: {
    title: "Evict this entry?",
    description: "The next request like it asks the provider again.",
    action: "Evict it"
  },
  wrong: {
    title: "Report a wrong hit?",
    description:
      "The answer leaves the exact and the semantic cache. The next request like it asks the provider again.",
    action: "Report it"
  }
}

/** One entry beside the list: what it holds, and what can be done with it. */
export function EntrySheet({ entryKey, entry, onClose, onCompare }: EntrySheetProps) {
  const [asking, setAsking] = useState<Asking>("evict")
  const [open, setOpen] = useState(false)
  const change = useChange(["cache-entries", "cache-semantic"])

  const ask = (next: Asking) => {
    change.reset()
    setAsking(next)
    setOpen(true)
  }
  const confirm = async () => {
    const done = await change.run(
      asking === "evict"
        ? { method: "DELETE", path: `/api/cache/entries/${encodeURIComponent(entryKey!)}` }
        : { method: "POST", path: "/api/cache/feedback", body: { key: entryKey } }
    )
    if (done === undefined) return
    setOpen(false)
    onClose()
  }
  const { title, description, action } = questions[asking]

  return (
    <>
      <Sheet
        open={entryKey !== null}
        onOpenChange={(next) => {
          if (!next) onClose()
        }}
        title={entry === undefined ? "Entry of the cache" : `${entry.provider}/${entry.model}`}
        description={<span className="font-mono break-all">{entryKey}</span>}
      >
        {entry === undefined ? (
          <EmptyState icon={SearchX} title="This entry is not in the list">
            <p>It was evicted or has made room for others, or the filters leave it out.</p>
          </EmptyState>
        ) : (
          <div className="divide-y">
            <dl className="grid grid-cols-[8rem_1fr] gap-x-4 gap-y-2 p-5 text-[13px] tabular-nums">
              <Fact name="Shared by">
                {entry.namespace === null ? `tenant ${entry.tenant} alone` : `namespace ${entry.namespace}`}
              </Fact>
              <Fact name="Stored">{formatFull(Date.parse(entry.storedAt))}</Fact>
              <Fact name="Age">{text(duration(entry.ageMs))}</Fact>
              <Fact name="Fresh for">
                {entry.ttlLeftMs === 0
                  ? "Its time is over; it may only be served stale"
                  : text(duration(entry.ttlLeftMs))}
              </Fact>
              <Fact name="Took">{text(duration(entry.latencyMs))} when it was made</Fact>
              <Fact name="Hits">{exactCount(entry.hits)}</Fact>
              <Fact name="Saved">{entry.savedUsd === null ? "No price" : text(usd(entry.savedUsd))}</Fact>
              <Fact name="Size">{text(bytes(entry.bytes))}</Fact>
            </dl>
            <section className="p-5">
              <h3 className="mb-2 text-[13px] font-semibold">Answer</h3>
              {entry.content === null ? (
                <p className="text-[13px] text-muted">
                  Answers are shown only with <code className="font-mono">logging.content</code>.
                </p>
              ) : (
                <p className="text-[13px] break-words whitespace-pre-wrap">{entry.content}</p>
              )}
            </section>
            <div className="flex flex-wrap gap-2 p-5">
              <Button size="sm" onClick={() => onCompare(entry.key)}>
                <GitCompareArrows />
                Compare
              </Button>
              <Button size="sm" onClick={() => ask("wrong")}>
                <ThumbsDown />
                Wrong hit
              </Button>
              <Button size="sm" variant="danger" onClick={() => ask("evict")}>
                <Trash2 />
                Evict
              </Button>
            </div>
          </div>
        )}
      </Sheet>
      <Confirm
        open={open}
        onOpenChange={setOpen}
        title={title}
        description={description}
        action={action}
        danger
        pending={change.pending}
        failure={change.failure}
        onConfirm={confirm}
      />
    </>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words">{children}</dd>
    </>
  )
}
