/**
 * What the exact cache holds, as operators and stores see it: putting in, taking out, listing, handing over.
 *
 * It stands between the table in memory and the stores beside it: one that survives the process, one that instances share.
 * Whatever goes over many entries runs in
 * steps with other work in between, so that a million entries stop nothing else; what was purged is gone for everybody
 * before the first step. It decides nothing about a request.
 */
import { Effect } from "effect"
import { CacheFields } from "./CacheFields.ts"
import type { Fingerprint } from "./CacheKey.ts"
import { type CacheRecord, sizeOf, textBytes } from "./CacheRecord.ts"
import type { CacheStore, FoundRecord, SharedCacheStore } from "./CacheStore.ts"
import { isKey } from "./CacheIndex.ts"
import { CacheTable, type Group, type GroupFilter, matches, slotBytes } from "./CacheTable.ts"
import type { Target } from "./Call.ts"
import type { Completion } from "./Reply.ts"
import { textOf } from "./Reply.ts"
import type { Usage } from "./Usage.ts"

export interface ContentsOptions {
  readonly maxEntries: number
  readonly maxBytes: number
  /** How long an entry is kept after its time to live, because it may be served stale. */
  readonly graceMs: number
  /** What an answer would cost now; undefined when there is no price. */
  readonly priceUsd?: ((target: Target, usage: Usage, atMs: number) => number | undefined) | undefined
}

/** An answer that is to be kept. Times are epoch milliseconds. */
export interface Kept {
  readonly key: string
  readonly group: Group
  readonly completion: Completion
  /** Its fingerprint, encoded by `fields`. */
  readonly fields: string | undefined
  readonly omitted: ReadonlyArray<string>
  readonly pacing: string | undefined
  readonly storedAtMs: number
  readonly expiresAtMs: number
  readonly latencyMs: number
}

/** What is said about an entry; `content` is its text. */
export interface EntryView {
  readonly key: string
  readonly provider: string
  readonly model: string
  readonly tenant: string
  readonly namespace: string | null
  readonly storedAtMs: number
  readonly ageMs: number
  /** 0 and less when the time to live is over. */
  readonly ttlLeftMs: number
  readonly latencyMs: number
  readonly hits: number
  readonly bytes: number
  readonly savedUsd: number | null
  readonly content: string
}

export interface EntriesQuery extends GroupFilter {
  readonly sort?: "recent" | "hits" | "saved" | "size" | undefined
  readonly limit?: number | undefined
  readonly offset?: number | undefined
}

export interface EntriesPage {
  readonly entries: ReadonlyArray<EntryView>
  /** Entries that match, on all pages. */
  readonly total: number
}

/** Entries that can be reached by paging. */
export const reachable = 5000

/** Slots that are looked at in one step. */
const stepSlots = 2000

export class CacheContents {
  readonly table: CacheTable
  private readonly options: ContentsOptions
  readonly fields = new CacheFields()
  private store: CacheStore | undefined
  private shared: SharedCacheStore | undefined
  /** Purges and removals while the store hands over what it has. */
  private purgedWhileLoading: { readonly filters: Array<GroupFilter>; readonly keys: Set<string> } | undefined
  private hand = 0

  constructor(options: ContentsOptions) {
    this.options = options
    this.table = new CacheTable(options)
  }

  /** Keeps an answer in memory and in the stores; one that another instance has made, in memory alone. */
  keep(kept: Kept, isCopy: boolean): void {
    if (!this.put(kept, isCopy)) return
    if (!isCopy && (this.store !== undefined || this.shared !== undefined)) {
      const record = this.recordOf(this.table.find(kept.key))
      this.store?.put(record)
      this.shared?.put(record)
    }
    // A few slots a time: what is over goes without anybody asking for it.
    const next = this.table.sweep(this.hand, 8, kept.storedAtMs, this.options.graceMs)
    this.hand = Math.max(0, next)
  }

  /** Takes in a record from outside; false when it is over, too large, or older than what is there. */
  restore(record: CacheRecord, nowMs: number, lasting: boolean, isCopy = false): boolean {
    const { completion, key, latencyMs, namespace, omitted = [], pacing, storedAtMs, tenant } = record
    const { expiresAtMs, model, provider } = record
    if (nowMs >= expiresAtMs + this.options.graceMs) return false
    const present = this.table.find(key)
    if (present >= 0 && this.table.storedAtMs(present) >= storedAtMs) return false
    const group = { target: { provider, model }, tenant, namespace: namespace ?? undefined }
    const fields = record.fields === undefined ? undefined : this.fields.encode(Object.entries(record.fields))
    if (!this.put({ key, group, completion, fields, omitted, pacing, storedAtMs, expiresAtMs, latencyMs }, isCopy))
      return false
    if (!lasting) return true
    this.store?.put(record)
    this.shared?.put(record)
    return true
  }

  /** Copies what another instance made, as old as it is. */
  copy({ ageMs, record }: FoundRecord, nowMs: number): void {
    const storedAtMs = nowMs - ageMs
    const expiresAtMs = storedAtMs + record.expiresAtMs - record.storedAtMs
    this.restore({ ...record, storedAtMs, expiresAtMs }, nowMs, false, true)
  }

  /** Hands a store that instances share what is put and taken out here, and takes out what is taken out elsewhere. */
  share(shared: SharedCacheStore, nowMs: () => number, fork: (effect: Effect.Effect<unknown>) => void): void {
    this.shared = shared
    shared.listen({
      removed: (key) => void this.evict(key, true),
      purged: (filter) => fork(this.purge(filter, nowMs(), true)),
      purgedBefore: (filter, untilMs) => {
        this.store?.purge(filter)
        fork(this.forget((slot) => this.table.storedAtMs(slot) <= untilMs && matches(filter, this.table.groupOf(slot))))
      },
      lost: () => fork(this.forget((slot) => this.table.isCopy(slot)))
    })
  }

  /** Takes in what a store kept of an earlier process, and hands it everything from then on. */
  attach(store: CacheStore, nowMs: () => number): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.store = store
      const purged = { filters: new Array<GroupFilter>(), keys: new Set<string>() }
      this.purgedWhileLoading = purged
      const take = (records: ReadonlyArray<CacheRecord>) => {
        for (const record of records) {
          const { model, namespace, provider, tenant } = record
          const group = { target: { provider, model }, tenant, namespace: namespace ?? undefined }
          if (purged.keys.has(record.key) || purged.filters.some((filter) => matches(filter, group))) continue
          this.restore(record, nowMs(), false)
        }
      }
      return Effect.ensuring(
        store.load({ nowMs: nowMs() - this.options.graceMs, maxEntries: this.options.maxEntries }, take),
        Effect.sync(() => {
          this.purgedWhileLoading = undefined
        })
      )
    })
  }

  get attached(): CacheStore | undefined {
    return this.store
  }

  /** Takes out one entry; false when there is none, and nobody is there with whom it may be. */
  evict(key: string, elsewhere = false): boolean {
    if (!isKey(key)) return false
    const slot = this.table.find(key)
    this.purgedWhileLoading?.keys.add(key)
    this.store?.remove(key)
    if (!elsewhere) this.shared?.remove(key)
    if (slot >= 0) this.table.remove(slot)
    return slot >= 0 || this.shared !== undefined
  }

  /** Takes out what matches, and returns the number; nobody is served of it from the moment on that this runs. */
  purge(filter: GroupFilter, nowMs: number, elsewhere = false): Effect.Effect<number> {
    return Effect.suspend(() => {
      this.purgedWhileLoading?.filters.push(filter)
      this.store?.purge(filter)
      if (!elsewhere) this.shared?.purge(filter)
      const { table } = this
      if (Object.values(filter).every((value) => value === undefined)) {
        const purged = table.entries
        table.clear()
        return Effect.succeed(purged)
      }
      const purged = table.bury(filter)
      return purged === 0 ? Effect.succeed(0) : Effect.as(this.sweepAll(nowMs), purged)
    })
  }

  view(slot: number, nowMs: number): EntryView {
    const { table } = this
    const { namespace, target, tenant } = table.groupOf(slot)
    const storedAtMs = table.storedAtMs(slot)
    return {
      key: table.keyOf(slot),
      provider: target.provider,
      model: target.model,
      tenant,
      namespace: namespace ?? null,
      storedAtMs,
      ageMs: nowMs - storedAtMs,
      ttlLeftMs: table.expiresAtMs(slot) - nowMs,
      latencyMs: table.latencyMs(slot),
      hits: table.hitsOf(slot),
      bytes: table.bytesOf(slot),
      savedUsd: this.savedUsd(slot, nowMs) ?? null,
      content: textOf(table.completionOf(slot))
    }
  }

  /** One page of the entries that match, the most of the sorted figure first. */
  list(
    { limit = 50, offset = 0, sort = "recent", ...filter }: EntriesQuery,
    nowMs: number
  ): Effect.Effect<EntriesPage> {
    const { table } = this
    const wanted = Math.min(offset + limit, reachable)
    let best: Array<{ readonly slot: number; readonly figure: number; readonly used: number }> = []
    let least = Number.NEGATIVE_INFINITY
    let total = 0
    const cut = () => {
      best.sort((a, b) => b.figure - a.figure || b.used - a.used)
      if (best.length > wanted) best = best.slice(0, wanted)
      if (best.length === wanted) least = best[wanted - 1]?.figure ?? Number.POSITIVE_INFINITY
    }
    const look = (slot: number) => {
      if (!table.isLive(slot) || nowMs >= table.expiresAtMs(slot) + this.options.graceMs) return
      if (!matches(filter, table.groupOf(slot))) return
      total += 1
      const used = table.usedOf(slot)
      const figure = sort === "recent" ? used : sort === "hits" ? table.hitsOf(slot) : this.figureOf(sort, slot, nowMs)
      if (figure < least) return
      best.push({ slot, figure, used })
      if (best.length >= wanted + 2000) cut()
    }
    const page = Effect.sync(() => {
      cut()
      const chosen = best.slice(offset, offset + limit).filter(({ slot }) => table.isLive(slot))
      return { entries: chosen.map(({ slot }) => this.view(slot, nowMs)), total }
    })
    return Effect.andThen(this.eachSlot(look), page)
  }

  /** Records from a slot on, and the slot from which to go on; undefined at the end. */
  records(from: number, limit: number, nowMs: number): { records: Array<CacheRecord>; next: number | undefined } {
    const { table } = this
    const records: Array<CacheRecord> = []
    let slot = from
    const end = Math.min(table.slots, from + 10 * stepSlots)
    for (; slot < end && records.length < limit; slot++) {
      if (table.isLive(slot) && nowMs < table.expiresAtMs(slot)) records.push(this.recordOf(slot))
    }
    return { records, next: slot < table.slots ? slot : undefined }
  }

  fingerprintOf(slot: number): Fingerprint | undefined {
    const text = this.table.extraOf(slot)?.fields
    return text === undefined ? undefined : this.fields.decode(text)
  }

  recordOf(slot: number): CacheRecord {
    const { table } = this
    const { namespace, target, tenant } = table.groupOf(slot)
    const { omitted = [], pacing } = table.extraOf(slot) ?? {}
    const fields = this.fingerprintOf(slot)
    return {
      key: table.keyOf(slot),
      provider: target.provider,
      model: target.model,
      tenant,
      namespace: namespace ?? null,
      storedAtMs: table.storedAtMs(slot),
      expiresAtMs: table.expiresAtMs(slot),
      latencyMs: table.latencyMs(slot),
      ...(omitted.length === 0 ? {} : { omitted }),
      ...(pacing === undefined ? {} : { pacing }),
      ...(fields === undefined ? {} : { fields: Object.fromEntries(fields) }),
      completion: table.completionOf(slot)
    }
  }

  private put(kept: Kept, isCopy = false): boolean {
    const { completion, expiresAtMs, fields, group, key, latencyMs, omitted, pacing, storedAtMs } = kept
    let bytes = slotBytes + sizeOf(completion)
    if (fields !== undefined) bytes += 16 + fields.length
    if (pacing !== undefined) bytes += textBytes(pacing)
    for (const path of omitted) bytes += textBytes(path)
    return this.table.set({
      key,
      group,
      completion,
      fields,
      omitted,
      pacing,
      storedAtMs,
      expiresAtMs,
      latencyMs,
      bytes,
      isCopy
    })
  }

  private figureOf(sort: "saved" | "size", slot: number, nowMs: number): number {
    return sort === "size" ? this.table.bytesOf(slot) : (this.savedUsd(slot, nowMs) ?? -1)
  }

  private savedUsd(slot: number, nowMs: number): number | undefined {
    const { usage } = this.table.completionOf(slot)
    const usd = this.options.priceUsd?.(this.table.groupOf(slot).target, usage, nowMs)
    return usd === undefined ? undefined : usd * this.table.hitsOf(slot)
  }

  private sweepAll(nowMs: number): Effect.Effect<void> {
    let from = 0
    return stepwise(() => {
      from = this.table.sweep(from, stepSlots, nowMs, this.options.graceMs)
      return from < 0
    })
  }

  private forget(chosen: (slot: number) => boolean): Effect.Effect<void> {
    return this.eachSlot((slot) => {
      if (this.table.isLive(slot) && chosen(slot)) this.table.remove(slot)
    })
  }

  private eachSlot(look: (slot: number) => void): Effect.Effect<void> {
    let slot = 0
    return stepwise(() => {
      const end = Math.min(this.table.slots, slot + stepSlots)
      for (; slot < end; slot++) look(slot)
      return slot >= this.table.slots
    })
  }
}

/** Runs steps until one says that it was the last, with the event loop free in between. */
const stepwise = (step: () => boolean): Effect.Effect<void> =>
  Effect.suspend(() => (step() ? Effect.void : Effect.andThen(Effect.yieldNow, stepwise(step))))
