"use client"

import { CornerDownLeft, Square } from "lucide-react"
import { useId, type SubmitEvent } from "react"
import { Button } from "@/components/ui/button"
import { Input, Textarea } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { Segmented } from "@/components/ui/segmented"
import { Select } from "@/components/ui/select"
import { Switch } from "@/components/ui/switch"
import { failureOf } from "@/lib/api"
import { cacheModes, type CacheMode, type RunInput } from "./run"
import { useModels } from "./use-models"

/** The form as it is typed; numbers stay text until they are sent. */
export interface CallDraft {
  readonly model: string
  readonly system: string
  readonly prompt: string
  readonly temperature: string
  readonly maxTokens: string
  readonly cache: CacheMode
  readonly stream: boolean
}

export const firstDraft: CallDraft = {
  model: "",
  system: "",
  prompt: "Write a haiku about programming",
  temperature: "",
  maxTokens: "",
  cache: "default",
  stream: true
}

interface CallFormProps {
  readonly draft: CallDraft
  readonly running: boolean
  readonly onChange: (draft: CallDraft) => void
  readonly onSend: (input: RunInput) => void
  readonly onStop: () => void
}

const cacheOptions = cacheModes.map((value) => ({ value, label: value }))

const cacheHints: Record<CacheMode, string> = {
  default: "Answers from the cache where it can, and stores the answer.",
  refresh: "Asks the provider and replaces what is stored.",
  bypass: "Neither reads nor writes the cache.",
  only: "Answers from the cache or fails."
}

const numberOf = (value: string): number | null => (value.trim() === "" ? null : Number(value))

export function CallForm({ draft, running, onChange, onSend, onStop }: CallFormProps) {
  const id = useId()
  const models = useModels()
  const model = draft.model === "" ? (models.data?.[0]?.id ?? "") : draft.model
  const change = (part: Partial<CallDraft>) => onChange({ ...draft, ...part })

  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (running) return
    onSend({ ...draft, model, temperature: numberOf(draft.temperature), maxTokens: numberOf(draft.maxTokens) })
  }

  return (
    <form
      onSubmit={submit}
      onKeyDown={(event) => {
        if (event.key === "Enter" && (event.metaKey || event.ctrlKey)) event.currentTarget.requestSubmit()
      }}
      className="space-y-4 p-5"
    >
      <div className="space-y-1.5">
        <Label htmlFor={`${id}-model`}>Model</Label>
        <Select
          id={`${id}-model`}
          name="model"
          required
          value={model}
          disabled={models.data === undefined}
          onChange={(event) => change({ model: event.target.value })}
          aria-describedby={models.isError ? `${id}-model-error` : undefined}
        >
          {models.data === undefined ? <option value="">{models.isError ? "Not available" : "Loading"}</option> : null}
          {models.data?.map(({ id: value }) => (
            <option key={value} value={value}>
              {value}
            </option>
          ))}
        </Select>
        {models.isError ? (
          <p id={`${id}-model-error`} role="alert" className="text-xs text-bad-text">
            The models could not be read. {failureOf(models.error).message}{" "}
            <button type="button" className="underline" onClick={() => models.refetch()}>
              Try again
            </button>
          </p>
        ) : null}
      </div>
      <div className="space-y-1.5">
        <Label htmlFor={`${id}-system`}>System message</Label>
        <Textarea
          id={`${id}-system`}
          name="system"
          rows={2}
          placeholder="None"
          value={draft.system}
          onChange={(event) => change({ system: event.target.value })}
        />
      </div>
      <div className="space-y-1.5">
        <Label htmlFor={`${id}-prompt`}>User message</Label>
        <Textarea
          id={`${id}-prompt`}
          name="prompt"
          rows={5}
          required
          value={draft.prompt}
          onChange={(event) => change({ prompt: event.target.value })}
        />
      </div>
      <div className="grid grid-cols-2 gap-4">
        <div className="space-y-1.5">
          <Label htmlFor={`${id}-temperature`}>Temperature</Label>
          <Input
            id={`${id}-temperature`}
            name="temperature"
            type="number"
            inputMode="decimal"
            min={0}
            max={2}
            step={0.1}
            placeholder="Model default"
            value={draft.temperature}
            onChange={(event) => change({ temperature: event.target.value })}
          />
        </div>
        <div className="space-y-1.5">
          <Label htmlFor={`${id}-max`}>Max tokens</Label>
          <Input
            id={`${id}-max`}
            name="maxTokens"
            type="number"
            inputMode="numeric"
            min={1}
            step={1}
            placeholder="Model default"
            value={draft.maxTokens}
            onChange={(event) => change({ maxTokens: event.target.value })}
          />
        </div>
      </div>
      <div className="space-y-1.5">
        <p className="text-[13px] font-medium">Cache</p>
        <Segmented
          label="Cache mode"
          value={draft.cache}
          options={cacheOptions}
          onChange={(cache) => change({ cache })}
          wide
        />
        <p className="text-xs text-muted">{cacheHints[draft.cache]}</p>
      </div>
      <div className="flex items-center justify-between gap-4">
        <Label htmlFor={`${id}-stream`}>Stream the answer</Label>
        <Switch
          id={`${id}-stream`}
          name="stream"
          checked={draft.stream}
          onChange={(event) => change({ stream: event.target.checked })}
        />
      </div>
      <div className="pt-1">
        <Button
          type="submit"
          variant={running ? "danger" : "primary"}
          className="w-full"
          disabled={model === ""}
          aria-keyshortcuts="Control+Enter Meta+Enter"
          onClick={(event) => {
            if (!running) return
            event.preventDefault()
            onStop()
          }}
        >
          {running ? (
            <>
              <Square />
              Stop
            </>
          ) : (
            <>
              Send
              <kbd aria-hidden className="flex items-center gap-0.5 font-sans text-xs opacity-60">
                Ctrl <CornerDownLeft className="size-3!" />
              </kbd>
            </>
          )}
        </Button>
      </div>
    </form>
  )
}
