"use client"

import { useEffect, useEffectEvent, useRef, useState, type ReactNode } from "react"
import { PageHeader } from "@/components/page-header"
import { Card } from "@/components/ui/card"
import { Segmented } from "@/components/ui/segmented"
import { AnswerCard } from "./answer-card"
import { CallForm, type Target } from "./call-form"
import { Comparison } from "./comparison"
import { CopyAs } from "./copy-as"
import { checked, nextId, turn, type Draft, type Problems } from "./draft"
import { RunMetrics, Stages } from "./stages"
import { useModels } from "./use-models"
import { isRunning, useRun, type RunState } from "./use-run"

interface Address {
  readonly model: string | null
  readonly against: string | null
  readonly key: string | null
}

interface PlaygroundProps {
  readonly url: string
  readonly target: Address
  readonly onTarget: (part: Partial<Address>) => void
  /** What stands in the form first. */
  readonly draft: Draft
  /** The model that is chosen where the address names none; the first that is offered by default. */
  readonly model: string | null
  readonly note?: ReactNode
}

const noProblems: Problems = {}

/** A call, and what came of it: at one model, or at two at the same time. */
export function Playground({ url, target: address, onTarget, draft: first, model, note }: PlaygroundProps) {
  const [draft, setDraft] = useState(first)
  const [problems, setProblems] = useState(noProblems)
  const [shown, setShown] = useState<"main" | "beside">("main")
  const main = useRun()
  const beside = useRun()
  const form = useRef<HTMLFormElement>(null)
  const models = useModels(address.key)
  const target: Target = {
    model: address.model ?? model ?? models.data?.[0]?.id ?? "",
    against: address.against ?? "",
    keyId: address.key
  }
  const running = isRunning(main.state) || isRunning(beside.state)
  const pair = beside.state.phase !== "idle" && beside.state.input !== null && target.against !== ""
  const { body } = checked(draft)

  const send = () => {
    const result = checked(draft)
    setProblems(result.problems)
    if (result.body === undefined || target.model === "") return
    const call = { body: result.body, cache: draft.cache, stream: draft.stream, keyId: target.keyId }
    void main.send({ ...call, model: target.model })
    if (target.against !== "") void beside.send({ ...call, model: target.against })
  }
  const stop = () => {
    main.stop()
    beside.stop()
  }
  useShortcuts({ running, onSend: () => form.current?.requestSubmit(), onStop: stop })

  return (
    <>
      <PageHeader
        title="Playground"
        note="Calls go through the gateway as any client’s would, and are counted like them."
      >
        <CopyAs
          input={
            body === undefined || target.model === ""
              ? undefined
              : { url, model: target.model, body, cache: draft.cache, stream: draft.stream }
          }
        />
      </PageHeader>
      {note}
      <div className="grid items-start gap-6 lg:grid-cols-[23rem_minmax(0,1fr)]">
        <Card aria-label="The call" className="lg:sticky lg:top-8 lg:max-h-[calc(100dvh-4rem)] lg:overflow-y-auto">
          <CallForm
            formRef={form}
            target={target}
            draft={draft}
            problems={problems}
            models={models}
            running={running}
            onTarget={({ against, keyId, model: chosen }) =>
              onTarget({
                ...(chosen === undefined ? {} : { model: chosen }),
                ...(against === undefined ? {} : { against: against === "" ? null : against }),
                ...(keyId === undefined ? {} : { key: keyId })
              })
            }
            onChange={(next) => {
              setDraft(next)
              if (problems !== noProblems) setProblems(checked(next).problems)
            }}
            onSend={send}
            onStop={stop}
          />
        </Card>
        <div className="min-w-0 space-y-6">
          {pair ? (
            <>
              <div className="grid gap-6 xl:grid-cols-2">
                <AnswerCard
                  id="answer-main"
                  title={main.state.input?.model ?? ""}
                  state={main.state}
                  onContinue={() => setDraft(continued(draft, main.state))}
                />
                <AnswerCard
                  id="answer-beside"
                  title={beside.state.input?.model ?? ""}
                  state={beside.state}
                  onContinue={() => setDraft(continued(draft, beside.state))}
                />
              </div>
              <Comparison first={main.state} second={beside.state} />
              <Segmented
                label="Whose stages"
                value={shown}
                options={[
                  { value: "main", label: main.state.input?.model ?? "" },
                  { value: "beside", label: beside.state.input?.model ?? "" }
                ]}
                onChange={setShown}
              />
              <Stages key={shown} state={shown === "main" ? main.state : beside.state} />
            </>
          ) : (
            <>
              <AnswerCard
                id="answer"
                title="Answer"
                state={main.state}
                onContinue={() => setDraft(continued(draft, main.state))}
              />
              {main.state.phase === "idle" ? null : (
                <>
                  <RunMetrics state={main.state} />
                  <Stages state={main.state} />
                </>
              )}
            </>
          )}
        </div>
      </div>
    </>
  )
}

/** The conversation with the answer in it, and a turn for each tool that it calls, or for the user. */
const continued = (draft: Draft, { text, toolCalls }: RunState): Draft => {
  const id = nextId(draft.turns)
  const answer = { ...turn(id, "assistant", text), toolCalls }
  const next =
    toolCalls.length === 0
      ? [turn(id + 1, "user")]
      : toolCalls.map((call, place) => ({ ...turn(id + 1 + place, "tool"), toolCallId: call.id }))
  return { ...draft, turns: [...draft.turns, answer, ...next] }
}

interface Shortcuts {
  readonly running: boolean
  readonly onSend: () => void
  readonly onStop: () => void
}

/** Ctrl or ⌘ with Enter sends from anywhere on the page, Escape stops what runs, unless a dialog takes it. */
const useShortcuts = ({ onSend, onStop, running }: Shortcuts) => {
  const onKey = useEffectEvent((event: KeyboardEvent) => {
    if (event.defaultPrevented) return
    if (event.key === "Escape" && running) onStop()
    if (event.key === "Enter" && (event.metaKey || event.ctrlKey) && !running) onSend()
  })
  useEffect(() => {
    const listen = (event: KeyboardEvent) => onKey(event)
    window.addEventListener("keydown", listen)
    return () => window.removeEventListener("keydown", listen)
  }, [])
}
