"use client"

import { CircleAlert, MessageSquareText, Wrench } from "lucide-react"
import Link from "next/link"
import { EmptyState } from "@/components/states"
import { Badge, type Tone } from "@/components/ui/badge"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import type { RunState } from "./use-run"

const phases: Record<Exclude<RunState["phase"], "idle">, { readonly tone: Tone; readonly label: string }> = {
  waiting: { tone: "neutral", label: "Waiting for the first token" },
  answering: { tone: "answered", label: "Answering" },
  done: { tone: "good", label: "Complete" },
  stopped: { tone: "neutral", label: "Stopped" },
  failed: { tone: "bad", label: "Failed" }
}

interface AnswerCardProps {
  readonly id: string
  readonly title: string
  readonly state: RunState
  /** Takes the answer over into the conversation. */
  readonly onContinue: () => void
}

/** What a model says, as it comes. */
export function AnswerCard({ id, title, state, onContinue }: AnswerCardProps) {
  const phase = state.phase === "idle" ? null : phases[state.phase]
  const empty = state.text === "" && state.toolCalls.length === 0
  return (
    <Card aria-labelledby={id} data-run={id}>
      <CardHeader
        id={id}
        title={title}
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
            {state.reasoning === "" ? null : (
              <details className="mb-3 rounded-lg border bg-subtle/50 px-3 py-2 text-[13px] text-muted" open>
                <summary className="cursor-pointer font-medium">Reasoning</summary>
                <p className="mt-1.5 break-words whitespace-pre-wrap">{state.reasoning}</p>
              </details>
            )}
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
            {state.toolCalls.map(({ function: called, id: callId }) => (
              <div key={callId} className="mt-3 rounded-lg border bg-subtle/50 px-3 py-2" data-tool-call={called.name}>
                <p className="flex items-center gap-2 text-[13px] font-medium">
                  <Wrench className="size-3.5 text-muted" />
                  {called.name}
                  <span className="font-mono text-xs font-normal text-muted">{callId}</span>
                </p>
                <pre className="mt-1 font-mono text-xs break-words whitespace-pre-wrap">{called.arguments}</pre>
              </div>
            ))}
            {state.phase === "done" && empty ? <p className="text-muted">The answer has no text.</p> : null}
            {state.failure === null ? null : <FailureNote failure={state.failure} />}
            {state.phase === "done" && !empty ? (
              <Button size="xs" className="mt-4" onClick={onContinue}>
                Go on from here
              </Button>
            ) : null}
          </>
        )}
      </div>
    </Card>
  )
}

/** Whose fault it was, what the gateway said, and what can be done. */
function FailureNote({ failure }: { readonly failure: NonNullable<RunState["failure"]> }) {
  const { fix, message, title } = failure
  return (
    <div role="alert" className="mt-3 flex gap-3 rounded-lg border border-bad/25 bg-bad/8 px-4 py-3">
      <CircleAlert className="mt-0.5 size-4 shrink-0 text-bad-text" />
      <div className="min-w-0">
        <p className="font-medium text-bad-text">{title}</p>
        <p className="mt-0.5 text-[13px] break-words">{message}</p>
        {fix === null ? null : (
          <p className="mt-1.5 text-[13px]">
            {fix.text}{" "}
            {fix.href === undefined ? null : (
              <Link href={fix.href} className="underline underline-offset-4">
                Go there
              </Link>
            )}
          </p>
        )}
      </div>
    </div>
  )
}
