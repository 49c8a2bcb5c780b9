/** Why the dashboard could not read something, in words for the person in front of it. */

export type FailureKind =
  /** The gateway refused the admin token, or there is no session: log in again. */
  | "unauthorized"
  /** Too many wrong tokens came from here. */
  | "throttled"
  /** The request itself was wrong; the gateway or this server said what. */
  | "rejected"
  | "not-found"
  /** Nothing answers at the gateway's address. */
  | "unreachable"
  /** The gateway answered too late. */
  | "timeout"
  /** The gateway answers, but can't read its database now. */
  | "unavailable"
  /** The answer is not one that this version of the dashboard knows. */
  | "incompatible"
  /** The dashboard's own server does not answer. */
  | "offline"

/** A field of what was sent, and what is wrong with it. */
export interface Issue {
  readonly field: string
  readonly detail: string
}

export interface Failure {
  readonly kind: FailureKind
  readonly message: string
  /** The fields that the gateway named. */
  readonly issues?: ReadonlyArray<Issue>
}

/** The HTTP status under which the dashboard's routes report a failure. */
export const statusOf: Record<FailureKind, number> = {
  unauthorized: 401,
  throttled: 429,
  rejected: 400,
  "not-found": 404,
  unreachable: 502,
  timeout: 504,
  unavailable: 503,
  incompatible: 502,
  offline: 503
}

/** Failures that may heal by themselves. */
export const isTransient = (failure: Failure) =>
  failure.kind === "unreachable" ||
  failure.kind === "timeout" ||
  failure.kind === "unavailable" ||
  failure.kind === "offline"
