/**
 * A virtual key as it is kept: what it may do, and hashes of its secrets. The secret itself is shown once and kept nowhere.
 *
 * Ids are public (`key_…`), secrets are `mr-` and 43 characters (256 bits); of a secret only its SHA-256 and its last four
 * characters stay. Making, changing and rotating a record are pure, so that a store can do them in a transaction.
 */
import { hash, randomBytes } from "node:crypto"
import { Predicate, Redacted, type Schema } from "effect"
import type { Grant, KeyBudget, KeyLimits } from "./Grant.ts"

/** One secret of a key. Two are valid while a rotation overlaps. */
export interface KeySecret {
  /** SHA-256 in base64url. */
  readonly hash: string
  readonly last4: string
  readonly createdAtMs: number
  /** When it stops being valid after a rotation; null for the newest one. */
  readonly expiresAtMs: number | null
}

/** What an operator decides about a key. */
export interface KeySettings {
  readonly name: string
  readonly tenant: string
  readonly models: ReadonlyArray<string> | null
  readonly providers: ReadonlyArray<string> | null
  readonly rateLimits: KeyLimits | null
  readonly budgets: ReadonlyArray<KeyBudget> | null
  readonly metadata: { readonly [name: string]: Schema.Json } | null
  readonly disabled: boolean
  readonly expiresAtMs: number | null
}

export interface KeyRecord extends KeySettings {
  readonly id: string
  /** The newest first; at least one. */
  readonly secrets: ReadonlyArray<KeySecret>
  readonly createdAtMs: number
  readonly updatedAtMs: number
  readonly lastUsedAtMs: number | null
}

/** A record with the secret that was made for it, which nobody sees again. */
export interface MadeKey {
  readonly record: KeyRecord
  readonly secret: Redacted.Redacted
}

/** Secrets of one key that are valid at a time; rotating more often ends the oldest. */
export const secretsMax = 5

const secretForm = /^mr-[A-Za-z0-9_-]{43}$/

/** Whether a text has the form of a secret; says nothing about whether it is one. */
export const isSecret = (text: string): boolean => text.length === 46 && secretForm.test(text)

/** Whether a value read from a store is one. */
export const isSecretKept = (value: unknown): value is KeySecret =>
  Predicate.isObject(value) && typeof (value as { readonly hash?: unknown }).hash === "string"

export const hashOf = (secret: string): string => hash("sha256", secret, "base64url")

export const make = (settings: KeySettings, nowMs: number): MadeKey => {
  const { kept, secret } = makeSecret(nowMs)
  const record: KeyRecord = {
    ...settings,
    id: `key_${randomBytes(8).toString("hex")}`,
    secrets: [kept],
    createdAtMs: nowMs,
    updatedAtMs: nowMs,
    lastUsedAtMs: null
  }
  return { record, secret }
}

/** The record with other settings. */
export const change = (record: KeyRecord, settings: Partial<KeySettings>, nowMs: number): KeyRecord => ({
  ...record,
  ...settings,
  secrets: valid(record.secrets, nowMs),
  updatedAtMs: after(record, nowMs)
})

/** A new secret beside the ones there are, which stay valid for `overlapMs` at most. */
export const rotate = (record: KeyRecord, overlapMs: number, nowMs: number): MadeKey => {
  const { kept, secret } = makeSecret(nowMs)
  const untilMs = nowMs + overlapMs
  const before = record.secrets.map((each) => ({
    ...each,
    expiresAtMs: each.expiresAtMs === null ? untilMs : Math.min(each.expiresAtMs, untilMs)
  }))
  const secrets = [kept, ...valid(before, nowMs)].slice(0, secretsMax)
  return { record: { ...record, secrets, updatedAtMs: after(record, nowMs) }, secret }
}

/** What a valid key lets its holder do. */
export const grantOf = (record: KeyRecord): Grant => ({
  keyId: record.id,
  name: record.name,
  tenant: record.tenant,
  models: record.models ?? undefined,
  providers: record.providers ?? undefined,
  rateLimits: record.rateLimits ?? undefined,
  budgets: record.budgets ?? undefined,
  metadata: record.metadata ?? undefined,
  changedAtMs: record.updatedAtMs
})

/** Later than every change before, so that it also says which of two versions of a record is the newer one. */
const after = (record: KeyRecord, nowMs: number): number => Math.max(nowMs, record.updatedAtMs + 1)

const valid = (secrets: ReadonlyArray<KeySecret>, nowMs: number): ReadonlyArray<KeySecret> =>
  secrets.filter(({ expiresAtMs }) => expiresAtMs === null || expiresAtMs > nowMs)

const makeSecret = (nowMs: number): { readonly kept: KeySecret; readonly secret: Redacted.Redacted } => {
  const text = `mr-${randomBytes(32).toString("base64url")}`
  const kept = { hash: hashOf(text), last4: text.slice(-4), createdAtMs: nowMs, expiresAtMs: null }
  return { kept, secret: Redacted.make(text) }
}
