"use client"

import { ThumbsDown } from "lucide-react"
import type { CacheFeedbackResult } from "millrace/admin-api"
import { useState, type SubmitEvent } from "react"
import { Confirm } from "@/components/confirm"
import { Button } from "@/components/ui/button"
import { Input } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { useChange } from "@/lib/use-change"

/** Tells of a wrong semantic hit by the request that was served it. */
export function SemanticFeedback() {
  const [requestId, setRequestId] = useState("")
  const [open, setOpen] = useState(false)
  const [result, setResult] = useState<CacheFeedbackResult | null>(null)
  const change = useChange(["cache-entries", "cache-semantic"])

  const ask = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    change.reset()
    setResult(null)
    setOpen(true)
  }
  const confirm = async () => {
    const body = { requestId: requestId.trim() }
    const told = await change.run<CacheFeedbackResult>({ method: "POST", path: "/api/cache/feedback", body })
    if (told === undefined) return
    setOpen(false)
    setResult(told)
    setRequestId("")
  }

  return (
    <form onSubmit={ask} className="border-t px-5 py-4">
      <Label htmlFor="wrong-request">Wrong hit of a request</Label>
      <div className="mt-1.5 flex gap-2">
        <Input
          id="wrong-request"
          value={requestId}
          onChange={(event) => setRequestId(event.target.value)}
          required
          placeholder="req_…"
          spellCheck={false}
          autoComplete="off"
          className="font-mono"
        />
        <Button type="submit">
          <ThumbsDown />
          Report
        </Button>
      </div>
      <p role="status" className="mt-2 text-xs text-muted">
        {result === null
          ? "The answer is evicted, and the two prompts are never served for each other again."
          : `${result.evicted ? "The answer is evicted" : "The answer was gone already"}${result.remembered ? ", and the pair is remembered." : "."}`}
      </p>
      <Confirm
        open={open}
        onOpenChange={setOpen}
        title="Report a wrong hit?"
        description={`The answer that ${requestId.trim()} was served is evicted, and the two prompts are never served for each other again.`}
        action="Report it"
        danger
        pending={change.pending}
        failure={change.failure}
        onConfirm={confirm}
      />
    </form>
  )
}
