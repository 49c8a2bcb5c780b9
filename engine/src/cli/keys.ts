/**
 * `millrace keys`: virtual keys of a running gateway, made, listed, changed, rotated and deleted by its admin API.
 *
 * A secret is printed by the command that made it and by no other. What a flag does not name stays as it is; `none` takes it
 * away. Nothing is read from or written to a database here.
 */
import { Clock, Console, Effect, Option, Predicate, Schema } from "effect"
import { Argument, CliError, Command, Flag } from "effect/cli"
import type { KeyChanges, KeyRateLimits, MadeVirtualKey, VirtualKey, VirtualKeyDetail } from "../AdminKeysAnswers.ts"
import { Time } from "../AdminQueries.ts"
import { clientOf, connection, number, print, told } from "./AdminConnection.ts"
import { ageMsOf } from "./usageFlags.ts"
import { dollars, table } from "./usageTables.ts"

/** A flag whose text is read; `none` is null. */
const flag = <A>(
  name: string,
  description: string,
  expected: string,
  read: (text: string, nowMs: number) => A | undefined
): Flag.Flag<Option.Option<A | null>> =>
  Flag.String(name).pipe(
    Flag.mapEffect((text) =>
      Effect.flatMap(Clock.currentTimeMillis, (nowMs): Effect.Effect<A | null, CliError.InvalidValue> => {
        const value = text === "none" ? null : read(text.trim(), nowMs)
        if (value !== undefined) return Effect.succeed(value)
        return Effect.fail(new CliError.InvalidValue({ option: name, value: text, expected, kind: "flag" }))
      })
    ),
    Flag.withDescription(`${description}: ${expected}, or none`),
    Flag.optional
  )

const wordsOf = (text: string): ReadonlyArray<string> | undefined => {
  const words = text.split(",").map((word) => word.trim())
  return words.every((word) => word !== "") ? words : undefined
}

const countOf = (text: string): number | undefined => {
  const count = Number(text.replaceAll("_", ""))
  return Number.isSafeInteger(count) && count > 0 ? count : undefined
}

const decodeTime = Schema.decodeUnknownOption(Time)

const timeOf = (text: string, nowMs: number): number | undefined => {
  const ageMs = ageMsOf(text)
  return ageMs === undefined ? Option.getOrUndefined(decodeTime(text)) : nowMs + ageMs
}

type Budget = NonNullable<VirtualKey["budget"]>[number]

const budgetsOf = (text: string): ReadonlyArray<Budget> | undefined => {
  const budgets: Array<Budget> = []
  for (const part of text.split(",")) {
    const read = /^\s*(\d+(?:\.\d+)?)\s*(usd|tokens)\/(minute|hour|day|month|total)\s*$/.exec(part)
    if (read === null) return undefined
    const [, amount, unit, period] = read as unknown as readonly [string, string, "usd" | "tokens", Budget["period"]]
    budgets.push(unit === "usd" ? { usd: Number(amount), period } : { tokens: Number(amount), period })
  }
  return budgets
}

const objectOf = (text: string): { readonly [name: string]: Schema.Json } | undefined => {
  try {
    const parsed: unknown = JSON.parse(text)
    return Predicate.isObject(parsed) && !Array.isArray(parsed)
      ? (parsed as { readonly [name: string]: Schema.Json })
      : undefined
  } catch {
    return undefined
  }
}

const list = "a comma-separated list"
const count = "a positive integer"

const settings = {
  tenant: Flag.String("tenant").pipe(Flag.withDescription("Tenant whose key it is"), Flag.optional),
  models: flag("models", "What it may ask for, such as openai/*, gpt-5.4-mini or an alias", list, wordsOf),
  providers: flag("providers", "Who may answer it", list, wordsOf),
  rpm: flag("rpm", "Requests per minute", count, countOf),
  tpm: flag("tpm", "Tokens per minute", count, countOf),
  concurrent: flag("concurrent", "Calls at the same time", count, countOf),
  budget: flag("budget", "What it may spend", "a list such as 10usd/month,500000tokens/day", budgetsOf),
  expires: flag("expires", "When it ends", "ISO 8601, epoch milliseconds, or an age such as 12h or 30d", timeOf),
  metadata: flag("metadata", "What you note with it", "a JSON object", objectOf)
}

type Settings = {
  readonly [K in keyof typeof settings]: (typeof settings)[K] extends Flag.Flag<infer A> ? A : never
}

/** What flags name; limits that they don't name stay those of `before`. */
const changesOf = (options: Settings, before: KeyRateLimits | null): KeyChanges => {
  const { budget, concurrent, expires, metadata, models, providers, rpm, tenant, tpm } = options
  const named = Object.entries({ tenant, models, providers, budget, expiresAt: expires, metadata }).flatMap(
    ([name, value]) => (Option.isSome<unknown>(value) ? [[name, value.value]] : [])
  )
  const limits = Object.entries({ requestsPerMinute: rpm, tokensPerMinute: tpm, concurrent })
  if (limits.every(([, value]) => Option.isNone(value))) return Object.fromEntries(named) as KeyChanges
  const after: { [name: string]: number | undefined } = { ...before }
  for (const [name, value] of limits) {
    if (Option.isNone(value)) continue
    if (value.value === null) delete after[name]
    else after[name] = value.value
  }
  const hasLimits = limits.some(([name]) => after[name] !== undefined)
  return { ...Object.fromEntries(named), rateLimits: hasLimits ? after : null }
}

const id = Argument.String("id").pipe(Argument.withDescription("Id of the key, key_…"))

const create = Command.make(
  "create",
  {
    ...connection,
    name: Flag.String("name").pipe(Flag.withDescription("What people know it by")),
    ...settings
  },
  Effect.fnUntraced(function* (options) {
    const client = yield* told(clientOf(options))
    const payload = { ...changesOf(options, null), name: options.name }
    yield* printMade(options.json, yield* told(client.createKey({ payload })))
  })
).pipe(
  Command.withDescription("Make a key; its secret is printed once, now"),
  Command.withExamples([
    {
      command: "millrace keys create --name search --models 'openai/*' --rpm 60 --budget 10usd/month --expires 90d",
      description: "A key for one service"
    }
  ])
)

const listKeys = Command.make(
  "list",
  {
    ...connection,
    name: Flag.String("name").pipe(Flag.withDescription("Only those with this in their name"), Flag.optional),
    tenant: Flag.String("tenant").pipe(Flag.withDescription("Only those of this tenant"), Flag.optional),
    limit: Flag.Int("limit").pipe(
      Flag.filter(
        (limit) => limit > 0,
        () => "expected a positive integer"
      ),
      Flag.withDescription("At most so many, 100 by default"),
      Flag.withDefault(100)
    )
  },
  Effect.fnUntraced(function* (options) {
    const client = yield* told(clientOf(options))
    const filters = {
      ...(Option.isSome(options.name) ? { name: options.name.value } : {}),
      ...(Option.isSome(options.tenant) ? { tenant: options.tenant.value } : {})
    }
    const items: Array<VirtualKey> = []
    let total = 0
    let cursor: string | undefined
    do {
      const limit = Math.min(500, options.limit - items.length)
      const page = yield* told(
        client.keys({ query: { ...filters, limit, ...(cursor === undefined ? {} : { cursor }) } })
      )
      items.push(...page.items)
      total = page.total
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined && items.length < options.limit)
    const rest = total > items.length ? [`${number(items.length)} of ${number(total)} keys`] : []
    yield* print(
      options.json,
      { items, total },
      total === 0 ? ["no keys"] : [...table(columns, items.map(cells)), ...rest]
    )
  })
).pipe(Command.withDescription("List keys, the newest first, without their secrets"))

const show = Command.make(
  "show",
  { ...connection, id },
  Effect.fnUntraced(function* (options) {
    const client = yield* told(clientOf(options))
    const found = yield* told(client.key({ params: { id: options.id } }))
    yield* print(options.json, found, linesOf(found))
  })
).pipe(Command.withDescription("Show a key and what it holds of its limits"))

const update = Command.make(
  "update",
  {
    ...connection,
    id,
    name: Flag.String("name").pipe(Flag.withDescription("What people know it by"), Flag.optional),
    ...settings
  },
  Effect.fnUntraced(function* (options) {
    const client = yield* told(clientOf(options))
    const params = { id: options.id }
    const before = yield* told(client.key({ params }))
    const name = Option.isSome(options.name) ? { name: options.name.value } : {}
    const payload = { ...changesOf(options, before.rateLimits), ...name }
    const changed = yield* told(client.updateKey({ params, payload }))
    yield* print(options.json, changed, linesOf(changed))
  })
).pipe(Command.withDescription("Change a key; it holds from its next call on"))

const rotate = Command.make(
  "rotate",
  {
    ...connection,
    id,
    overlap: Flag.String("overlap").pipe(
      Flag.filter(
        (text) => text === "0" || ageMsOf(text) !== undefined,
        () => "expected 0 or a time such as 15m, 12h or 7d"
      ),
      Flag.map((text) => ageMsOf(text) ?? 0),
      Flag.withDescription("How long the secret before stays valid: 0 or a time such as 15m or 12h; 1h by default"),
      Flag.withDefault(3_600_000)
    )
  },
  Effect.fnUntraced(function* (options) {
    const client = yield* told(clientOf(options))
    const payload = { overlapMs: options.overlap }
    yield* printMade(options.json, yield* told(client.rotateKey({ params: { id: options.id }, payload })))
  })
).pipe(Command.withDescription("Make a new secret for a key; it is printed once, now"))

const switched = (name: "disable" | "enable", description: string) =>
  Command.make(
    name,
    { ...connection, id },
    Effect.fnUntraced(function* (options) {
      const client = yield* told(clientOf(options))
      const payload = { disabled: name === "disable" }
      const changed = yield* told(client.updateKey({ params: { id: options.id }, payload }))
      yield* print(options.json, changed, [`${changed.id} (${changed.name}) is ${changed.status}`])
    })
  ).pipe(Command.withDescription(description))

const remove = Command.make(
  "delete",
  { ...connection, id },
  Effect.fnUntraced(function* (options) {
    const client = yield* told(clientOf(options))
    const deleted = yield* told(client.deleteKey({ params: { id: options.id } }))
    yield* print(options.json, { id: options.id, ...deleted }, [`${options.id} is deleted`])
  })
).pipe(Command.withDescription("Delete a key for ever; its usage stays"))

export const keys = Command.make("keys").pipe(
  Command.withDescription("Virtual keys of a running gateway: who may call, what, and how much"),
  Command.withSubcommands([
    create,
    listKeys,
    show,
    update,
    rotate,
    switched("disable", "Refuse a key until it is enabled"),
    switched("enable", "Let a disabled key in again"),
    remove
  ])
)

/** On stdout only the secret's own line and the key; that it is not shown again goes to stderr. */
const printMade = (json: boolean, made: MadeVirtualKey): Effect.Effect<void> =>
  Effect.andThen(
    print(json, made, [`key         ${made.key}`, ...linesOf(made)]),
    json ? Effect.void : Console.error("the key is shown only now; keep it where secrets are kept")
  )

const columns = [
  { name: "id", left: true },
  { name: "name", left: true },
  { name: "tenant", left: true },
  { name: "status", left: true },
  { name: "key", left: true },
  { name: "limits", left: true },
  { name: "budget", left: true },
  { name: "expires", left: true },
  { name: "last used", left: true }
]

const cells = (key: VirtualKey): ReadonlyArray<string> => [
  key.id,
  key.name,
  key.tenant,
  key.status,
  `…${key.last4}`,
  limitsText(key.rateLimits),
  budgetText(key.budget),
  minute(key.expiresAt),
  minute(key.lastUsedAt)
]

const linesOf = (key: VirtualKey & Partial<Pick<VirtualKeyDetail, "limits">>): ReadonlyArray<string> => {
  const { limits } = key
  const left =
    limits === undefined || limits === null
      ? []
      : [
          `left now    ${limits.requestsPerMinute.available ?? "-"} requests, ` +
            `${limits.tokensPerMinute.available ?? "-"} tokens; ${limits.active} under way`
        ]
  return [
    `id          ${key.id}`,
    `name        ${key.name}`,
    `tenant      ${key.tenant}`,
    `status      ${key.status}`,
    `models      ${key.models?.join(", ") ?? "all"}`,
    `providers   ${key.providers?.join(", ") ?? "all"}`,
    `limits      ${limitsText(key.rateLimits) || "none"}`,
    ...left,
    `budget      ${budgetText(key.budget) || "none"}`,
    `expires     ${minute(key.expiresAt) || "never"}`,
    `last used   ${minute(key.lastUsedAt) || "never"}`,
    ...(key.metadata === null ? [] : [`metadata    ${JSON.stringify(key.metadata)}`]),
    ...key.secrets.map(
      ({ createdAt, expiresAt, last4 }) =>
        `secret      …${last4} since ${minute(createdAt)}${expiresAt === null ? "" : `, valid until ${minute(expiresAt)}`}`
    )
  ]
}

const limitsText = (limits: VirtualKey["rateLimits"]): string => {
  if (limits === null) return ""
  const { concurrent, requestsPerMinute, tokensPerMinute } = limits
  return [
    ...(requestsPerMinute === undefined ? [] : [`${number(requestsPerMinute)} rpm`]),
    ...(tokensPerMinute === undefined ? [] : [`${number(tokensPerMinute)} tpm`]),
    ...(concurrent === undefined ? [] : [`${number(concurrent)} at once`])
  ].join(", ")
}

const budgetText = (budgets: VirtualKey["budget"]): string =>
  (budgets ?? [])
    .flatMap(({ period, tokens, usd }) => [
      ...(usd === undefined ? [] : [`${dollars(usd)}/${period}`]),
      ...(tokens === undefined ? [] : [`${number(tokens)} tokens/${period}`])
    ])
    .join(", ")

/** To the minute, in UTC. */
const minute = (iso: string | null): string => (iso === null ? "" : iso.slice(0, 16).replace("T", " "))
