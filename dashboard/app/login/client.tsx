"use client"

import { CircleAlert, Eye, EyeOff, LoaderCircle } from "lucide-react"
import { useState, type SubmitEvent } from "react"
import { Logo } from "@/components/logo"
import { Button } from "@/components/ui/button"
import { Input } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import type { Failure } from "@/features/gateway/failure"
import { failureOf, send } from "@/lib/api"

interface LoginFormProps {
  readonly gateway: string
  readonly destination: string
  readonly ended: boolean
}

export function LoginForm({ gateway, destination, ended }: LoginFormProps) {
  const [visible, setVisible] = useState(false)
  const [pending, setPending] = useState(false)
  const [failure, setFailure] = useState<Failure | null>(null)

  const logIn = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    const form = event.currentTarget
    const field = form.elements.namedItem("token") as HTMLInputElement
    setPending(true)
    setFailure(null)
    try {
      await send("/api/session", {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ token: field.value.trim() })
      })
      window.location.assign(destination)
    } catch (error) {
      setFailure(failureOf(error))
      setPending(false)
      field.select()
    }
  }

  return (
    <main className="flex min-h-dvh flex-col items-center justify-center px-4 py-12">
      <div className="w-full max-w-sm">
        <div className="mb-8 flex flex-col items-center gap-3 text-center">
          <Logo className="size-10" />
          <h1 className="text-xl font-semibold tracking-tight">Log in to Millrace</h1>
        </div>
        <form method="post" onSubmit={logIn} className="rounded-xl border bg-surface p-6" aria-describedby="gateway">
          {ended && failure === null ? (
            <p role="status" className="mb-4 rounded-md bg-subtle px-3 py-2 text-[13px] text-muted">
              The session has ended. Log in again to go on.
            </p>
          ) : null}
          {/* Password managers keep the token under this name. */}
          <input type="text" name="username" autoComplete="username" value="admin" readOnly hidden />
          <Label htmlFor="token">Admin token</Label>
          <div className="relative mt-2">
            <Input
              id="token"
              name="token"
              type={visible ? "text" : "password"}
              required
              autoFocus
              autoComplete="current-password"
              spellCheck={false}
              maxLength={1024}
              aria-invalid={failure !== null}
              aria-describedby={failure === null ? "token-hint" : "token-error"}
              className="pr-10 font-mono"
            />
            <Button
              variant="ghost"
              size="icon"
              className="absolute top-0.5 right-0.5"
              aria-label={visible ? "Hide the token" : "Show the token"}
              aria-pressed={visible}
              onClick={() => setVisible(!visible)}
            >
              {visible ? <EyeOff /> : <Eye />}
            </Button>
          </div>
          {failure === null ? (
            <p id="token-hint" className="mt-2 text-xs text-muted">
              The gateway prints it when it starts, unless <code className="font-mono">server.adminToken</code> is set.
            </p>
          ) : (
            <p id="token-error" role="alert" className="mt-2 flex items-start gap-1.5 text-xs text-bad-text">
              <CircleAlert className="mt-px size-3.5 shrink-0" />
              {failure.message}
            </p>
          )}
          <Button type="submit" variant="primary" className="mt-5 w-full" disabled={pending}>
            {pending ? <LoaderCircle className="animate-spin" /> : null}
            {pending ? "Checking the token" : "Log in"}
          </Button>
        </form>
        <p id="gateway" className="mt-4 text-center text-xs text-muted">
          Gateway: <span className="font-mono">{gateway}</span>
        </p>
      </div>
    </main>
  )
}
