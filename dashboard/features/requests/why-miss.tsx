"use client"

import { LoaderCircle } from "lucide-react"
import type { CacheExplanation, CacheLookup, RequestDetail } from "millrace/admin-api"
import Link from "next/link"
import { useId, useState, type ReactNode, type SubmitEvent } from "react"
import { Fields } from "@/components/fields"
import { ErrorState } from "@/components/states"
import { Badge } from "@/components/ui/badge"
import { Button } from "@/components/ui/button"
import { Input } from "@/components/ui/input"
import { Label } from "@/components/ui/label"
import { Skeleton } from "@/components/ui/skeleton"
import { failureOf } from "@/lib/api"
import { exactCount } from "@/lib/format"
import { formatFull } from "@/lib/time"
import { useChange } from "@/lib/use-change"
import { requestsHref } from "./link"
import { useChoices, useLookup } from "./use-lookup"

interface WhyMissProps {
  readonly request: RequestDetail
  readonly onOpen: ((id: string) => void) | undefined
}

/** How the cache saw a request: the nearest earlier ones and the fields in which they differ, and any other to compare with. */
export function WhyMiss({ request, onOpen }: WhyMissProps) {
  const asked = request.cache !== "bypass"
  const lookup = useLookup(request.id, asked)
  return (
    <section className="px-5 py-4 text-[13px]" aria-labelledby="why-miss">
      <h3 id="why-miss" className="mb-3 font-semibold">
        {request.cache === "miss" ? "Why was this a miss?" : "Where the answer came from"}
      </h3>
      {!asked ? (
        <p className="text-muted">
          The cache was not asked: it is off, the request went past it, or its answer is not one to share.
        </p>
      ) : lookup.data !== undefined ? (
        <div className="space-y-4">
          <Neighbours request={request} lookup={lookup.data} onOpen={onOpen} />
          {lookup.data.known ? <Compare id={request.id} onOpen={onOpen} /> : null}
        </div>
      ) : lookup.isError ? (
        failureOf(lookup.error).kind === "not-found" ? (
          <p className="text-muted">
            Nothing is remembered of this one: {failureOf(lookup.error).message}. A restart and another instance end it
            too. Two requests as JSON can be compared on the{" "}
            <Link href="/cache" className="underline underline-offset-4">
              cache page
            </Link>
            .
          </p>
        ) : (
          <ErrorState
            what="The look into the cache"
            failure={failureOf(lookup.error)}
            retrying={lookup.isFetching}
            onRetry={() => lookup.refetch()}
          />
        )
      ) : (
        <div role="status" aria-label="Loading the look into the cache">
          <Skeleton className="h-16" />
        </div>
      )}
    </section>
  )
}

interface NeighboursProps extends WhyMissProps {
  readonly lookup: CacheLookup
}

function Neighbours({ request, lookup, onOpen }: NeighboursProps) {
  const { compared, known, nearest, same, stored } = lookup
  const missed = request.cache === "miss"
  return (
    <>
      <dl className="grid grid-cols-[8rem_1fr] gap-x-4 gap-y-2">
        <dt className="text-muted">Key</dt>
        <dd className="min-w-0">
          <Link
            href={`/cache?key=${encodeURIComponent(lookup.key)}`}
            className="font-mono text-xs break-all underline underline-offset-4 hover:text-muted"
          >
            {lookup.key}
          </Link>{" "}
          <Stored stored={stored} />
        </dd>
        <dt className="text-muted">The same before</dt>
        <dd className="min-w-0">
          {same === null ? (
            `No, not among the ${exactCount(compared)} earlier requests that are remembered.`
          ) : (
            <>
              <Other id={same.id} time={same.time} onOpen={onOpen} />
              {missed ? ". Its answer was not kept, was over its time, or has left the cache." : "."}
            </>
          )}
        </dd>
      </dl>
      {!known ? (
        <p className="text-muted">
          Its fields are not known: it runs still, or <code className="font-mono text-xs">cache.explain</code> is off.
        </p>
      ) : nearest.length === 0 || !missed ? null : (
        <div>
          <p className="mb-2 text-muted">Nearest earlier requests, with the fields in which they differ:</p>
          <ul className="divide-y rounded-lg border" data-neighbours>
            {nearest.map(({ fields, id, stored: kept, time }) => (
              <li key={id} className="space-y-1.5 px-3 py-2.5" data-neighbour={id}>
                <div className="flex flex-wrap items-center gap-2">
                  <Other id={id} time={time} onOpen={onOpen} />
                  <Stored stored={kept} />
                </div>
                <Fields names={fields} />
              </li>
            ))}
          </ul>
        </div>
      )}
    </>
  )
}

function Stored({ stored }: { readonly stored: boolean }) {
  return <Badge tone={stored ? "cached" : "neutral"}>{stored ? "Stored" : "Not stored now"}</Badge>
}

interface OtherProps {
  readonly id: string
  readonly time: string
  readonly onOpen: ((id: string) => void) | undefined
}

/** Leads to another request. */
function Other({ id, time, onOpen }: OtherProps): ReactNode {
  const label = formatFull(Date.parse(time))
  const look = "rounded-sm text-left underline underline-offset-4 hover:text-muted"
  return onOpen === undefined ? (
    <Link href={requestsHref({ id })} className={look} title={id}>
      {label}
    </Link>
  ) : (
    <button type="button" className={look} title={id} onClick={() => onOpen(id)}>
      {label}
    </button>
  )
}

interface CompareProps {
  readonly id: string
  readonly onOpen: ((id: string) => void) | undefined
}

/** Compares a request with any other that is remembered, or with an entry of the cache. */
function Compare({ id, onOpen }: CompareProps) {
  const fieldId = useId()
  const [wanted, setWanted] = useState(false)
  const [other, setOther] = useState("")
  const [found, setFound] = useState<{ readonly other: string; readonly explanation: CacheExplanation } | null>(null)
  const choices = useChoices(wanted)
  const change = useChange([])

  const compare = async (event: SubmitEvent<HTMLFormElement>) => {
    event.preventDefault()
    setFound(null)
    const body = { a: id, b: other.trim() }
    const explanation = await change.run<CacheExplanation>({ method: "POST", path: "/api/cache/explain", body })
    if (explanation !== undefined) setFound({ other: body.b, explanation })
  }

  return (
    <form onSubmit={compare}>
      <Label htmlFor={fieldId}>Compare with another request or entry</Label>
      <div className="mt-1.5 flex gap-2">
        <Input
          id={fieldId}
          list={`${fieldId}-choices`}
          required
          spellCheck={false}
          autoComplete="off"
          placeholder="Id of a request, or key of an entry"
          className="h-8! font-mono text-xs!"
          value={other}
          onFocus={() => setWanted(true)}
          onChange={(event) => setOther(event.target.value)}
        />
        <datalist id={`${fieldId}-choices`}>
          {choices
            .filter(({ value }) => value !== id)
            .map(({ value, label }) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
        </datalist>
        <Button type="submit" size="sm" disabled={change.pending}>
          {change.pending ? <LoaderCircle className="animate-spin" /> : null}
          Compare
        </Button>
      </div>
      {change.failure === null ? null : (
        <p role="alert" className="mt-2 break-words text-bad-text">
          {change.failure.message}
        </p>
      )}
      <div role="status">
        {found === null ? null : (
          <div className="mt-3 space-y-2" data-comparison={found.explanation.same ? "same" : "different"}>
            <div className="flex flex-wrap items-center gap-2">
              {found.explanation.same
                ? "They share one key, and so one answer."
                : `They differ in ${found.explanation.fields.length === 1 ? "one field" : `${found.explanation.fields.length} fields`}.`}
              <Stored stored={found.explanation.b.stored} />
              {found.other.startsWith("req_") && onOpen !== undefined ? (
                <Button size="xs" onClick={() => onOpen(found.other)}>
                  Open it
                </Button>
              ) : null}
            </div>
            <Fields names={found.explanation.fields} />
          </div>
        )}
      </div>
    </form>
  )
}
