/**
 * How pages talk to the dashboard's own server: JSON in, JSON out, and every failure a `RequestFailed` with its kind.
 */
import type { Failure } from "@/features/gateway/failure"

export class RequestFailed extends Error {
  readonly failure: Failure

  constructor(failure: Failure) {
    super(failure.message)
    this.name = "RequestFailed"
    this.failure = failure
  }
}

const offline: Failure = { kind: "offline", message: "The dashboard's server does not answer." }

/** Any thrown value as a failure. */
export const failureOf = (error: unknown): Failure =>
  error instanceof RequestFailed
    ? error.failure
    : { kind: "incompatible", message: error instanceof Error ? error.message : "Something unexpected happened." }

const isFailure = (value: unknown): value is Failure =>
  typeof value === "object" && value !== null && "kind" in value && "message" in value

/** The failure that a response of our own server carries. */
export const readFailure = async (response: Response): Promise<Failure> => {
  const body: unknown = await response.json().catch(() => null)
  return isFailure(body) ? body : { kind: "incompatible", message: `The server answered with HTTP ${response.status}.` }
}

/** Reads JSON; an ended session leads to the login. */
export const getJson = async <A>(path: string, signal?: AbortSignal): Promise<A> => {
  const response = await send(path, signal === undefined ? {} : { signal })
  return (await response.json()) as A
}

/** Sends a request; fails with `RequestFailed` unless the answer is a success. */
export const send = async (path: string, init: RequestInit): Promise<Response> => {
  const response = await fetch(path, init).catch((error: unknown) => {
    throw init.signal?.aborted === true ? error : new RequestFailed(offline)
  })
  if (!response.ok) throw new RequestFailed(await readFailure(response))
  return response
}

/** True from the moment when this page is left for the login; what fails after that is of no interest. */
let leaving = false

/** Goes to the login and comes back to this page afterwards. */
export const goToLogin = (): void => {
  if (leaving) return
  leaving = true
  const here = window.location.pathname + window.location.search
  window.location.assign(`/login?ended=1&next=${encodeURIComponent(here)}`)
}

/** Ends the session and goes to the login. */
export const logOut = async (): Promise<void> => {
  leaving = true
  await fetch("/api/session", { method: "DELETE" }).catch(() => undefined)
  window.location.assign("/login")
}
