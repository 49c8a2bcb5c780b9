/**
 * The exact cache over instances: what one has made, another finds.
 *
 * Acts below single flight, so that identical misses of an instance make one look-up; what is found is copied into memory
 * and served as a hit of its true age. A call that wants a fresh answer does not look. Whoever looks the entry up in a script
 * of their own hands its answer in and spares the look-up. Without the store everything is a miss (law 11).
 */
import { Effect } from "effect"
import type { SharedCacheStats } from "./CacheOptions.ts"
import type { FoundRecord, SharedCacheStore } from "./CacheStore.ts"
import type { Call } from "./Call.ts"
import type * as Reply from "./Reply.ts"
import type { Stage } from "./Stage.ts"

/** Copies what was found, and serves it where it may be; undefined where its time is over. */
export type Accept = (call: Call, found: FoundRecord) => Effect.Effect<Reply.Reply> | undefined

export class SharedCache {
  lookups = 0
  readonly store: SharedCacheStore
  private readonly accept: Accept
  /** Calls for which the entry was looked up already. */
  private readonly looked = new WeakSet<Call>()

  constructor(store: SharedCacheStore, accept: Accept) {
    this.store = store
    this.accept = accept
  }

  readonly stage: Stage = (next) => (call) => {
    if (!this.asks(call)) return next(call)
    return Effect.flatMap(this.find(call), (reply) => (reply === undefined ? next(call) : Effect.succeed(reply)))
  }

  /** Looks an answer up and serves it. */
  find(call: Call): Effect.Effect<Reply.Reply | undefined> {
    this.lookups++
    return Effect.flatMap(this.store.find(call.journal.cacheKey!), (found) => this.served(call, found))
  }

  /** Whether the entry of a call is still to be looked up. */
  asks(call: Call): boolean {
    const { journal, request } = call
    return (
      journal.cacheKey !== undefined &&
      journal.cache === "miss" &&
      request.cacheMode !== "refresh" &&
      !this.looked.has(call)
    )
  }

  /** Serves a call of what a script found beside other things, as `entryLua` gives it; it is not looked up again. */
  take(call: Call, reply: unknown): Effect.Effect<Reply.Reply | undefined> {
    this.lookups++
    this.looked.add(call)
    return this.served(call, this.store.read(call.journal.cacheKey!, reply))
  }

  stats(): Omit<SharedCacheStats, "hits"> {
    const { dropped, healthy, reason } = this.store.health()
    return { healthy, reason, dropped, lookups: this.lookups }
  }

  private served(call: Call, found: FoundRecord | undefined): Effect.Effect<Reply.Reply | undefined> {
    return (found === undefined ? undefined : this.accept(call, found)) ?? nothing
  }
}

const nothing = Effect.succeed(undefined)
