/**
 * Runs before every page and route: a fresh nonce and the Content-Security-Policy, nothing kept in caches, and pages
 * without a session cookie sent to the login. Whether the cookie is worth anything is decided where data is read.
 */
import { NextResponse, type NextRequest } from "next/server"
import { addressHeader, sessionCookie } from "@/features/session/cookie"

const isPublic = (path: string) => path === "/login" || path.startsWith("/api/")

const policyOf = (nonce: string) =>
  [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'${process.env.NODE_ENV === "development" ? " 'unsafe-eval'" : ""}`,
    `style-src 'self' 'nonce-${nonce}'`,
    "img-src 'self'",
    "font-src 'self'",
    "connect-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-ancestors 'none'"
  ].join("; ")

export function proxy(request: NextRequest) {
  const { pathname, search } = request.nextUrl
  if (!isPublic(pathname) && !request.cookies.has(sessionCookie)) {
    const login = request.nextUrl.clone()
    login.pathname = "/login"
    login.search = pathname === "/" ? "" : `?next=${encodeURIComponent(pathname + search)}`
    return NextResponse.redirect(login)
  }
  const nonce = Buffer.from(crypto.getRandomValues(new Uint8Array(18))).toString("base64")
  const policy = policyOf(nonce)
  const headers = new Headers(request.headers)
  headers.set("x-nonce", nonce)
  headers.set("content-security-policy", policy)
  headers.set(addressHeader, pathname + search)
  const response = NextResponse.next({ request: { headers } })
  response.headers.set("content-security-policy", policy)
  response.headers.set("cache-control", "no-store")
  return response
}

export const config = { matcher: ["/((?!_next/static|_next/image|icon.svg).*)"] }
