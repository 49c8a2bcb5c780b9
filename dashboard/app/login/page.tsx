import type { Metadata } from "next"
import { redirect } from "next/navigation"
import { gatewayUrl } from "@/features/gateway/address"
import { currentSession } from "@/features/session/guard"
import { LoginForm } from "./client"

export const metadata: Metadata = { title: "Log in" }

interface LoginPageProps {
  readonly searchParams: Promise<Record<string, string | Array<string> | undefined>>
}

/** A path of this site; anything else would be an open redirect. */
const safePath = (value: unknown): string =>
  typeof value === "string" && /^\/(?![/\\])/.test(value) && !/[\u0000-\u001f\\]/.test(value) ? value : "/overview"

export default async function LoginPage({ searchParams }: LoginPageProps) {
  const { next, ended } = await searchParams
  const destination = safePath(next)
  if ((await currentSession()) !== undefined) redirect(destination)
  return <LoginForm gateway={gatewayUrl()} destination={destination} ended={ended !== undefined} />
}
