/** What the gateway depends on, and how each of it is doing, from its readiness and its status. */
import type { Status } from "millrace/admin-api"
import type { Tone } from "@/components/ui/badge"
import { duration, exactCount, text } from "@/lib/format"
import type { Health } from "./health"

export interface Dependency {
  readonly name: string
  readonly kind: string
  readonly state: string
  readonly tone: Tone
  readonly note: string
}

const healthy = (is: boolean) => ({ state: is ? "Healthy" : "Unhealthy", tone: is ? "good" : "bad" }) as const

const circuits: Readonly<Record<string, Pick<Dependency, "state" | "tone">>> = {
  closed: { state: "Circuit closed", tone: "good" },
  "half-open": { state: "Circuit half open", tone: "warn" },
  open: { state: "Circuit open", tone: "bad" }
}

const redisNote = ({ reason, roundTripMs }: NonNullable<Status["stores"]["redis"]>): string =>
  [
    ...(reason === null ? [] : [reason]),
    ...(roundTripMs === null ? [] : [`answers in ${text(duration(roundTripMs))}`])
  ].join("; ")

export const dependenciesOf = (status: Status, health: Health | undefined): ReadonlyArray<Dependency> => {
  const { database, redis } = status.stores
  const { shared, store } = status.cache
  const { budgets, keys } = status
  return [
    {
      name: "Usage database",
      kind: database.kind,
      ...healthy(database.healthy),
      note: [
        ...(database.reason === null ? [] : [database.reason]),
        ...(database.rowsDropped === 0 ? [] : [`${exactCount(database.rowsDropped)} records were lost`])
      ].join("; ")
    },
    { name: "Store of the cache", kind: store.kind, ...healthy(store.healthy), note: store.reason ?? "" },
    ...(redis === null ? [] : [{ name: "Redis", kind: "redis", ...healthy(redis.healthy), note: redisNote(redis) }]),
    ...(shared === undefined
      ? []
      : [
          {
            name: "Shared entries of the cache",
            kind: "redis",
            ...healthy(shared.healthy),
            note: [
              ...(shared.reason === null ? [] : [shared.reason]),
              `${exactCount(shared.hits)} of ${exactCount(shared.lookups)} look-ups were hits`,
              ...(shared.dropped === 0 ? [] : [`${exactCount(shared.dropped)} entries were not shared`])
            ].join("; ")
          }
        ]),
    ...(budgets === undefined
      ? []
      : [
          {
            name: "Store of the budgets",
            kind: budgets.store.kind,
            ...healthy(budgets.store.healthy),
            note: [
              ...(budgets.store.reason === null ? [] : [budgets.store.reason]),
              ...(budgets.store.decidedAlone === 0
                ? []
                : [`${exactCount(budgets.store.decidedAlone)} reservations were made without it`])
            ].join("; ")
          }
        ]),
    ...(keys === undefined
      ? []
      : [
          {
            name: "Keys",
            kind: keys.kind,
            ...healthy(keys.loaded && keys.reason === null),
            note: keys.reason ?? `${exactCount(keys.keys)} keys, ${keys.required ? "required" : "not required"}`
          }
        ]),
    ...status.providers.map(({ name, kind, breaker }) => {
      const circuit = health?.checks.providers[name] ?? breaker
      return {
        name: `Provider ${name}`,
        kind,
        ...(circuits[circuit] ?? { state: circuit, tone: "neutral" as const }),
        note: ""
      }
    })
  ]
}
