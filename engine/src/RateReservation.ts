/**
 * What an attempt has taken of the limits of this process, for whoever asks other instances too.
 *
 * The limiter of this process writes it with the attempt. It names each scope alike on all instances, shows the limits in
 * force, and takes back what only all instances together know: how full a window is, and that a scope has no room.
 */
import type { SlidingWindow } from "./SlidingWindow.ts"

/** What others teach about one rate of a scope. */
export interface SharedRate {
  /** What must be free for an amount, itself or a little more. */
  readonly needOf: (amount: number) => number
  /** What the windows of all instances hold; `blocked` when somebody waits because of it. */
  readonly sharedUse: (total: number | undefined, blocked: boolean, nowMs: number) => void
}

export interface ReservedScope {
  /** As errors name it. */
  readonly name: string
  /** The same on all instances, and nobody else's. */
  readonly id: string
  readonly requests: SlidingWindow | undefined
  readonly tokens: SlidingWindow | undefined
  /** Calls at once; infinite where there is no such limit. */
  readonly concurrent: number
  readonly learned: { readonly requests: SharedRate; readonly tokens: SharedRate }
  /** Lets nobody else take from it while somebody waits for other instances. */
  readonly holdBack: (held: boolean) => void
}

/** What an attempt holds of one scope. What all instances hold replaces what this one does, for what is learned from it. */
export interface ReservedHold {
  readonly scope: ReservedScope
  requestsHeld: number
  tokensHeld: number
  activeHeld: number
}

export interface RateReservation {
  readonly provider: ReservedHold
  readonly model: ReservedHold | undefined
  readonly tenant: ReservedHold | undefined
  readonly key: ReservedHold | undefined
  /** Tokens that were reserved in each. */
  readonly tokens: number
}
