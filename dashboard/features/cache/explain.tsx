"use client"

import { CircleAlert, LoaderCircle } from "lucide-react"
import type { CacheExplanation } from "millrace/admin-api"
import { useState, type SubmitEvent } from "react"
import { Badge } from "@/components/ui/badge"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { Textarea } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { useChange } from "@/lib/use-change"

interface ExplainProps {
  /** Keys that the page's address names. */
  readonly a: string | null
  readonly b: string | null
}

const example = '{"prompt": "Hello", "temperature": 0}'

/** A request as JSON, or else the key of an entry. */
const sideOf = (text: string): unknown => (text.startsWith("{") ? JSON.parse(text) : text)

/** Why a request was a miss: the fields in which two requests, or stored entries, differ. */
export function Explain({ a, b }: ExplainProps) {
  const [explanation, setExplanation] = useState<CacheExplanation | null>(null)
  const [problem, setProblem] = useState<string | null>(null)
  const change = useChange([])

  const compare = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const { elements } = event.currentTarget
    setProblem(null)
    setExplanation(null)
    const sides: Array<unknown> = []
    for (const name of ["a", "b"]) {
      try {
        sides.push(sideOf((elements.namedItem(name) as HTMLTextAreaElement).value.trim()))
      } catch {
        setProblem(`The ${name === "a" ? "first" : "second"} one begins like JSON and is none.`)
        return
      }
    }
    const body = { a: sides[0], b: sides[1] }
    const found = await change.run<CacheExplanation>({ method: "POST", path: "/api/cache/explain", body })
    setExplanation(found ?? null)
  }
  const message = problem ?? change.failure?.message

  return (
    <Card aria-labelledby="explain">
      <CardHeader
        id="explain"
        title="Why was this a miss?"
        note="two requests as JSON, both of one shape, or keys of entries"
      />
      <form onSubmit={compare} className="px-5 pb-5">
        <div className="grid gap-4 md:grid-cols-2">
          <Side name="a" label="This request or key" value={a} />
          <Side name="b" label="And that one" value={b} />
        </div>
        <div className="mt-3 flex flex-wrap items-center gap-3">
          <Button type="submit" size="sm" disabled={change.pending}>
            {change.pending ? <LoaderCircle className="animate-spin" /> : null}
            Compare
          </Button>
          {message === undefined ? null : (
            <p role="alert" className="flex min-w-0 items-start gap-1.5 text-[13px] text-bad-text">
              <CircleAlert className="mt-0.5 size-3.5 shrink-0" />
              <span className="min-w-0 break-words">{message}</span>
            </p>
          )}
        </div>
      </form>
      <div role="status">{explanation === null ? null : <Explained explanation={explanation} />}</div>
    </Card>
  )
}

interface SideProps {
  readonly name: "a" | "b"
  readonly label: string
  readonly value: string | null
}

function Side({ name, label, value }: SideProps) {
  return (
    <div>
      <Label htmlFor={`explain-${name}`}>{label}</Label>
      <Textarea
        key={value ?? ""}
        id={`explain-${name}`}
        name={name}
        required
        rows={3}
        spellCheck={false}
        placeholder={example}
        defaultValue={value ?? ""}
        className="mt-1.5 min-h-20 font-mono text-xs!"
      />
    </div>
  )
}

function Explained({ explanation }: { readonly explanation: CacheExplanation }) {
  const { a, b, fields, same } = explanation
  return (
    <div className="space-y-3 border-t p-5 text-[13px]" data-explanation={same ? "same" : "different"}>
      <p className="font-medium">
        {same
          ? "They share one answer."
          : `They differ in ${fields.length === 1 ? "one field" : `${fields.length} fields`}.`}
      </p>
      {fields.length === 0 ? null : (
        <ul className="flex flex-wrap gap-1.5">
          {fields.map((field) => (
            <li key={field}>
              <code className="rounded-md border bg-subtle px-1.5 py-0.5 font-mono text-xs">{field}</code>
            </li>
          ))}
        </ul>
      )}
      <dl className="grid grid-cols-[auto_1fr] items-center gap-x-4 gap-y-1.5">
        {Object.entries({ a, b }).map(([side, { key, stored }]) => (
          <div key={side} className="contents">
            <dt>
              <Badge tone={stored ? "cached" : "neutral"}>{stored ? "Stored" : "Not stored"}</Badge>
            </dt>
            <dd className="min-w-0 truncate font-mono text-xs text-muted" title={key}>
              {key}
            </dd>
          </div>
        ))}
      </dl>
    </div>
  )
}
