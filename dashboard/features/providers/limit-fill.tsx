import type { Limit } from "millrace/admin-api"
import { Meter } from "@/components/meter"
import { roughCount, text } from "@/lib/format"

/** The limits of a provider, a model or a tenant, in the order in which they are shown. */
export const limitNames = [
  ["requestsPerMinute", "Requests per minute"],
  ["tokensPerMinute", "Tokens per minute"],
  ["concurrent", "Concurrent calls"]
] as const

/** What holds: what was learned, which is null while the configured limit does. */
export const boundOf = ({ configured, learned }: Limit): number | null => learned ?? configured

/** How much of a limit is taken, from 0 to 1; null where there is none. */
export const fillOf = (limit: Limit): number | null => {
  const bound = boundOf(limit)
  if (bound === null || limit.available === null) return null
  return bound === 0 ? 1 : Math.min(Math.max(1 - limit.available / bound, 0), 1)
}

/** What is free of what holds: `36 of 40 free`; null where there is no limit. */
export const freeText = (limit: Limit): string | null => {
  const bound = boundOf(limit)
  return bound === null ? null : `${text(roughCount(limit.available ?? bound))} of ${text(roughCount(bound))} free`
}

interface LimitFillProps {
  /** Whose limit it is, for screen readers. */
  readonly of: string
  readonly name: string
  readonly limit: Limit
}

/** What is free of a limit, as a term and its description. */
export function LimitFill({ of, name, limit }: LimitFillProps) {
  const free = freeText(limit)
  return (
    <div className="grid grid-cols-[1fr_auto] gap-x-3 gap-y-1.5 text-xs">
      <dt className="truncate text-muted">{name}</dt>
      <dd className="whitespace-nowrap tabular-nums">
        {free ?? <span className="text-muted">No limit</span>}
        {free !== null && boundOf(limit) !== limit.configured ? (
          <span className="text-muted">
            , learned
            {limit.configured === null ? null : `; ${text(roughCount(limit.configured))} configured`}
          </span>
        ) : null}
      </dd>
      <dd className="col-span-2">
        <Meter label={`${of}, ${name.toLowerCase()}`} share={fillOf(limit) ?? 0} text={free ?? "no limit"} />
      </dd>
    </div>
  )
}
