"use client"

import { CircleAlert, MessageSquareText } from "lucide-react"
import { EmptyState } from "@/components/states"
import { Badge, type Tone } from "@/components/ui/badge"
import { Card, CardHeader } from "@/components/ui/card"
import type { RunState } from "./use-run"

const phases: Record<Exclude<RunState["phase"], "idle">, { readonly tone: Tone; readonly label: string }> = {
  waiting: { tone: "neutral", label: "Waiting for the first token" },
  answering: { tone: "answered", label: "Answering" },
  done: { tone: "good", label: "Complete" },
  stopped: { tone: "neutral", label: "Stopped" },
  failed: { tone: "bad", label: "Failed" }
}

/** What the model says, as it comes. */
export function Answer({ state }: { readonly state: RunState }) {
  const phase = state.phase === "idle" ? null : phases[state.phase]
  return (
    <Card aria-labelledby="answer">
      <CardHeader
        id="answer"
        title="Answer"
        note={
          state.finishReason === null || state.finishReason === "stop"
            ? undefined
            : `Ended with “${state.finishReason}”`
        }
      >
        <span role="status">{phase === null ? null : <Badge tone={phase.tone}>{phase.label}</Badge>}</span>
      </CardHeader>
      <div className="min-h-44 px-5 pb-5">
        {state.phase === "idle" ? (
          <EmptyState icon={MessageSquareText} title="No answer yet">
            <p>Choose a model, write a message and press Send. The call goes through every stage of the gateway.</p>
          </EmptyState>
        ) : (
          <>
            <p
              data-answer
              aria-busy={state.phase === "answering"}
              className="max-w-prose text-[15px] leading-7 break-words whitespace-pre-wrap"
            >
              {state.text}
              {state.phase === "waiting" || state.phase === "answering" ? (
                <span
                  aria-hidden
                  className="ml-0.5 inline-block h-[1.1em] w-[2px] translate-y-[3px] animate-pulse bg-foreground"
                />
              ) : null}
            </p>
            {state.phase === "done" && state.text === "" ? <p className="text-muted">The answer has no text.</p> : null}
            {state.failure === null ? null : (
              <div role="alert" className="mt-3 flex gap-3 rounded-lg border border-bad/25 bg-bad/8 px-4 py-3">
                <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad-text" />
                <div className="min-w-0">
                  <p className="font-medium text-bad-text">{state.failure.title}</p>
                  <p className="mt-0.5 text-[13px] break-words">{state.failure.message}</p>
                </div>
              </div>
            )}
          </>
        )}
      </div>
    </Card>
  )
}
