/**
 * Entries of the exact cache that instances share, over the shared link.
 *
 * Entries are put without waiting and found in one round trip; while the link is down nothing is put and nothing is found.
 * What is taken out is told to all instances and never dropped: it waits until the link is up again, and whoever was away
 * reads it in a log. Until it has read that log, and for whatever was put before a purge it knows of, it finds nothing.
 * A purge also takes its entries out of Redis, step by step.
 */
import { Effect, FiberSet, Result, type Scope } from "effect"
import { type GroupFilter, matches } from "../CacheGroup.ts"
import { type CacheRecord, decodeRecord } from "../CacheRecord.ts"
import * as Scripts from "../CacheScripts.ts"
import type { CacheRemovals, FoundRecord, SharedCacheStore } from "../CacheStore.ts"
import type { SharedLink } from "../SharedLink.ts"

export interface CacheRedisOptions {
  readonly link: SharedLink
  /** Milliseconds for which an entry is kept after its time to live, because it may be served stale; 0 by default. */
  readonly graceMs?: number | undefined
  /** Characters of a record as JSON; larger ones are not shared. 1,000,000 by default. */
  readonly maxLength?: number | undefined
}

export const make = (options: CacheRedisOptions): Effect.Effect<SharedCacheStore, never, Scope.Scope> =>
  Effect.gen(function* () {
    const fork = yield* FiberSet.makeRuntime<never>()
    const cache = new CacheRedis(options, fork)
    yield* options.link.listen(Scripts.channel, { message: cache.heard, gap: cache.gap })
    yield* Effect.acquireRelease(
      Effect.sync(() => options.link.onChange(cache.changed)),
      (stop) => Effect.sync(stop)
    )
    return cache
  })

/** What is taken out: an entry, or what a filter matches. */
type Removal = { readonly key: string } | { readonly filter: GroupFilter }

interface Purge {
  readonly filter: GroupFilter
  /** What was put until then is gone; by the clock of Redis. */
  untilUs: number
}

/** Milliseconds after which a removal that did not get through a link that is up is told again. */
const againMs = 100

/** Removals that are remembered; what was put before those that are forgotten is not found. */
const rememberedMax = 1000

class CacheRedis implements SharedCacheStore {
  private readonly link: SharedLink
  private readonly graceMs: number
  private readonly maxLength: number
  private readonly fork: (effect: Effect.Effect<void>) => unknown
  private removals: CacheRemovals | undefined
  private dropped = 0
  /** Removals that Redis does not know of yet, the oldest first. */
  private readonly pending = new Set<Removal>()
  private walks = 0
  /** The log has been read since the link came up. */
  private current = false
  private lastId = "0"
  private purges: Array<Purge> = []
  /** What was put until then is not found. */
  private floorUs = 0
  /** When entries were taken out, by the clock of Redis; for answers that are on their way. */
  private readonly removedAtUs = new Map<string, number>()

  constructor({ graceMs = 0, link, maxLength = 1_000_000 }: CacheRedisOptions, fork: CacheRedis["fork"]) {
    this.link = link
    this.graceMs = graceMs
    this.maxLength = maxLength
    this.fork = fork
  }

  put(record: CacheRecord): void {
    const livesMs = Math.ceil(record.expiresAtMs - record.storedAtMs + this.graceMs)
    if (livesMs <= 0) return
    const json = JSON.stringify(record)
    if (json.length > this.maxLength || !this.link.up()) {
      this.dropped += 1
      return
    }
    this.link.tell(Scripts.put, [Scripts.entryKeyOf(record.key)], [json, livesMs, record.key, this.link.instance])
  }

  remove(key: string): void {
    this.remember(key, Number.POSITIVE_INFINITY)
    this.tell({ key })
  }

  purge(filter: GroupFilter): void {
    this.rememberPurge({ filter, untilUs: Number.POSITIVE_INFINITY })
    this.tell({ filter })
  }

  readonly flush: Effect.Effect<void> = Effect.suspend(() => {
    if (!this.link.up()) return Effect.void
    const busy = !this.current || this.pending.size > 0 || this.walks > 0
    // Answers come in order: this one comes after whatever was sent before.
    const answered = Effect.ignore(this.link.run(Scripts.remove, [Scripts.entryKeyOf("")], []))
    return Effect.andThen(answered, busy ? Effect.andThen(Effect.yieldNow, this.flush) : Effect.void)
  })

  health(): ReturnType<SharedCacheStore["health"]> {
    const { healthy, reason } = this.link.health()
    return { kind: "redis", healthy, reason, dropped: this.dropped }
  }

  find(key: string): Effect.Effect<FoundRecord | undefined> {
    if (!this.current || !this.link.up()) return nothing
    return Effect.matchEager(this.link.run(Scripts.find, [Scripts.entryKeyOf(key)], []), {
      onFailure: () => undefined,
      onSuccess: (entry) => this.judge(key, entry)
    })
  }

  read(key: string, reply: unknown): FoundRecord | undefined {
    return this.current ? this.judge(key, Scripts.readEntry(reply)) : undefined
  }

  listen(removals: CacheRemovals): void {
    this.removals = removals
  }

  readonly changed = (up: boolean): void => {
    if (!up) this.current = false
  }

  /** The link is up, and what was told until now may have been missed. */
  readonly gap = (): void => {
    for (const removal of this.pending) this.tellOne(removal)
    this.fork(
      Effect.matchEager(this.link.run(Scripts.missedRemovals, [Scripts.logKey], [this.lastId]), {
        onFailure: () => {},
        onSuccess: (missed) => this.catchUp(missed)
      })
    )
  }

  readonly heard = (text: string): void => {
    const message = parsed(text) as readonly [string, number, string, Removal] | undefined
    if (message === undefined) return
    const [by, atUs, id, what] = message
    if (id !== "") this.lastId = id
    if (by !== this.link.instance) this.apply(what, atUs, false)
  }

  /** What was found, unless it was taken out since it was put, or can't be read. */
  private judge(key: string, entry: Scripts.SharedEntry | undefined): FoundRecord | undefined {
    if (entry === undefined || entry.putAtUs <= this.floorUs) return undefined
    if ((this.removedAtUs.get(key) ?? 0) >= entry.readAtUs) return undefined
    const decoded = decodeRecord(parsed(entry.json))
    if (Result.isFailure(decoded) || decoded.success.key !== key) return undefined
    const record = decoded.success
    const { model, namespace, provider, tenant } = record
    const group = { target: { provider, model }, tenant, namespace: namespace ?? undefined }
    for (const { filter, untilUs } of this.purges) {
      if (entry.putAtUs <= untilUs && matches(filter, group)) return undefined
    }
    return { record, ageMs: Math.max(0, (entry.readAtUs - entry.putAtUs) / 1000) }
  }

  /** What another instance has taken out. */
  private apply(what: Removal, atUs: number, wasMissed: boolean): void {
    if ("key" in what) {
      this.remember(what.key, atUs)
      this.removals?.removed(what.key)
      return
    }
    this.rememberPurge({ filter: what.filter, untilUs: atUs })
    if (wasMissed) this.removals?.purgedBefore(what.filter, atUs / 1000)
    else this.removals?.purged(what.filter)
  }

  private catchUp({ complete, entries }: Scripts.MissedRemovals): void {
    const [oldest] = entries
    // The log is as long as it gets: older ones may have been there.
    if (oldest !== undefined && entries.length >= Scripts.logLength) {
      this.floorUs = Math.max(this.floorUs, oldest.atUs)
      this.removals?.purgedBefore({}, oldest.atUs / 1000)
    } else if (!complete) {
      this.lastId = "0"
      this.removals?.lost()
    }
    for (const { atUs, by, id, what } of entries) {
      this.lastId = id
      const removal = parsed(what) as Removal | undefined
      if (by !== this.link.instance && removal !== undefined) this.apply(removal, atUs, true)
    }
    this.current = true
  }

  private tell(removal: Removal): void {
    if (this.pending.size >= rememberedMax) {
      this.pending.clear()
      this.pending.add({ filter: {} })
    }
    this.pending.add(removal)
    this.tellOne(removal)
  }

  /** What fails waits until the link is up again. */
  private tellOne(removal: Removal): void {
    if (!this.link.up()) return
    if ("key" in removal) this.link.tell(Scripts.remove, [Scripts.entryKeyOf(removal.key)], [])
    const told = this.link.run(Scripts.tellRemoval, [Scripts.logKey], [JSON.stringify(removal), this.link.instance])
    this.fork(
      Effect.matchEffect(told, {
        onFailure: () =>
          this.link.up()
            ? Effect.delay(
                Effect.sync(() => this.tellOne(removal)),
                againMs
              )
            : Effect.void,
        onSuccess: (atUs) => Effect.sync(() => this.settle(removal, atUs))
      })
    )
  }

  private settle(removal: Removal, atUs: number): void {
    this.pending.delete(removal)
    if ("key" in removal) return this.remember(removal.key, atUs)
    for (const purge of this.purges) if (purge.filter === removal.filter) purge.untilUs = atUs
    this.walks += 1
    this.fork(
      Effect.ensuring(
        Effect.ignore(this.sweep(JSON.stringify(removal.filter), atUs, "0")),
        Effect.sync(() => void (this.walks -= 1))
      )
    )
  }

  /** Takes out of Redis what a purge matches, a page at a time. */
  private sweep(filter: string, untilUs: number, cursor: string): Effect.Effect<unknown, unknown> {
    return Effect.flatMap(this.link.run(Scripts.walk, [], [cursor]), ({ cursor: next, keys }) => {
      for (const key of keys) this.link.tell(Scripts.removeMatching, [key], [filter, untilUs])
      return next === "0" ? Effect.void : Effect.andThen(Effect.yieldNow, this.sweep(filter, untilUs, next))
    })
  }

  private remember(key: string, atUs: number): void {
    this.removedAtUs.delete(key)
    this.removedAtUs.set(key, atUs)
    if (this.removedAtUs.size > rememberedMax) this.removedAtUs.delete(this.removedAtUs.keys().next().value!)
  }

  private rememberPurge(purge: Purge): void {
    this.purges.push(purge)
    if (this.purges.length <= rememberedMax) return
    const { untilUs } = this.purges.shift()!
    if (untilUs !== Number.POSITIVE_INFINITY) this.floorUs = Math.max(this.floorUs, untilUs)
  }
}

const nothing = Effect.succeed(undefined)

const parsed = (json: string): unknown => {
  try {
    return JSON.parse(json)
  } catch {
    return undefined
  }
}
