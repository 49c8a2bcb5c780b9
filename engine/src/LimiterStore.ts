/**
 * Where limits are counted that several instances share, and who of them is alive.
 *
 * An attempt asks once for everything that it takes of all its scopes, and gets all of it or nothing; what it has really
 * used is told when it has ended, without waiting. What an instance holds belongs to it as a member: one that has not been
 * heard of for `leaseMs` is buried by the others, and what it held is free. Windows and paces are those of `SlidingWindow`.
 */
import type { Effect, Scope } from "effect"
import type { SharedUnavailable } from "./SharedLink.ts"

export type RateKind = "requests" | "tokens"

/** One rate of one scope. Amounts are whole numbers. */
export interface RateKey {
  /** Same on all instances. */
  readonly scope: string
  readonly kind: RateKind
  readonly windowMs: number
  /** Amount in any window. */
  readonly limit: number
}

/** What is asked of a rate. */
export interface RateAsk extends RateKey {
  /** Amount that passes at once after a pause. */
  readonly burst: number
  /** What is taken. */
  readonly amount: number
  /** What must be free for it, the amount or a little more. */
  readonly need: number
}

/** One scope of an attempt. */
export interface PlaceAsk {
  readonly scope: string
  /** Calls at once; undefined where there is no such limit. */
  readonly concurrent: number | undefined
}

export interface Ask {
  readonly member: string
  readonly places: ReadonlyArray<PlaceAsk>
  readonly rates: ReadonlyArray<RateAsk>
  /** Whoever asks again, and how long it has waited. After `claimAfterMs` the scope that refuses it is kept for it. */
  readonly claim?: { readonly id: string; readonly waitedMs: number } | undefined
}

/** What became of an ask. */
export type Verdict =
  | {
      readonly _tag: "Granted"
      /** By the clock of the store, in epoch milliseconds: the ticket of what was taken. */
      readonly atMs: number
      /** What the windows of all hold with it, in the order of the rates. */
      readonly used: ReadonlyArray<number>
      /** Calls at once of all with it, in the order of the places; 0 where they have no limit. */
      readonly active: ReadonlyArray<number>
    }
  | {
      readonly _tag: "Refused"
      /** The scope that has no room. */
      readonly scope: string
      /** Milliseconds until its windows have room; undefined where calls at once are too many. */
      readonly waitMs: number | undefined
    }
  /** The member is not known, or was taken for dead; it has to join again. */
  | { readonly _tag: "Stranger" }

/** A rate whose reservation is replaced by what was used. */
export interface RateCorrection extends RateKey {
  /** When it was taken, by the clock of the store. */
  readonly takenAtMs: number
  readonly reserved: number
  readonly actual: number
  /** The part of it that counts from now on. */
  readonly late: number
}

export interface Return {
  readonly member: string
  /** Scopes of which a place is given back. */
  readonly places: ReadonlyArray<string>
  readonly rates: ReadonlyArray<RateCorrection>
  /** Every scope of the attempt: who waits for one of them is woken. */
  readonly scopes: ReadonlyArray<string>
}

/** An amount that has passed elsewhere, so many milliseconds ago. */
export interface Passed {
  readonly agoMs: number
  readonly amount: number
}

/** What a rate's window holds. */
export interface RateUse {
  readonly used: number
  /** Fill of the leaky bucket that paces. */
  readonly level: number
  /** Parts of what is used, by how long ago each has passed at least; they add up to it. */
  readonly parts: ReadonlyArray<Passed>
}

export interface LimiterStore {
  readonly kind: "memory" | "redis"
  /** One round trip: everything that is asked for, or nothing. */
  readonly admit: (ask: Ask) => Effect.Effect<Verdict, SharedUnavailable>
  /** Counts what was taken without asking; sent without waiting. */
  readonly count: (ask: Ask) => void
  /** Replaces reservations by what was used, gives places back, and wakes who waits; sent without waiting. */
  readonly giveBack: (given: Return) => void
  /** Counts what has passed while the store was away. */
  readonly restore: (
    rates: ReadonlyArray<{ readonly key: RateKey; readonly passed: ReadonlyArray<Passed> }>
  ) => Effect.Effect<void, SharedUnavailable>
  /** What rates hold, in order; nothing is taken. */
  readonly look: (rates: ReadonlyArray<RateKey>) => Effect.Effect<ReadonlyArray<RateUse>, SharedUnavailable>
  /** Tells the other instances that a provider wants to be left alone for a while; sent without waiting. */
  readonly pause: (provider: string, forMs: number) => void
  /** Tells the other instances of a limit that was learned to be lower; sent without waiting. */
  readonly lowered: (rate: RateKey) => void
  readonly listen: (on: LimiterListener) => Effect.Effect<void, never, Scope.Scope>
}

export interface LimiterListener {
  /** Something was given back to a scope that somebody had waited for; undefined for any, where messages may be missed. */
  readonly freed: (scope: string | undefined) => void
  /** Another instance, or this one, was asked by a provider to wait. */
  readonly paused: (provider: string, forMs: number) => void
  /** Another instance, or this one, has learned that a limit is lower. */
  readonly lowered: (rate: RateKey) => void
}

/** Name under which members hold places of a scope. */
export const leaseOf = (scope: string): string => `lease:${scope}`

/** A number by its name. */
export type NamedCount = readonly [name: string, value: number]

/** Who is alive, and what they hold and say together. */
export interface MemberStore {
  /** False while it can't be asked. */
  readonly up: () => boolean
  readonly onChange: (told: (up: boolean) => void) => () => void
  /** How much of what was sent without waiting may be lost, since the start. */
  readonly dropped: () => number
  /** A member that holds so much, in the place of what it was before, whose parts are forgotten. */
  readonly join: (
    member: string,
    before: ReadonlyArray<string>,
    counts: ReadonlyArray<NamedCount>
  ) => Effect.Effect<
    {
      readonly members: number
      /** Another one than before: everything that was kept has been lost since. */
      readonly generation: string
    },
    SharedUnavailable
  >
  /** Says that a member is alive, and some of its numbers anew; undefined when it is not known any more. */
  readonly beat: (
    member: string,
    counts: ReadonlyArray<NamedCount>
  ) => Effect.Effect<
    | {
        readonly members: number
        /** Of all members, in the order of the counts. */
        readonly sums: ReadonlyArray<number>
        /** Members that have not been heard of for too long. */
        readonly dead: ReadonlyArray<string>
      }
    | undefined,
    SharedUnavailable
  >
  /** Forgets a dead member and what it held, unless it has been heard of since. */
  readonly bury: (member: string) => void
  /** Forgets this member; sent without waiting. */
  readonly leave: (member: string) => void
}

/** After so long a wait a scope is kept for whoever waits, so that a large ask is not overtaken by small ones for ever. */
export const claimAfterMs = 1000

/** How long a claim outlives the next time at which its owner asks, at the latest a second later. */
export const claimSpareMs = 1500

/** How long a member is taken for alive that was not heard of. */
export const leaseMs = 15_000
