"use client"

import { Check, LoaderCircle, RotateCw } from "lucide-react"
import type { ConfigReload, ConfigValidation } from "millrace/admin-api"
import { useState, type ReactNode } from "react"
import { Confirm } from "@/components/confirm"
import { Badge } from "@/components/ui/badge"
import { Button } from "@/components/ui/button"
import { Card, CardHeader } from "@/components/ui/card"
import { Textarea } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import type { Failure } from "@/features/gateway/failure"
import { useChange } from "@/lib/use-change"

/** Tries a configuration without changing anything, and puts the gateway's file in force. */
export function ChangeConfig() {
  const validation = useChange([])
  const reloading = useChange(["config", "health"])
  const [pasted, setPasted] = useState("")
  const [found, setFound] = useState<ConfigValidation | null>(null)
  const [asking, setAsking] = useState(false)
  const [reloaded, setReloaded] = useState<ConfigReload | null>(null)

  const validate = async () => {
    setFound(null)
    const body = pasted.trim() === "" ? {} : { text: pasted }
    const answer = await validation.run<ConfigValidation>({ method: "POST", path: "/api/config/validate", body })
    if (answer !== undefined) setFound(answer)
  }

  const reload = async () => {
    const answer = await reloading.run<ConfigReload>({ method: "POST", path: "/api/config/reload" })
    if (answer === undefined) return
    setReloaded(answer)
    setAsking(false)
  }

  return (
    <Card aria-labelledby="change">
      <CardHeader
        id="change"
        title="Change the configuration"
        note="the file is edited where it lies; here it is tried"
      />
      <div className="space-y-3 px-5 pb-5">
        <Label htmlFor="candidate">A new configuration, YAML or JSON</Label>
        <Textarea
          id="candidate"
          rows={8}
          spellCheck={false}
          value={pasted}
          placeholder="Paste it here, or leave this empty to try the gateway’s file as it is now"
          className="mt-1.5 min-h-40 font-mono text-xs"
          onChange={(event) => setPasted(event.target.value)}
        />
        <div className="flex flex-wrap gap-2">
          <Button variant="primary" size="sm" disabled={validation.pending} onClick={validate}>
            {validation.pending ? <LoaderCircle className="animate-spin" /> : <Check />}
            {pasted.trim() === "" ? "Validate the file" : "Validate this"}
          </Button>
          <Button size="sm" onClick={() => setAsking(true)}>
            <RotateCw />
            Reload the file
          </Button>
        </div>
        {validation.failure === null ? null : <Refused failure={validation.failure} />}
        {found === null ? null : <Validation found={found} />}
        {reloaded === null ? null : (
          <Result tone="good" badge="Reloaded" id="reloaded">
            <p>
              Generation {reloaded.generation} is in force.{" "}
              {reloaded.changed.length === 0 ? "Nothing had changed." : "Changed:"}
            </p>
            <Paths paths={reloaded.changed} />
          </Result>
        )}
      </div>
      <Confirm
        open={asking}
        onOpenChange={(open) => {
          setAsking(open)
          if (!open) reloading.reset()
        }}
        title="Reload the configuration?"
        description="The gateway reads its file again and puts it in force for new calls. Calls under way end with the one before. A file with mistakes is refused, and nothing changes."
        action="Reload"
        pending={reloading.pending}
        failure={reloading.failure}
        onConfirm={reload}
      />
    </Card>
  )
}

function Refused({ failure }: { readonly failure: Failure }) {
  return (
    <Result tone="bad" badge="Not read" id="refused">
      <p>{failure.message}</p>
      {failure.issues === undefined ? null : <Issues issues={failure.issues} />}
    </Result>
  )
}

function Validation({ found }: { readonly found: ConfigValidation }) {
  return found.valid ? (
    <Result tone="good" badge="Valid" id="valid">
      {found.changed.length === 0 ? (
        <p>It says the same as the configuration in force.</p>
      ) : (
        <>
          <p>It would change:</p>
          <Paths paths={found.changed} />
        </>
      )}
      {found.needRestart.length === 0 ? null : (
        <>
          <p className="mt-2 text-warn-text">Of this, only a restart can change:</p>
          <Paths paths={found.needRestart} />
        </>
      )}
    </Result>
  ) : (
    <Result tone="bad" badge="Not valid" id="invalid">
      <Issues issues={found.issues} />
    </Result>
  )
}

interface ResultProps {
  readonly tone: "good" | "bad"
  readonly badge: string
  readonly id: string
  readonly children: ReactNode
}

function Result({ tone, badge, id, children }: ResultProps) {
  return (
    <div
      role={tone === "bad" ? "alert" : "status"}
      data-result={id}
      className="space-y-1.5 rounded-lg border bg-subtle px-4 py-3 text-[13px]"
    >
      <Badge tone={tone}>{badge}</Badge>
      {children}
    </div>
  )
}

function Issues({ issues }: { readonly issues: ReadonlyArray<{ readonly field: string; readonly detail: string }> }) {
  return (
    <ul className="space-y-1">
      {issues.map(({ field, detail }) => (
        <li key={`${field} ${detail}`} className="break-words">
          {field === "" ? null : <code className="font-mono text-xs font-medium">{field}: </code>}
          {detail}
        </li>
      ))}
    </ul>
  )
}

function Paths({ paths }: { readonly paths: ReadonlyArray<string> }) {
  return (
    <ul className="space-y-0.5">
      {paths.map((path) => (
        <li key={path}>
          <code className="font-mono text-xs break-all">{path}</code>
        </li>
      ))}
    </ul>
  )
}
