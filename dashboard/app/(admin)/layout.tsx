import { Cause, Effect, Exit } from "effect"
import { cookies } from "next/headers"
import type { ReactNode } from "react"
import { readTheme, themeCookie } from "@/components/theme"
import { callAdmin, GatewayFailed } from "@/features/gateway/admin-client"
import { gatewayUrl } from "@/features/gateway/address"
import { LiveProvider } from "@/features/live/provider"
import { requireSession, sessionHasEnded } from "@/features/session/guard"
import { closeSession } from "@/features/session/store"
import { AppShell } from "@/features/shell/app-shell"
import { QueryProvider } from "@/features/shell/query-provider"

/** The first status is read here, so that a page is filled when it arrives; a slow gateway does not hold the page. */
const firstStatus = "1500 millis"

export default async function AdminLayout({ children }: { readonly children: ReactNode }) {
  const session = await requireSession()
  const theme = readTheme((await cookies()).get(themeCookie)?.value)
  const exit = await Effect.runPromiseExit(callAdmin(session.token, (client) => client.status({}), firstStatus))
  const error = Exit.isFailure(exit) ? Cause.squash(exit.cause) : undefined
  const failure = error instanceof GatewayFailed ? error.failure : null
  if (failure?.kind === "unauthorized") {
    closeSession(session.id)
    await sessionHasEnded()
  }
  return (
    <QueryProvider>
      <LiveProvider
        status={Exit.isSuccess(exit) ? exit.value : null}
        receivedAtMs={Date.now()}
        failure={failure?.kind === "timeout" ? null : failure}
      >
        <AppShell theme={theme} gateway={gatewayUrl()}>
          {children}
        </AppShell>
      </LiveProvider>
    </QueryProvider>
  )
}
