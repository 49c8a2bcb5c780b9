"use client"

import type { Status } from "millrace/admin-api"
import { Badge } from "@/components/ui/badge"
import { Card, CardHeader } from "@/components/ui/card"
import { Skeleton } from "@/components/ui/skeleton"
import { duration, exactCount, text } from "@/lib/format"
import { formatDayTime } from "@/lib/time"

interface Store {
  readonly name: string
  readonly kind: string
  readonly healthy: boolean
  readonly note: string | null
}

/** Where things are kept, and whether that works. */
export function StoresHealth({ status }: { readonly status: Status | null }) {
  return (
    <Card aria-labelledby="stores-health" className="overflow-hidden">
      <CardHeader id="stores-health" title="Stores" />
      {status === null ? (
        <Skeleton className="mx-5 mb-5 h-24" />
      ) : (
        <ul className="divide-y border-t">
          {storesOf(status).map(({ name, kind, healthy, note }) => (
            <li
              key={name}
              className="flex min-h-11 flex-wrap items-center gap-x-2.5 gap-y-1 px-5 py-2 text-[13px]"
              data-store={name}
            >
              <span>{name}</span>
              <span className="text-muted">{kind}</span>
              {note === null ? null : <span className="w-full text-xs text-muted sm:w-auto">{note}</span>}
              <span className="ml-auto">
                <Badge tone={healthy ? "good" : "bad"}>{healthy ? "Healthy" : "Failing"}</Badge>
              </span>
            </li>
          ))}
        </ul>
      )}
    </Card>
  )
}

const storesOf = ({ budgets, cache, keys, stores }: Status): ReadonlyArray<Store> => [
  {
    name: "Usage database",
    kind: stores.database.kind,
    healthy: stores.database.healthy,
    note: told(stores.database.reason, stores.database.rowsDropped, "rows lost")
  },
  {
    name: "Cache",
    kind: cache.store.kind,
    healthy: cache.store.healthy,
    note: told(cache.store.reason, cache.store.dropped, "entries not kept")
  },
  ...(budgets === undefined
    ? []
    : [
        {
          name: "Budgets",
          kind: budgets.store.kind,
          healthy: budgets.store.healthy,
          note: told(budgets.store.reason, budgets.store.decidedAlone, "decided without the store")
        }
      ]),
  ...(keys === undefined ? [] : [{ name: "Keys", kind: keys.kind, healthy: keys.reason === null, note: keys.reason }]),
  ...(stores.redis === null ? [] : [redisOf(stores.redis)])
]

/** Without it every instance goes by what it knows itself. */
const redisOf = ({ dropped, healthy, reason, roundTripMs, since }: NonNullable<Status["stores"]["redis"]>): Store => ({
  name: "Redis",
  kind: "shared state",
  healthy,
  note:
    [
      ...(healthy
        ? roundTripMs === null
          ? []
          : [`${text(duration(roundTripMs))} a round trip`]
        : [
            reason ?? "it does not answer",
            `since ${formatDayTime(Date.parse(since))}`,
            "each instance goes by its own"
          ]),
      ...(dropped === 0 ? [] : [`${exactCount(dropped)} messages lost`])
    ].join(", ") || null
})

const told = (reason: string | null, lost: number, what: string): string | null =>
  [...(reason === null ? [] : [reason]), ...(lost === 0 ? [] : [`${exactCount(lost)} ${what}`])].join(", ") || null
