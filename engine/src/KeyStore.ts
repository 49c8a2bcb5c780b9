/**
 * Where virtual keys are kept: the interface that memory and SQL databases implement.
 *
 * Every write is one transaction and moves the revision on, by which other instances see that something has changed. A use
 * of a key is no change. It is never asked on the way of a request.
 */
import { type Effect, Schema } from "effect"
import type { KeyRecord } from "./KeyRecord.ts"

/** The keys can't be read or written now. */
export class KeyStoreUnavailable extends Schema.TaggedError<KeyStoreUnavailable>()("KeyStoreUnavailable", {
  detail: Schema.String
}) {
  override get message() {
    return `the keys can't be read or written: ${this.detail}`
  }
}

/** All keys, as they were at a revision or later. */
export interface KeySnapshot {
  readonly revision: number
  readonly records: ReadonlyArray<KeyRecord>
}

export interface KeyStore {
  /** What the status calls it. */
  readonly kind: "memory" | "sqlite" | "postgres"
  /** Grows with every insert, update and removal of any instance. */
  readonly revision: Effect.Effect<number, KeyStoreUnavailable>
  readonly load: Effect.Effect<KeySnapshot, KeyStoreUnavailable>
  readonly insert: (record: KeyRecord) => Effect.Effect<void, KeyStoreUnavailable>
  /**
   * Replaces a record by what `f` makes of it as it is in the store; atomic, also with other instances. Undefined when there
   * is none. When a record was last used is not changed by it.
   */
  readonly update: (
    id: string,
    f: (record: KeyRecord) => KeyRecord
  ) => Effect.Effect<KeyRecord | undefined, KeyStoreUnavailable>
  /** False when there is none. */
  readonly remove: (id: string) => Effect.Effect<boolean, KeyStoreUnavailable>
  /** Notes when keys were used last; an earlier time than the one that is known changes nothing. */
  readonly touch: (uses: ReadonlyMap<string, number>) => Effect.Effect<void, KeyStoreUnavailable>
}
