/**
 * The API keys of one provider: used in turn, and rested one by one when the provider refuses them.
 *
 * A key that is rejected or out of quota rests for minutes, one that is rate limited for its `Retry-After`; the others go on.
 * When all of them rest, the one that is back first is used, so that a provider is never shut off from here. Keys are known by
 * their place in the configuration and by nothing else: no status, error or log holds one.
 */
import type { Redacted } from "effect"
import type { EngineError } from "./Errors.ts"

export type KeyTrouble = "rejected" | "quota" | "rate-limited"

export interface KeyStatus {
  /** Place in `apiKeys`, from 0. */
  readonly index: number
  readonly state: "ready" | "resting"
  /** Why it rests. */
  readonly reason: KeyTrouble | null
  /** Milliseconds until it is used again. */
  readonly restMs: number | null
}

export interface ProviderKey {
  readonly index: number
  readonly secret: Redacted.Redacted
}

/** Milliseconds that a key rests which was rejected or has no quota: somebody has to act before it works again. */
const rejectedRestMs = 300_000

/** Milliseconds that a rate-limited key rests when the provider names no time. */
const limitedRestMs = 5000

export class ProviderKeys {
  private readonly secrets: ReadonlyArray<Redacted.Redacted>
  private readonly rests: Array<{ readonly untilMs: number; readonly reason: KeyTrouble } | undefined>
  private turn = 0

  constructor(secrets: ReadonlyArray<Redacted.Redacted>) {
    this.secrets = secrets
    this.rests = secrets.map(() => undefined)
  }

  get size(): number {
    return this.secrets.length
  }

  /** The key whose turn it is among those that are ready, else the one that is back first; undefined without keys. */
  next(nowMs: number): ProviderKey | undefined {
    const { length } = this.secrets
    if (length < 2) return length === 0 ? undefined : { index: 0, secret: this.secrets[0]! }
    let index = this.turn % length
    for (let step = 0; step < length && this.untilMs(index, nowMs) > nowMs; step++) index = (index + 1) % length
    if (this.untilMs(index, nowMs) > nowMs) index = this.backFirst(nowMs)
    this.turn = index + 1
    return { index, secret: this.secrets[index]! }
  }

  /** Takes in a failure with a key. True when it was the key's alone and another one is ready. */
  failed(index: number, error: EngineError, nowMs: number): boolean {
    const reason = troubleOf(error)
    if (reason === undefined || this.secrets.length < 2) return false
    const namedMs = "retryAfterMs" in error ? error.retryAfterMs : undefined
    const restMs = reason === "rate-limited" ? (namedMs ?? limitedRestMs) : rejectedRestMs
    this.rests[index] = { untilMs: nowMs + restMs, reason }
    return this.readyInMs(nowMs) === 0
  }

  /** Takes in an answer with a key: it is accepted again. A rate limit is not over by the answer to an earlier call. */
  worked(index: number): void {
    if (this.rests[index]?.reason !== "rate-limited") this.rests[index] = undefined
  }

  /** Milliseconds until a key is ready; 0 when one is. */
  readyInMs(nowMs: number): number {
    return this.secrets.length === 0 ? 0 : Math.max(0, this.untilMs(this.backFirst(nowMs), nowMs) - nowMs)
  }

  status(nowMs: number): ReadonlyArray<KeyStatus> {
    return this.rests.map((rest, index) =>
      rest === undefined || rest.untilMs <= nowMs
        ? { index, state: "ready", reason: null, restMs: null }
        : { index, state: "resting", reason: rest.reason, restMs: rest.untilMs - nowMs }
    )
  }

  private untilMs(index: number, nowMs: number): number {
    return this.rests[index]?.untilMs ?? nowMs
  }

  private backFirst(nowMs: number): number {
    let first = 0
    for (let index = 1; index < this.secrets.length; index++) {
      if (this.untilMs(index, nowMs) < this.untilMs(first, nowMs)) first = index
    }
    return first
  }
}

const troubleOf = (error: EngineError): KeyTrouble | undefined => {
  switch (error._tag) {
    case "ProviderAuthFailed":
      return "rejected"
    case "ProviderQuotaExceeded":
      return "quota"
    case "ProviderRateLimited":
      return "rate-limited"
    default:
      return undefined
  }
}
