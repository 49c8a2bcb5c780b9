"use client"

import { RotateCcw } from "lucide-react"
import type { RequestDetail } from "millrace/admin-api"
import Link from "next/link"
import { Card } from "@/components/ui/card"
import { requestsHref } from "@/features/requests/link"
import { formatFull } from "@/lib/time"

/** Says what of a request stands in the form, and what could not be known of it. */
export function ReplayNote({ request }: { readonly request: RequestDetail }) {
  const body = request.content?.request
  return (
    <Card role="note" aria-label="Replay" className="mb-6 flex gap-3 px-5 py-3.5 text-[13px]">
      <RotateCcw className="mt-0.5 size-4 shrink-0 text-muted" />
      <p className="min-w-0">
        <span className="font-medium">
          The request of{" "}
          <Link href={requestsHref({ id: request.id })} className="underline underline-offset-4">
            {formatFull(Date.parse(request.time))}
          </Link>
        </span>{" "}
        <span className="text-muted">
          {body !== undefined && body !== null
            ? "stands in the form with its model, messages, tools, format and sampling. Pictures and files are named only. The cache is bypassed, so that a provider is asked."
            : request.content !== null
              ? "stands in the form with its model and the text of its prompt: it was too long, or is too old, to be kept as a body."
              : "stands in the form with its model, and whether it was streamed. Its messages and sampling were not kept: that takes logging.content: true, for requests to come."}
        </span>
      </p>
    </Card>
  )
}
