"use client"

import { LoaderCircle, Radar } from "lucide-react"
import type { ProviderProbe } from "millrace/admin-api"
import { useState } from "react"
import { Badge } from "@/components/ui/badge"
import { Button } from "@/components/ui/button"
import { useChange } from "@/lib/use-change"
import { duration, text } from "@/lib/format"

interface ProbeButtonProps {
  readonly probe: ReturnType<typeof useProbe>
}

/** Calls a provider, or one of its models, once, and keeps what came of it. */
export const useProbe = (provider: string) => {
  const { run, pending, failure } = useChange(["providers"], { wait: false })
  const [found, setFound] = useState<ProviderProbe | null>(null)
  const start = async (model?: string) => {
    setFound(null)
    const path = `/api/providers/${encodeURIComponent(provider)}/probe`
    const answer = await run<ProviderProbe>({ method: "POST", path, body: model === undefined ? {} : { model } })
    if (answer !== undefined) setFound(answer)
  }
  return { start, pending, failure, found }
}

export function ProbeButton({ probe: { start, pending } }: ProbeButtonProps) {
  return (
    <Button size="sm" disabled={pending} title="Send one small call to its default model" onClick={() => start()}>
      {pending ? <LoaderCircle className="animate-spin" /> : <Radar />}
      Probe
    </Button>
  )
}

/** What came of the last probe. */
export function ProbeResult({ probe: { pending, failure, found } }: ProbeButtonProps) {
  return (
    <div role="status" className="min-w-0 basis-full text-[13px] empty:hidden">
      {pending ? (
        <span className="text-muted">Waiting for its answer …</span>
      ) : failure !== null ? (
        <span className="text-bad-text">{failure.message}</span>
      ) : found === null ? null : (
        <span data-probe={found.ok ? "ok" : (found.error?.kind ?? "")} className="flex flex-wrap items-center gap-2">
          <Badge tone={found.ok ? "good" : "bad"}>{found.ok ? "It answers" : (found.error?.kind ?? "No answer")}</Badge>
          <span className="text-muted">
            {found.provider}/{found.model}, {text(duration(found.latencyMs))}
          </span>
          {found.error === null ? null : <span className="min-w-0 break-words">{found.error.message}</span>}
          {found.error?.kind === "CircuitOpen" ? (
            <span className="text-muted">Close the breaker first to ask the provider itself.</span>
          ) : null}
        </span>
      )}
    </div>
  )
}
