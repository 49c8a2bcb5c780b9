/**
 * Virtual keys: who a secret belongs to, what its holder may do, and the life of keys from making to deleting.
 *
 * All keys are in memory, by the SHA-256 of their secrets, so judging one is a hash and a lookup and never waits for the
 * database (law 11). Changes go to the store first and are seen here at once, those of other instances within `refreshMs`.
 * The stage drops the candidates that a request's key may not use. Secrets are handed out once, are kept nowhere and logged
 * nowhere.
 */
import { Clock, Context, Deferred, Effect, Layer, type Scope, Semaphore } from "effect"
import { type Grant, isNarrowed, permitted } from "./Grant.ts"
import * as KeyRecord from "./KeyRecord.ts"
import { type KeyStore, KeyStoreUnavailable } from "./KeyStore.ts"
import { logOf, reasonOf } from "./Log.ts"
import type { Stage } from "./Stage.ts"

const log = logOf("Keys")

export interface KeysOptions<R = never> {
  readonly store: Effect.Effect<KeyStore, never, R>
  /** Whether every route of the gateway but health asks for a key; false by default, and asked each time. */
  readonly required?: (() => boolean) | undefined
  /** Milliseconds after which changes of other instances are seen, 10,000 by default; asked each time. */
  readonly refreshMs?: (() => number) | undefined
}

/** What a secret is good for. */
export type Authentication =
  | { readonly _tag: "Granted"; readonly grant: Grant }
  /** `disabled` and `expired` are said of keys that exist, to whoever has their secret. */
  | { readonly _tag: "Refused"; readonly reason: "unknown" | "disabled" | "expired" }
  /** No key was ever read. */
  | { readonly _tag: "Unavailable" }

export interface KeysHealth {
  readonly kind: KeyStore["kind"]
  /** False until keys were read once. */
  readonly loaded: boolean
  readonly keys: number
  /** Why the store could not be read last; null when it could. */
  readonly reason: string | null
}

export class Keys extends Context.Service<
  Keys,
  {
    readonly stage: Stage
    /** Whether a gateway lets in nobody without a key. */
    readonly required: () => boolean
    /** Judges a secret; notes when its key was used. */
    readonly authenticate: (secret: string, nowMs: number) => Authentication
    /** All keys, the newest first. */
    readonly all: Effect.Effect<ReadonlyArray<KeyRecord.KeyRecord>, KeyStoreUnavailable>
    readonly find: (id: string) => Effect.Effect<KeyRecord.KeyRecord | undefined, KeyStoreUnavailable>
    readonly create: (settings: KeyRecord.KeySettings) => Effect.Effect<KeyRecord.MadeKey, KeyStoreUnavailable>
    /** Undefined when there is no such key. */
    readonly update: (
      id: string,
      settings: Partial<KeyRecord.KeySettings>
    ) => Effect.Effect<KeyRecord.KeyRecord | undefined, KeyStoreUnavailable>
    /** A new secret; the ones there are stay valid for `overlapMs`. Undefined when there is no such key. */
    readonly rotate: (
      id: string,
      overlapMs: number
    ) => Effect.Effect<KeyRecord.MadeKey | undefined, KeyStoreUnavailable>
    /** False when there is no such key. */
    readonly remove: (id: string) => Effect.Effect<boolean, KeyStoreUnavailable>
    /** Hears the ids of keys that are gone, whoever has deleted them. Returns how to stop it. */
    readonly onRemoved: (listener: (id: string) => void) => () => void
    readonly health: () => KeysHealth
  }
>()("millrace/Keys") {
  /** Over a store, which lives as long as the layer. It begins without keys when the store can't be read at once. */
  static readonly layer = <R>(options: KeysOptions<R>): Layer.Layer<Keys, never, Exclude<R, Scope.Scope>> =>
    Layer.effect(Keys, make(options))
}

/** How often uses of keys are written, and the times of other instances' uses read. */
const touchMs = 60_000

/** How often keys are looked for that could not be read yet, and how long the start waits for the first look. */
const retryMs = 1000
const startMs = 3000

/** How long the end waits for the last uses to be written. */
const endMs = 2000

interface Entry {
  readonly record: KeyRecord.KeyRecord
  readonly granted: Authentication
  /** 0 for never. */
  lastUsedAtMs: number
  writtenAtMs: number
}

interface Secret {
  readonly entry: Entry
  readonly expiresAtMs: number
}

const unknown: Authentication = { _tag: "Refused", reason: "unknown" }
const disabled: Authentication = { _tag: "Refused", reason: "disabled" }
const expired: Authentication = { _tag: "Refused", reason: "expired" }
const unavailable: Authentication = { _tag: "Unavailable" }

/** What is known of the keys; changed in single steps. */
class Ring {
  readonly entries = new Map<string, Entry>()
  private readonly secrets = new Map<string, Secret>()

  authenticate(secret: string, nowMs: number): Authentication {
    if (!KeyRecord.isSecret(secret)) return unknown
    const found = this.secrets.get(KeyRecord.hashOf(secret))
    if (found === undefined) return unknown
    const { entry, expiresAtMs } = found
    if (entry.record.disabled) return disabled
    if (nowMs >= expiresAtMs) return expired
    entry.lastUsedAtMs = nowMs
    return entry.granted
  }

  put(record: KeyRecord.KeyRecord): void {
    const known = this.entries.get(record.id)
    const writtenAtMs = Math.max(record.lastUsedAtMs ?? 0, known?.writtenAtMs ?? 0)
    if (known?.record.updatedAtMs === record.updatedAtMs) {
      known.lastUsedAtMs = Math.max(writtenAtMs, known.lastUsedAtMs)
      known.writtenAtMs = writtenAtMs
      return
    }
    const entry: Entry = {
      record,
      granted: { _tag: "Granted", grant: KeyRecord.grantOf(record) },
      lastUsedAtMs: Math.max(writtenAtMs, known?.lastUsedAtMs ?? 0),
      writtenAtMs
    }
    if (known !== undefined) this.forget(known)
    this.entries.set(record.id, entry)
    const endsAtMs = record.expiresAtMs ?? Number.POSITIVE_INFINITY
    for (const { expiresAtMs, hash } of record.secrets) {
      this.secrets.set(hash, { entry, expiresAtMs: Math.min(endsAtMs, expiresAtMs ?? Number.POSITIVE_INFINITY) })
    }
  }

  remove(id: string): void {
    const entry = this.entries.get(id)
    if (entry === undefined) return
    this.forget(entry)
    this.entries.delete(id)
  }

  private forget({ record }: Entry): void {
    for (const { hash } of record.secrets) this.secrets.delete(hash)
  }
}

const make = <R>({ refreshMs = () => 10_000, required = () => false, store: opening }: KeysOptions<R>) =>
  Effect.gen(function* () {
    const store = yield* opening
    const ring = new Ring()
    const listeners = new Set<(id: string) => void>()
    // A load and a change at the same time could undo each other here.
    const turns = yield* Semaphore.make(1)
    let revision: number | undefined
    let reason: string | null = null

    const removed = (id: string): void => {
      ring.remove(id)
      for (const listener of listeners) listener(id)
    }

    const load = Effect.map(store.load, (snapshot) => {
      const ids = new Set(snapshot.records.map(({ id }) => id))
      for (const id of ring.entries.keys()) if (!ids.has(id)) removed(id)
      for (const record of snapshot.records) ring.put(record)
      revision = snapshot.revision
    })

    const look = (always: boolean): Effect.Effect<void, KeyStoreUnavailable> =>
      always || revision === undefined
        ? load
        : Effect.flatMap(store.revision, (now) => (now === revision ? Effect.void : load))

    /** Looks for changes; a failure is noted and leaves everything as it is. */
    const refresh = (always: boolean): Effect.Effect<void> =>
      turns.withPermit(
        Effect.matchEffect(Effect.catchDefect(look(always), unreadable), {
          onSuccess: () => {
            const again = reason !== null
            reason = null
            return again ? log.info("the keys can be read again") : Effect.void
          },
          onFailure: ({ detail, message }) => {
            const first = reason === null
            reason = detail
            return first ? log.warn("the keys can't be read", { reason: reasonOf(message) }) : Effect.void
          }
        })
      )

    const write = Effect.suspend(() => {
      const used = [...ring.entries.values()].filter((entry) => entry.lastUsedAtMs > entry.writtenAtMs)
      if (used.length === 0) return Effect.void
      const uses = new Map(used.map(({ lastUsedAtMs, record }) => [record.id, lastUsedAtMs]))
      return Effect.match(store.touch(uses), {
        // What could not be written is written the next time.
        onFailure: () => undefined,
        onSuccess: () => {
          for (const entry of used) entry.writtenAtMs = uses.get(entry.record.id)!
        }
      })
    })

    const follow = Effect.gen(function* () {
      const looked = yield* Deferred.make<void>()
      yield* Effect.forkScoped(
        Effect.gen(function* () {
          yield* refresh(true)
          yield* Deferred.succeed(looked, undefined)
          for (;;) {
            yield* Effect.sleep(revision === undefined ? Math.min(retryMs, refreshMs()) : refreshMs())
            yield* refresh(false)
          }
        })
      )
      yield* Effect.forkScoped(Effect.forever(Effect.delay(Effect.andThen(write, refresh(true)), touchMs)))
      yield* Effect.addFinalizer(() => Effect.timeoutOption(Effect.interruptible(write), endMs))
      yield* Effect.timeoutOption(Deferred.await(looked), startMs)
    })
    // Keys in memory are nobody else's: nothing changes behind our back, and nothing has to be kept.
    yield* store.kind === "memory" ? refresh(true) : follow

    const whenLoaded = <A>(read: () => A): Effect.Effect<A, KeyStoreUnavailable> =>
      Effect.suspend(() =>
        revision === undefined
          ? Effect.fail(new KeyStoreUnavailable({ detail: reason ?? "they were not read yet" }))
          : Effect.succeed(read())
      )

    const told = (what: string, { id, name, tenant }: KeyRecord.KeyRecord) =>
      log.info("a key was changed", { action: what, keyId: id, name, tenant })

    return Keys.of({
      stage,
      required,
      authenticate: (secret, nowMs) => (revision === undefined ? unavailable : ring.authenticate(secret, nowMs)),
      all: whenLoaded(() => [...ring.entries.values()].map(recordOf).toSorted(newestFirst)),
      find: (id) =>
        whenLoaded(() => {
          const entry = ring.entries.get(id)
          return entry === undefined ? undefined : recordOf(entry)
        }),
      create: (settings) =>
        turns.withPermit(
          Effect.gen(function* () {
            const made = KeyRecord.make(settings, yield* Clock.currentTimeMillis)
            yield* store.insert(made.record)
            ring.put(made.record)
            yield* told("created", made.record)
            return made
          })
        ),
      update: (id, settings) =>
        turns.withPermit(
          Effect.gen(function* () {
            const nowMs = yield* Clock.currentTimeMillis
            const record = yield* store.update(id, (before) => KeyRecord.change(before, settings, nowMs))
            if (record === undefined) return undefined
            ring.put(record)
            yield* told(changeOf(settings), record)
            return recordOf(ring.entries.get(id)!)
          })
        ),
      rotate: (id, overlapMs) =>
        turns.withPermit(
          Effect.gen(function* () {
            const nowMs = yield* Clock.currentTimeMillis
            let made: KeyRecord.MadeKey | undefined
            const record = yield* store.update(id, (before) => {
              made = KeyRecord.rotate(before, overlapMs, nowMs)
              return made.record
            })
            if (record === undefined || made === undefined) return undefined
            ring.put(record)
            yield* told("rotated", record)
            return { record: recordOf(ring.entries.get(id)!), secret: made.secret }
          })
        ),
      remove: (id) =>
        turns.withPermit(
          Effect.gen(function* () {
            const found = yield* store.remove(id)
            const record = ring.entries.get(id)?.record
            removed(id)
            if (found && record !== undefined) yield* told("deleted", record)
            return found
          })
        ),
      onRemoved: (listener) => {
        listeners.add(listener)
        return () => void listeners.delete(listener)
      },
      health: () => ({ kind: store.kind, loaded: revision !== undefined, keys: ring.entries.size, reason })
    })
  })

/** Drops the candidates that the key may not use; fails with `PermissionDenied` when none is left. */
const stage: Stage = (next) => (call) => {
  const { key } = call.request
  if (key === undefined || !isNarrowed(key)) return next(call)
  return Effect.suspend(() => {
    const kept = permitted(call.request, call.journal.candidates)
    if (!("length" in kept)) return Effect.fail(kept)
    call.journal.candidates = kept
    return next(call)
  })
}

/** What is in the store can't be understood; it is not quoted. */
const unreadable = (defect: unknown) =>
  Effect.fail(new KeyStoreUnavailable({ detail: defect instanceof Error ? defect.name : "unreadable" }))

const recordOf = ({ lastUsedAtMs, record }: Entry): KeyRecord.KeyRecord => ({
  ...record,
  lastUsedAtMs: lastUsedAtMs === 0 ? null : lastUsedAtMs
})

const newestFirst = (a: KeyRecord.KeyRecord, b: KeyRecord.KeyRecord): number =>
  b.createdAtMs - a.createdAtMs || (a.id < b.id ? 1 : -1)

const changeOf = ({ disabled: off, ...rest }: Partial<KeyRecord.KeySettings>): string =>
  off === undefined || Object.keys(rest).length > 0 ? "changed" : off ? "disabled" : "enabled"
