/**
 * The routes of the admin API about virtual keys.
 *
 * They read what is in memory and write to the store first, so a change holds when its answer comes. A secret leaves here in
 * the answer to making or rotating a key, once. Nothing here acts on a request of a caller.
 */
import { Clock, Effect, Redacted } from "effect"
import { HttpApiBuilder } from "effect/http-api"
import {
  AdminApi,
  type BadRequest,
  type KeyChanges,
  type KeyRateLimits,
  type KeysQuery,
  type MadeVirtualKey,
  NotFound,
  StorageUnavailable,
  type VirtualKey
} from "../admin-api.ts"
import type { KeyLimits } from "../Grant.ts"
import type { KeyRecord, KeySettings, MadeKey } from "../KeyRecord.ts"
import { Keys } from "../Keys.ts"
import type { KeyStoreUnavailable } from "../KeyStore.ts"
import { RateLimiter } from "../RateLimiter.ts"
import { defaultTenant } from "../Request.ts"
import { Routing } from "../Routing.ts"
import { badRequest } from "./AdminUsage.ts"

/** How long the secrets there are stay valid after a rotation that does not say. */
const overlapMsDefault = 3_600_000

export const keysHandlers = HttpApiBuilder.group(
  AdminApi,
  "keys",
  Effect.fnUntraced(function* (handlers) {
    const keys = yield* Keys
    const limiter = yield* RateLimiter
    const { providerNames } = yield* Routing

    /** A key that is kept to a provider that nobody has configured could do nothing. */
    const knownProviders = ({ providers }: KeyChanges): Effect.Effect<void, BadRequest> => {
      const unknown = (providers ?? []).flatMap((name, index) =>
        providerNames.includes(name)
          ? []
          : [{ field: `providers[${index}]`, detail: `no provider is named ${JSON.stringify(name)}; ${known}` }]
      )
      return unknown.length === 0 ? Effect.void : Effect.fail(badRequest(unknown))
    }
    const known = `known are ${providerNames.join(", ")}`

    return handlers.handleAll({
      keys: ({ query }) =>
        Effect.gen(function* () {
          const nowMs = yield* Clock.currentTimeMillis
          const after = yield* placeOf(query.cursor)
          const all = yield* keys.all
          return pageOf(all, query, after, nowMs)
        }).pipe(Effect.catchTag("KeyStoreUnavailable", unavailable)),
      createKey: ({ payload }) =>
        Effect.gen(function* () {
          const nowMs = yield* Clock.currentTimeMillis
          const { expiresAt } = payload
          if (expiresAt !== undefined && expiresAt !== null && expiresAt <= nowMs) {
            return yield* Effect.fail(wrong("expiresAt", "expected a time to come"))
          }
          yield* knownProviders(payload)
          return madeOf(yield* keys.create({ ...noSettings, ...settingsOf(payload), name: payload.name }), nowMs)
        }).pipe(Effect.catchTag("KeyStoreUnavailable", unavailable)),
      key: ({ params }) =>
        Effect.gen(function* () {
          const nowMs = yield* Clock.currentTimeMillis
          const record = yield* found(keys.find(params.id))
          const held = limiter.key(params.id, nowMs)
          const limits = held === undefined ? null : { active: held.active, ...held.limits }
          return { ...keyOf(record, nowMs), limits: record.rateLimits === null ? null : limits }
        }).pipe(Effect.catchTag("KeyStoreUnavailable", unavailable)),
      updateKey: ({ params, payload }) =>
        Effect.gen(function* () {
          yield* knownProviders(payload)
          const record = yield* found(keys.update(params.id, settingsOf(payload)))
          return keyOf(record, yield* Clock.currentTimeMillis)
        }).pipe(Effect.catchTag("KeyStoreUnavailable", unavailable)),
      rotateKey: ({ params, payload }) =>
        Effect.gen(function* () {
          const made = yield* found(keys.rotate(params.id, payload?.overlapMs ?? overlapMsDefault))
          return madeOf(made, yield* Clock.currentTimeMillis)
        }).pipe(Effect.catchTag("KeyStoreUnavailable", unavailable)),
      deleteKey: ({ params }) =>
        Effect.flatMap(keys.remove(params.id), (deleted) =>
          deleted ? Effect.succeed({ deleted }) : Effect.fail(noSuchKey)
        ).pipe(Effect.catchTag("KeyStoreUnavailable", unavailable))
    })
  })
)

const noSuchKey = new NotFound({ message: "no key has this id" })

const found = <A, E>(effect: Effect.Effect<A | undefined, E>): Effect.Effect<A, E | NotFound> =>
  Effect.flatMap(effect, (value) => (value === undefined ? Effect.fail(noSuchKey) : Effect.succeed(value)))

const unavailable = (error: KeyStoreUnavailable) => Effect.fail(new StorageUnavailable({ message: error.message }))

const wrong = (field: string, detail: string): BadRequest => badRequest([{ field, detail }])

const noSettings = {
  tenant: defaultTenant,
  models: null,
  providers: null,
  rateLimits: null,
  budgets: null,
  metadata: null,
  disabled: false,
  expiresAtMs: null
} satisfies Omit<KeySettings, "name">

/** The settings that are named; the others are absent. */
const settingsOf = ({ budget, expiresAt, rateLimits, ...rest }: KeyChanges): Partial<KeySettings> => {
  const all = {
    ...rest,
    budgets: budget === undefined || budget === null ? budget : "period" in budget ? [budget] : budget,
    expiresAtMs: expiresAt,
    rateLimits: rateLimits === undefined ? undefined : limitsOf(rateLimits)
  }
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
}

/** Limits that name nothing are none. */
const limitsOf = (limits: KeyRateLimits | null): KeyLimits | null => {
  if (limits === null) return null
  const { concurrent, requestsPerMinute, tokensPerMinute, window: windowMs = 60_000 } = limits
  if (concurrent === undefined && requestsPerMinute === undefined && tokensPerMinute === undefined) return null
  return { requestsPerMinute, tokensPerMinute, concurrent, windowMs }
}

const keyOf = (record: KeyRecord, nowMs: number): VirtualKey => {
  const { budgets, createdAtMs, disabled, expiresAtMs, id, lastUsedAtMs, metadata, models, name } = record
  const { providers, rateLimits, tenant, updatedAtMs } = record
  const secrets = record.secrets.filter(({ expiresAtMs: endsAtMs }) => endsAtMs === null || endsAtMs > nowMs)
  return {
    id,
    name,
    tenant,
    status: disabled ? "disabled" : expiresAtMs !== null && expiresAtMs <= nowMs ? "expired" : "active",
    disabled,
    models,
    providers,
    rateLimits: rateLimits === null ? null : shownLimits(rateLimits),
    budget: budgets as VirtualKey["budget"],
    metadata,
    expiresAt: timeOf(expiresAtMs),
    createdAt: timeOf(createdAtMs)!,
    updatedAt: timeOf(updatedAtMs)!,
    lastUsedAt: timeOf(lastUsedAtMs),
    last4: record.secrets[0]?.last4 ?? "",
    secrets: secrets.map((secret) => ({
      last4: secret.last4,
      createdAt: timeOf(secret.createdAtMs)!,
      expiresAt: timeOf(secret.expiresAtMs)
    }))
  }
}

const madeOf = ({ record, secret }: MadeKey, nowMs: number): MadeVirtualKey => ({
  ...keyOf(record, nowMs),
  key: Redacted.value(secret)
})

const shownLimits = ({ concurrent, requestsPerMinute, tokensPerMinute, windowMs }: KeyLimits): KeyRateLimits => ({
  ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
  ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
  ...(concurrent === undefined ? {} : { concurrent }),
  window: windowMs
})

const timeOf = (timeMs: number | null): string | null => (timeMs === null ? null : new Date(timeMs).toISOString())

/** Where a page begins: after this key in the order of the list. */
interface Place {
  readonly createdAtMs: number
  readonly id: string
}

const placeOf = (cursor: string | undefined): Effect.Effect<Place | undefined, BadRequest> => {
  if (cursor === undefined) return Effect.succeed(undefined)
  const read = /^(\d{1,16}) (key_\w+)$/.exec(Buffer.from(cursor, "base64url").toString())
  return read === null
    ? Effect.fail(wrong("cursor", "expected the nextCursor of an earlier page"))
    : Effect.succeed({ createdAtMs: Number(read[1]), id: read[2]! })
}

const cursorOf = ({ createdAtMs, id }: KeyRecord): string => Buffer.from(`${createdAtMs} ${id}`).toString("base64url")

/** A page of keys in the order in which they come, the newest first. */
const pageOf = (
  all: ReadonlyArray<KeyRecord>,
  { limit = 50, name, tenant }: KeysQuery,
  after: Place | undefined,
  nowMs: number
) => {
  const part = name?.toLowerCase()
  const matching = all.filter(
    (record) =>
      (part === undefined || record.name.toLowerCase().includes(part)) &&
      (tenant === undefined || record.tenant === tenant)
  )
  const rest = after === undefined ? matching : matching.filter((record) => comesAfter(record, after))
  const items = rest.slice(0, limit)
  return {
    items: items.map((record) => keyOf(record, nowMs)),
    total: matching.length,
    nextCursor: rest.length > limit ? cursorOf(items.at(-1)!) : null
  }
}

const comesAfter = (record: KeyRecord, { createdAtMs, id }: Place): boolean =>
  record.createdAtMs < createdAtMs || (record.createdAtMs === createdAtMs && record.id < id)
