"use client"

import { useState } from "react"
import { PageHeader } from "@/components/page-header"
import { Card } from "@/components/ui/card"
import { Answer } from "@/features/playground/answer"
import { CallForm, firstDraft } from "@/features/playground/call-form"
import { Stages } from "@/features/playground/stages"
import { isRunning, useRun } from "@/features/playground/use-run"

export function PlaygroundClient() {
  const [draft, setDraft] = useState(firstDraft)
  const { state, send, stop } = useRun()
  return (
    <>
      <PageHeader
        title="Playground"
        note="Calls go through the gateway as any client’s would, and are counted like them."
      />
      <div className="grid items-start gap-6 lg:grid-cols-[21rem_minmax(0,1fr)]">
        <Card aria-label="The call" className="lg:sticky lg:top-8">
          <CallForm draft={draft} running={isRunning(state)} onChange={setDraft} onSend={send} onStop={stop} />
        </Card>
        <div className="min-w-0 space-y-6">
          <Answer state={state} />
          {state.phase === "idle" ? null : <Stages state={state} />}
        </div>
      </div>
    </>
  )
}
