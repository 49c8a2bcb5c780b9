"use client"

import { ChevronRight, CornerDownLeft, Square } from "lucide-react"
import { useState, type ReactNode, type Ref, type SubmitEvent } from "react"
import { Button } from "@/components/ui/button"
import { Field } from "@/components/ui/field"
import { Input, Textarea } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { Segmented } from "@/components/ui/segmented"
import { Select } from "@/components/ui/select"
import { Switch } from "@/components/ui/switch"
import { useKeyNames } from "@/features/keys/use-keys"
import { cacheModes, formats, type CacheMode, type Draft, type Format, type Problems } from "./draft"
import { MessageEditor } from "./message-editor"
import { ModelPicker } from "./model-picker"
import type { useModels } from "./use-models"

/** Whom is asked, and in whose name; a part of the page's address. */
export interface Target {
  readonly model: string
  /** A second model, asked at the same time; empty for none. */
  readonly against: string
  readonly keyId: string | null
}

interface CallFormProps {
  readonly formRef: Ref<HTMLFormElement>
  readonly target: Target
  readonly draft: Draft
  /** What was wrong when it was sent last. */
  readonly problems: Problems
  readonly models: ReturnType<typeof useModels>
  readonly running: boolean
  readonly onTarget: (part: Partial<Target>) => void
  readonly onChange: (draft: Draft) => void
  readonly onSend: () => void
  readonly onStop: () => void
}

const cacheOptions = cacheModes.map((value) => ({ value, label: value }))

const cacheHints: Record<CacheMode, string> = {
  default: "Answers from the cache where it can, and stores the answer.",
  refresh: "Asks the provider and replaces what is stored.",
  bypass: "Neither reads nor writes the cache.",
  only: "Answers from the cache or fails."
}

const formatLabels: Record<Format, string> = { text: "Text", json: "JSON", schema: "JSON schema" }
const formatOptions = formats.map((value) => ({ value, label: formatLabels[value] }))

const toolsExample = `[{ "name": "weather", "description": "The weather of a city",
   "parameters": { "type": "object",
     "properties": { "city": { "type": "string" } } } }]`

const schemaExample = `{ "type": "object",
  "properties": { "name": { "type": "string" } },
  "required": ["name"] }`

/** The call: models, key, messages, tools, format, sampling, cache. */
export function CallForm(props: CallFormProps) {
  const { draft, formRef, models, onChange, onSend, onStop, onTarget, problems, running, target } = props
  const keyNames = useKeyNames()
  const change = (part: Partial<Draft>) => onChange({ ...draft, ...part })
  const sampled = [draft.temperature, draft.topP, draft.maxTokens, draft.seed, draft.stop].some((text) => text !== "")
  const sampling = ["temperature", "topP", "maxTokens", "seed"] as const

  const submit = (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    if (!running) onSend()
  }

  return (
    <form ref={formRef} onSubmit={submit} noValidate className="space-y-4 p-5">
      <ModelPicker label="Model" value={target.model} models={models} onChange={(model) => onTarget({ model })} />
      <ModelPicker
        label="Beside it"
        none="No second model"
        value={target.against}
        models={models}
        onChange={(against) => onTarget({ against })}
      />
      <Field
        label="In the name of"
        hint={
          target.keyId === null
            ? "No key: nothing but the limits of tenant and provider holds."
            : "The tenant, models, limits and budgets of this key hold, and the call is booked on it."
        }
      >
        {(control) => (
          <Select
            {...control}
            value={target.keyId ?? ""}
            onChange={(event) => onTarget({ keyId: event.target.value === "" ? null : event.target.value })}
          >
            <option value="">No key</option>
            {[...namesWith(keyNames, target.keyId)].map(([id, name]) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </Select>
        )}
      </Field>
      <MessageEditor turns={draft.turns} problem={problems.messages} onChange={(turns) => change({ turns })} />
      <More title="Tools" open={draft.tools !== ""} wrong={problems.tools !== undefined}>
        <Field
          label="Tools as JSON"
          hint="A list, as OpenAI writes them or only name, description, parameters."
          error={problems.tools ?? null}
        >
          {(control) => (
            <Textarea
              {...control}
              rows={5}
              spellCheck={false}
              placeholder={toolsExample}
              className="font-mono text-xs!"
              value={draft.tools}
              onChange={(event) => change({ tools: event.target.value })}
            />
          )}
        </Field>
      </More>
      <More title="Format of the answer" open={draft.format !== "text"} wrong={problems.schema !== undefined}>
        <Segmented
          label="Format of the answer"
          value={draft.format}
          options={formatOptions}
          onChange={(format) => change({ format })}
          wide
        />
        {draft.format === "schema" ? (
          <Field label="Schema of the answer" error={problems.schema ?? null} className="mt-3">
            {(control) => (
              <Textarea
                {...control}
                rows={5}
                spellCheck={false}
                placeholder={schemaExample}
                className="font-mono text-xs!"
                value={draft.schema}
                onChange={(event) => change({ schema: event.target.value })}
              />
            )}
          </Field>
        ) : null}
      </More>
      <More title="Sampling" open={sampled} wrong={sampling.some((field) => problems[field] !== undefined)}>
        <div className="grid grid-cols-2 gap-4">
          <NumberField
            label="Temperature"
            value={draft.temperature}
            error={problems.temperature}
            onChange={(temperature) => change({ temperature })}
          />
          <NumberField label="Top p" value={draft.topP} error={problems.topP} onChange={(topP) => change({ topP })} />
          <NumberField
            label="Max tokens"
            value={draft.maxTokens}
            error={problems.maxTokens}
            onChange={(maxTokens) => change({ maxTokens })}
          />
          <NumberField label="Seed" value={draft.seed} error={problems.seed} onChange={(seed) => change({ seed })} />
          <Field label="Stop at" hint="One text a line." className="col-span-2">
            {(control) => (
              <Textarea
                {...control}
                rows={1}
                spellCheck={false}
                className="font-mono text-xs!"
                value={draft.stop}
                onChange={(event) => change({ stop: event.target.value })}
              />
            )}
          </Field>
        </div>
      </More>
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
        <Label htmlFor="stream">Stream the answer</Label>
        <Switch
          id="stream"
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
          disabled={target.model === ""}
          aria-keyshortcuts={running ? "Escape" : "Control+Enter Meta+Enter"}
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
              <kbd aria-hidden className="font-sans text-xs">
                Esc
              </kbd>
            </>
          ) : (
            <>
              Send
              <kbd aria-hidden className="flex items-center gap-0.5 font-sans text-xs opacity-75">
                Ctrl <CornerDownLeft className="size-3!" />
              </kbd>
            </>
          )}
        </Button>
      </div>
    </form>
  )
}

/** The names of keys, and that of one that is not among them by its id. */
const namesWith = (names: ReadonlyMap<string, string>, id: string | null): ReadonlyMap<string, string> =>
  id === null || names.has(id) ? names : new Map([...names, [id, id]])

interface MoreProps {
  readonly title: string
  /** Whether something in it is set. */
  readonly open: boolean
  readonly wrong: boolean
  readonly children: ReactNode
}

/** A part of the form that most calls do not need. */
function More({ title, open, wrong, children }: MoreProps) {
  const [shown, setShown] = useState(open)
  return (
    <details
      className="group rounded-lg border"
      open={shown || wrong}
      onToggle={(event) => setShown(event.currentTarget.open)}
    >
      <summary className="flex h-9 cursor-pointer list-none items-center gap-1.5 rounded-lg px-3 text-[13px] font-medium hover:bg-subtle">
        <ChevronRight className="size-3.5 text-muted transition-transform group-open:rotate-90" />
        {title}
        {open ? <span className="ml-auto size-1.5 rounded-full bg-foreground" title="Set" /> : null}
      </summary>
      <div className="border-t p-3">{children}</div>
    </details>
  )
}

interface NumberFieldProps {
  readonly label: string
  readonly value: string
  readonly error: string | undefined
  readonly onChange: (value: string) => void
}

function NumberField({ label, value, error, onChange }: NumberFieldProps) {
  return (
    <Field label={label} error={error ?? null}>
      {(control) => (
        <Input
          {...control}
          inputMode="decimal"
          placeholder="Model default"
          value={value}
          onChange={(event) => onChange(event.target.value)}
        />
      )}
    </Field>
  )
}
