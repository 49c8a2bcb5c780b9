/**
 * The link to the state that several instances share: scripts that run there at once, and messages between instances.
 *
 * It says what a concern may count on, whichever store is behind it. No use of it waits longer than a bounded time: the
 * first failure or late answer takes it down for everybody, further uses fail at once, and it is tried again aside until it
 * answers in time. Whoever asks decides what to do without it; no request fails because of it (law 11). A script that got
 * no answer may have run all the same, so what it takes has to end by itself.
 */
import { createHash } from "node:crypto"
import { type Effect, Schema, type Scope } from "effect"

/** The shared state can't be used now; `reason` says why, without a password or a value. */
export class SharedUnavailable extends Schema.TaggedError<SharedUnavailable>()("SharedUnavailable", {
  reason: Schema.String
}) {
  override get message() {
    return `the shared state can't be used: ${this.reason}`
  }
}

/** What is done in one step where the state is, and how its answer is read. Made once, by `sharedScript`. */
export interface SharedScript<A> {
  /** Names it in errors and figures. */
  readonly name: string
  /** Takes its time from `redis.call("TIME")`; all its keys share a hash tag. */
  readonly lua: string
  /** Hash by which it is called. */
  readonly sha: string
  /** Reads the answer; what it throws fails the run. */
  readonly read: (reply: unknown) => A
}

export const sharedScript = <A>(script: Omit<SharedScript<A>, "sha">): SharedScript<A> => ({
  ...script,
  sha: createHash("sha1").update(script.lua).digest("hex")
})

export interface SharedHealth {
  readonly healthy: boolean
  /** What is wrong; null while it is well. */
  readonly reason: string | null
  /** When it last went up or down, in epoch milliseconds. */
  readonly sinceMs: number
  /** Moving average over the answers of about the last ten uses; null before the first. */
  readonly roundTripMs: number | null
  /** Answered uses since the start. */
  readonly roundTrips: number
  /** What was sent without waiting and is not known to have arrived, since the start. */
  readonly dropped: number
}

/** Told of a channel. Both return at once and throw nothing. */
export interface SharedListener {
  readonly message: (text: string) => void
  /** Messages may have been missed until now: told each time that listening begins, the first time included. */
  readonly gap: () => void
}

export interface SharedLink {
  /** Random id of this process, 12 characters. */
  readonly instance: string
  /** False from the first failure or late answer until it answers in time again. */
  readonly up: () => boolean
  /** Tells each change; returns the way to stop. */
  readonly onChange: (told: (up: boolean) => void) => () => void
  /** One round trip. Fails at once while down, and when no answer comes in time, which takes the link down. */
  readonly run: <A>(
    script: SharedScript<A>,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<string | number>
  ) => Effect.Effect<A, SharedUnavailable>
  /** Sent without waiting, in the order of the calls; dropped and counted while down or when too much is on its way. */
  readonly tell: (
    script: SharedScript<unknown>,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<string | number>
  ) => void
  /** Messages of a channel while the scope lives. */
  readonly listen: (channel: string, on: SharedListener) => Effect.Effect<void, never, Scope.Scope>
  /** Tells whoever listens; as bounded and droppable as `tell`. */
  readonly publish: (channel: string, text: string) => void
  readonly health: () => SharedHealth
}
