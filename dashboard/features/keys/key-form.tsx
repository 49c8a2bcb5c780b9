"use client"

import { LoaderCircle } from "lucide-react"
import { useEffect, useId, useRef, useState, type ReactNode, type SubmitEvent } from "react"
import { Button } from "@/components/ui/button"
import { Field } from "@/components/ui/field"
import { Input, Textarea } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { Switch } from "@/components/ui/switch"
import type { Failure, Issue } from "@/features/gateway/failure"
import { useLive } from "@/features/live/provider"
import { formatInput } from "@/lib/time"
import { BudgetFields } from "./budget-fields"
import { issueAt, otherIssues, settingsOf, type KeyDraft, type KeySettings } from "./draft"

interface KeyFormProps {
  readonly first: KeyDraft
  readonly submitLabel: string
  readonly pending: boolean
  readonly failure: Failure | null
  /** Resolves when it was tried; what failed comes back as `failure`. */
  readonly onSubmit: (settings: KeySettings) => Promise<void>
  readonly onCancel: () => void
}

const dayMs = 86_400_000
const expiries = [30, 90, 365]

/** Every setting of a key. What the gateway refuses is said at the field, and the first such field gets the focus. */
export function KeyForm({ first, submitLabel, pending, failure, onSubmit, onCancel }: KeyFormProps) {
  const id = useId()
  const form = useRef<HTMLFormElement>(null)
  const [draft, setDraft] = useState(first)
  const [unsent, setUnsent] = useState<ReadonlyArray<Issue>>([])
  const issues = unsent.length > 0 ? unsent : (failure?.issues ?? [])
  const others = otherIssues(issues)
  const change = (part: Partial<KeyDraft>) => setDraft({ ...draft, ...part })
  const at = (field: string) => issueAt(issues, field)

  const submit = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const { settings, issues: found } = settingsOf(draft)
    setUnsent(found)
    if (found.length === 0) await onSubmit(settings)
  }

  useEffect(() => {
    if (failure !== null || unsent.length > 0) {
      form.current?.querySelector<HTMLElement>("[aria-invalid=true]")?.focus()
    }
  }, [failure, unsent])

  return (
    <form ref={form} onSubmit={submit} noValidate className="divide-y">
      <Part title="Key">
        <div className="grid gap-4 sm:grid-cols-2">
          <Field label="Name" hint="What it is called in lists." error={at("name")}>
            {(control) => (
              <Input
                {...control}
                autoFocus
                autoComplete="off"
                value={draft.name}
                onChange={(event) => change({ name: event.target.value })}
              />
            )}
          </Field>
          <Field label="Tenant" hint="Keys of a tenant share its cache and its turn." error={at("tenant")}>
            {(control) => (
              <Input
                {...control}
                placeholder="default"
                autoComplete="off"
                value={draft.tenant}
                onChange={(event) => change({ tenant: event.target.value })}
              />
            )}
          </Field>
        </div>
        <Field label="Expires" error={at("expiresAt")} hint="In your time zone. Empty: never.">
          {(control) => (
            <div className="flex flex-wrap items-center gap-2">
              <Input
                {...control}
                type="datetime-local"
                className="max-w-60"
                value={draft.expiresAt}
                onChange={(event) => change({ expiresAt: event.target.value })}
              />
              {expiries.map((days) => (
                <Button
                  key={days}
                  variant="ghost"
                  size="xs"
                  onClick={() => change({ expiresAt: formatInput(Date.now() + days * dayMs) })}
                >
                  in {days} d
                </Button>
              ))}
              <Button variant="ghost" size="xs" onClick={() => change({ expiresAt: "" })}>
                never
              </Button>
            </div>
          )}
        </Field>
        <div className="flex items-center justify-between gap-4">
          <div>
            <Label htmlFor={`${id}-disabled`}>Disabled</Label>
            <p id={`${id}-disabled-hint`} className="text-xs text-muted">
              Its calls are refused until it is enabled.
            </p>
          </div>
          <Switch
            id={`${id}-disabled`}
            aria-describedby={`${id}-disabled-hint`}
            checked={draft.disabled}
            onChange={(event) => change({ disabled: event.target.checked })}
          />
        </div>
      </Part>
      <Part title="What it may use">
        <Field
          label="Models"
          hint="One pattern a line: provider/model, a model of any provider, or an alias; * stands for any characters. Empty: every model."
          error={at("models")}
        >
          {(control) => (
            <Textarea
              {...control}
              rows={3}
              placeholder={"openai/*\nfast"}
              className="font-mono"
              spellCheck={false}
              value={draft.models}
              onChange={(event) => change({ models: event.target.value })}
            />
          )}
        </Field>
        <ProviderChoice
          chosen={draft.providers}
          error={at("providers")}
          onChange={(providers) => change({ providers })}
        />
      </Part>
      <Part title="Limits" note="Over all providers; what is empty has no limit.">
        <div className="grid grid-cols-2 gap-4">
          <Field label="Requests per minute" error={at("rateLimits.requestsPerMinute")}>
            {(control) => (
              <Input
                {...control}
                inputMode="numeric"
                placeholder="No limit"
                value={draft.requestsPerMinute}
                onChange={(event) => change({ requestsPerMinute: event.target.value })}
              />
            )}
          </Field>
          <Field label="Tokens per minute" error={at("rateLimits.tokensPerMinute")}>
            {(control) => (
              <Input
                {...control}
                inputMode="numeric"
                placeholder="No limit"
                value={draft.tokensPerMinute}
                onChange={(event) => change({ tokensPerMinute: event.target.value })}
              />
            )}
          </Field>
          <Field label="Calls at once" error={at("rateLimits.concurrent")}>
            {(control) => (
              <Input
                {...control}
                inputMode="numeric"
                placeholder="No limit"
                value={draft.concurrent}
                onChange={(event) => change({ concurrent: event.target.value })}
              />
            )}
          </Field>
          <Field label="Window, seconds" hint="What is counted together." error={at("rateLimits.window")}>
            {(control) => (
              <Input
                {...control}
                inputMode="numeric"
                placeholder="60"
                value={draft.windowSeconds}
                onChange={(event) => change({ windowSeconds: event.target.value })}
              />
            )}
          </Field>
        </div>
      </Part>
      <Part title="Budgets" note="What its calls may cost in a period. At their end calls are refused.">
        <BudgetFields budgets={draft.budgets} issues={issues} onChange={(budgets) => change({ budgets })} />
      </Part>
      <Part title="Metadata">
        <Field
          label="JSON object"
          hint="Yours to use, at most 4,096 characters. It is shown with the key."
          error={at("metadata")}
        >
          {(control) => (
            <Textarea
              {...control}
              rows={3}
              placeholder='{"team": "search"}'
              className="font-mono"
              spellCheck={false}
              value={draft.metadata}
              onChange={(event) => change({ metadata: event.target.value })}
            />
          )}
        </Field>
      </Part>
      <div className="sticky bottom-0 space-y-3 bg-surface px-5 py-4">
        {failure === null || (issues.length > 0 && others.length === 0) ? null : (
          <p role="alert" className="text-[13px] whitespace-pre-line text-bad-text">
            {others.length > 0 ? others.map(({ field, detail }) => `${field}: ${detail}`).join("\n") : failure.message}
          </p>
        )}
        <div className="flex justify-end gap-2">
          <Button size="sm" onClick={onCancel}>
            Cancel
          </Button>
          <Button type="submit" variant="primary" size="sm" disabled={pending}>
            {pending ? <LoaderCircle className="animate-spin" /> : null}
            {submitLabel}
          </Button>
        </div>
      </div>
    </form>
  )
}

interface PartProps {
  readonly title: string
  readonly note?: string
  readonly children: ReactNode
}

function Part({ title, note, children }: PartProps) {
  return (
    <section className="space-y-4 px-5 py-5">
      <header>
        <h3 className="text-[13px] font-semibold">{title}</h3>
        {note === undefined ? null : <p className="text-xs text-muted">{note}</p>}
      </header>
      {children}
    </section>
  )
}

interface ProviderChoiceProps {
  readonly chosen: ReadonlyArray<string>
  readonly error: string | null
  readonly onChange: (chosen: ReadonlyArray<string>) => void
}

/** The providers that are configured now, and those that the key names already. */
function ProviderChoice({ chosen, error, onChange }: ProviderChoiceProps) {
  const { status } = useLive()
  const names = [...new Set([...(status?.providers ?? []).map(({ name }) => name), ...chosen])]
  return (
    <fieldset className="min-w-0 space-y-2">
      <legend className="text-[13px] font-medium">Providers</legend>
      <div className="flex flex-wrap gap-x-5 gap-y-2">
        {names.map((name) => (
          <label key={name} className="flex min-w-0 items-center gap-2 text-[13px]">
            <input
              type="checkbox"
              className="size-4 shrink-0 accent-foreground"
              checked={chosen.includes(name)}
              aria-invalid={error !== null}
              onChange={(event) =>
                onChange(event.target.checked ? [...chosen, name] : chosen.filter((other) => other !== name))
              }
            />
            <span className="truncate">{name}</span>
          </label>
        ))}
      </div>
      <p className={error === null ? "text-xs text-muted" : "text-xs text-bad-text"}>
        {error ?? "None chosen: every provider."}
      </p>
    </fieldset>
  )
}
