/**
 * What the admin API takes and answers about virtual keys.
 *
 * Plain JSON, as in `AdminAnswers`: times are ISO 8601 in UTC, durations milliseconds, money US dollars. A secret is in the
 * answers to making and rotating a key and nowhere else; of the others there are the last four characters.
 */
import { DateTime, Option, Schema } from "effect"
import { Limit } from "./AdminAnswers.ts"
import { Time } from "./AdminQueries.ts"

const NullableString = Schema.NullOr(Schema.String)

const word = (lengthMax: number) =>
  Schema.String.check(
    Schema.makeFilter((text) => text.trim() !== "" && text.length <= lengthMax && !/\p{Cc}/u.test(text), {
      expected: `1 to ${lengthMax} characters without control characters`
    })
  )

const PositiveInt = Schema.Int.check(Schema.isGreaterThan(0))

const words = (what: string, lengthMax: number) =>
  Schema.Array(word(lengthMax)).check(
    Schema.makeFilter((list) => list.length > 0 && list.length <= 100, { expected: `1 to 100 ${what}` })
  )

/** Limits of a key over all providers, in sliding windows of `window` ms, a minute by default. */
export const KeyRateLimits = Schema.Struct({
  requestsPerMinute: Schema.optional(PositiveInt),
  tokensPerMinute: Schema.optional(PositiveInt),
  /** Calls at the same time. */
  concurrent: Schema.optional(PositiveInt),
  window: Schema.optional(
    Schema.Finite.check(
      Schema.makeFilter((ms) => ms >= 1000 && ms <= 86_400_000, { expected: "milliseconds from 1000 to 86400000" })
    )
  )
}).annotate({ identifier: "KeyRateLimits" })
export type KeyRateLimits = typeof KeyRateLimits.Type

/** Dollars or tokens of a period of the calendar in `timeZone` (UTC by default); `total` never resets. */
export const KeyBudgetAnswer = Schema.Struct({
  usd: Schema.optional(
    Schema.Finite.check(
      Schema.makeFilter((usd) => usd >= 1e-12 && usd <= 9_000_000, { expected: "dollars, over 0 and at most 9000000" })
    )
  ),
  /** Prompt and completion tokens. */
  tokens: Schema.optional(PositiveInt),
  period: Schema.Literals(["minute", "hour", "day", "month", "total"]),
  timeZone: Schema.optional(
    Schema.String.check(
      Schema.makeFilter((name) => Option.isSome(DateTime.zoneMakeNamed(name)), {
        expected: "the IANA name of a time zone, such as Europe/Berlin"
      })
    )
  ),
  /** Shares of the budget at which a warning is given. */
  warnAt: Schema.optional(
    Schema.Array(
      Schema.Finite.check(
        Schema.makeFilter((share) => share > 0 && share <= 1, { expected: "a number over 0 and at most 1" })
      )
    )
  )
})
  .check(
    Schema.makeFilter(({ tokens, usd }) => tokens !== undefined || usd !== undefined, {
      expected: "a budget with usd or tokens"
    })
  )
  .annotate({ identifier: "KeyBudget" })

const Budgets = Schema.Union([
  KeyBudgetAnswer,
  Schema.Array(KeyBudgetAnswer).check(
    Schema.makeFilter((list) => list.length > 0 && list.length <= 20, { expected: "1 to 20 budgets" })
  )
])

/** As JSON it has at most 4096 characters. */
const Metadata = Schema.Record(Schema.String, Schema.Json).check(
  Schema.makeFilter((metadata) => JSON.stringify(metadata).length <= 4096, {
    expected: "an object of at most 4096 characters as JSON"
  })
)

const settings = {
  /** Patterns of models: `provider/model`, a model of any provider, an alias; `*` stands for any characters. */
  models: Schema.optional(Schema.NullOr(words("patterns of models", 256))),
  /** Names of configured providers. */
  providers: Schema.optional(Schema.NullOr(words("names of providers", 256))),
  rateLimits: Schema.optional(Schema.NullOr(KeyRateLimits)),
  budget: Schema.optional(Schema.NullOr(Budgets)),
  /** ISO 8601 or epoch milliseconds. */
  expiresAt: Schema.optional(Schema.NullOr(Schema.Union([Schema.Finite, Time]))),
  metadata: Schema.optional(Schema.NullOr(Metadata)),
  disabled: Schema.optional(Schema.Boolean)
}

const given = { parseOptions: { errors: "all", onExcessProperty: "error" } } as const

/** A key to be made; without `tenant` it is of the tenant `default`. */
export const NewKey = Schema.Struct({
  name: word(128),
  tenant: Schema.optional(word(256)),
  ...settings
}).annotate({ identifier: "NewKey", ...given })
export type NewKey = typeof NewKey.Type

/** What is to change of a key; what is not named stays, and null takes away. */
export const KeyChanges = Schema.Struct({
  name: Schema.optional(word(128)),
  tenant: Schema.optional(word(256)),
  ...settings
}).annotate({ identifier: "KeyChanges", ...given })
export type KeyChanges = typeof KeyChanges.Type

/** Milliseconds for which the secrets there are stay valid beside the new one: an hour by default, 0 ends them at once. */
export const KeyRotation = Schema.Struct({
  overlapMs: Schema.optional(
    Schema.Finite.check(
      Schema.makeFilter((ms) => ms >= 0 && ms <= 2_592_000_000, { expected: "milliseconds from 0 to 2592000000" })
    )
  )
}).annotate({ identifier: "KeyRotation", ...given })
export type KeyRotation = typeof KeyRotation.Type

/** `name` is a part of the name in any case of letters; 50 keys by default. */
export const KeysQuery = Schema.Struct({
  name: Schema.optional(Schema.NonEmptyString),
  tenant: Schema.optional(Schema.NonEmptyString),
  limit: Schema.optional(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 500 }))),
  cursor: Schema.optional(Schema.NonEmptyString)
})
export type KeysQuery = typeof KeysQuery.Type

const keyFields = {
  id: Schema.String,
  name: Schema.String,
  tenant: Schema.String,
  status: Schema.Literals(["active", "disabled", "expired"]),
  disabled: Schema.Boolean,
  /** null where every model is allowed. */
  models: Schema.NullOr(Schema.Array(Schema.String)),
  providers: Schema.NullOr(Schema.Array(Schema.String)),
  rateLimits: Schema.NullOr(KeyRateLimits),
  budget: Schema.NullOr(Schema.Array(KeyBudgetAnswer)),
  metadata: Schema.NullOr(Schema.Record(Schema.String, Schema.Json)),
  expiresAt: NullableString,
  createdAt: Schema.String,
  updatedAt: Schema.String,
  /** Up to a minute old; null before the first use. */
  lastUsedAt: NullableString,
  /** The last four characters of the newest secret. */
  last4: Schema.String,
  /** All secrets that are valid, the newest first; `expiresAt` is the end of a rotation's overlap. */
  secrets: Schema.Array(Schema.Struct({ last4: Schema.String, createdAt: Schema.String, expiresAt: NullableString }))
}

export const VirtualKey = Schema.Struct(keyFields).annotate({ identifier: "VirtualKey" })
export type VirtualKey = typeof VirtualKey.Type

/** A key with what this process holds of its limits; null where it has none or was not used yet. */
export const VirtualKeyDetail = Schema.Struct({
  ...keyFields,
  limits: Schema.NullOr(
    Schema.Struct({
      active: Schema.Finite,
      requestsPerMinute: Limit,
      tokensPerMinute: Limit,
      concurrent: Limit
    })
  )
}).annotate({ identifier: "VirtualKeyDetail" })
export type VirtualKeyDetail = typeof VirtualKeyDetail.Type

/** A key with its new secret, `key`, which is shown only now. */
export const MadeVirtualKey = Schema.Struct({ ...keyFields, key: Schema.String }).annotate({
  identifier: "MadeVirtualKey"
})
export type MadeVirtualKey = typeof MadeVirtualKey.Type

/** The newest first. `nextCursor` is null on the last page. */
export const KeyPage = Schema.Struct({
  items: Schema.Array(VirtualKey),
  /** Keys that match, on all pages. */
  total: Schema.Finite,
  nextCursor: NullableString
}).annotate({ identifier: "KeyPage" })
export type KeyPage = typeof KeyPage.Type

export const DeletedKey = Schema.Struct({ deleted: Schema.Boolean }).annotate({ identifier: "DeletedKey" })
export type DeletedKey = typeof DeletedKey.Type
