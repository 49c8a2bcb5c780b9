"use client"

import { createColumnHelper } from "@tanstack/react-table"
import type { AttemptDetail, PriceLine, RequestDetail } from "millrace/admin-api"
import type { ReactNode } from "react"
import { WaterfallChart } from "@/components/chart"
import { DataTable, type features } from "@/components/data-table"
import { Figure } from "@/components/figure"
import { Badge } from "@/components/ui/badge"
import { duration, exactCount, share, text, usd } from "@/lib/format"
import { cacheLabels } from "./badges"
import { errorText, waterfallOf } from "./waterfall"

const attemptHelper = createColumnHelper<typeof features, AttemptDetail>()

const attemptColumns = attemptHelper.columns([
  attemptHelper.accessor((attempt) => `${attempt.provider}/${attempt.model}`, {
    id: "target",
    header: "Attempt at",
    meta: { className: "w-[34%]" }
  }),
  attemptHelper.accessor("error", {
    header: "Result",
    cell: ({ getValue }) => {
      const error = getValue()
      return error === null ? (
        <Badge tone="good">Success</Badge>
      ) : (
        <span className="text-bad-text" title={errorText(error)}>
          {errorText(error)}
        </span>
      )
    }
  }),
  attemptHelper.accessor("firstPartMs", {
    header: "First part",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  }),
  attemptHelper.accessor("durationMs", {
    header: "Duration",
    meta: { align: "right", className: "w-24" },
    cell: ({ getValue }) => <Figure quantity={duration(getValue())} />
  })
])

const lineLabels: Record<PriceLine["kind"], string> = {
  uncachedInput: "Prompt",
  cacheReadInput: "Prompt, read from the provider's cache",
  cacheWriteInput: "Prompt, written to the provider's cache",
  output: "Completion",
  reasoning: "Reasoning",
  fees: "Fees beside tokens",
  lostAttempts: "Answers that nobody read"
}

/** Everything that is known of a settled request: what each stage did, attempts, tokens, price. */
export function RequestDetailView({ request }: { readonly request: RequestDetail }) {
  const rows = waterfallOf(request)
  return (
    <div className="divide-y">
      <Section title="Stages">
        <dl className="grid grid-cols-[8rem_1fr] gap-x-4 gap-y-2 text-[13px]">
          <Fact name="Cache">{cacheText(request)}</Fact>
          <Fact name="Queue">
            {request.queueMs === 0 ? "Did not wait" : `Waited ${text(duration(request.queueMs))}`}
          </Fact>
          <Fact name="Attempts">{attemptsText(request)}</Fact>
          <Fact name="First token">
            <Figure quantity={duration(request.ttftMs)} />
          </Fact>
          <Fact name="Answer complete">
            <Figure quantity={duration(request.latencyMs)} />
          </Fact>
        </dl>
      </Section>
      {rows.length === 0 ? null : (
        <Section title="Waterfall">
          <WaterfallChart label="What the request waited for, over time" rows={rows} />
        </Section>
      )}
      {request.attemptDetails.length === 0 ? null : (
        <Section title="Attempts" flush>
          <DataTable
            label="Attempts"
            rows={request.attemptDetails}
            columns={attemptColumns}
            rowId={(attempt) => attempt.startedAt + attempt.provider}
            minWidth="min-w-md"
          />
        </Section>
      )}
      <Section title="Tokens and cost">
        <dl className="grid grid-cols-[1fr_auto] gap-x-4 gap-y-2 text-[13px] tabular-nums">
          {priceLines(request).map((line) => (
            <Sum key={line.kind} name={lineLabels[line.kind]}>
              {lineText(line)}
            </Sum>
          ))}
          {request.savedTokens === 0 ? null : (
            <Sum name="Saved by the cache">{exactCount(request.savedTokens)} tokens</Sum>
          )}
          <div className="col-span-2 my-1 border-t" />
          <Sum name="Cost" strong>
            {request.price.usd === null ? "No price" : text(usd(request.price.usd))}
          </Sum>
          {request.savedUsd === null ? null : <Sum name="Saved by the cache">{text(usd(request.savedUsd))}</Sum>}
          {request.providerCacheSavedUsd === null || request.providerCacheSavedUsd === 0 ? null : (
            <Sum name="Saved by the provider's cache">{text(usd(request.providerCacheSavedUsd))}</Sum>
          )}
        </dl>
        <p className="mt-3 text-xs text-muted">
          {request.price.usd === null
            ? `There is no price: ${request.price.unpricedReason ?? "the model has none"}.`
            : request.price.table === null
              ? null
              : `Priced with ${request.price.table}.`}
          {request.estimated ? " The provider reported no usage: the tokens are our own count." : null}
        </p>
      </Section>
    </div>
  )
}

/** The lines that hold tokens; where nothing was priced, what the request itself says. */
const priceLines = ({ price, promptTokens, completionTokens }: RequestDetail): ReadonlyArray<PriceLine> =>
  price.lines.length === 0
    ? [
        { kind: "uncachedInput", tokens: promptTokens, usd: null, usdPerMillion: null },
        { kind: "output", tokens: completionTokens, usd: null, usdPerMillion: null }
      ]
    : price.lines.filter(
        ({ kind, tokens, usd: dollars }) =>
          tokens > 0 || (dollars ?? 0) !== 0 || kind === "uncachedInput" || kind === "output"
      )

/** Tokens, the rate and what they cost; fees have dollars alone. */
const lineText = ({ kind, tokens, usd: dollars, usdPerMillion }: PriceLine): string => {
  if (kind === "fees" || kind === "lostAttempts") return text(usd(dollars))
  const counted = `${exactCount(tokens)} tokens`
  if (dollars === null || usdPerMillion === null) return counted
  return `${counted} at ${text(usd(usdPerMillion))} a million: ${text(usd(dollars))}`
}

const cacheText = ({ cache, cacheAgeMs, cacheSimilarity }: RequestDetail): string =>
  [
    cacheLabels[cache],
    ...(cacheAgeMs === null ? [] : [`${text(duration(cacheAgeMs))} old`]),
    ...(cacheSimilarity === null ? [] : [`similarity ${text(share(cacheSimilarity))}`])
  ].join(", ")

const attemptsText = ({ attempts, attemptDetails }: RequestDetail): string => {
  if (attempts === 0) return "None: no provider was asked"
  const failed = attemptDetails.filter((attempt) => attempt.error !== null).length
  return failed === 0 ? exactCount(attempts) : `${exactCount(attempts)}, ${exactCount(failed)} failed`
}

interface SectionProps {
  readonly title: string
  readonly flush?: boolean
  readonly children: ReactNode
}

function Section({ title, flush = false, children }: SectionProps) {
  return (
    <section className={flush ? "pt-4" : "px-5 py-4"}>
      <h3 className={flush ? "mb-3 px-5 text-[13px] font-semibold" : "mb-3 text-[13px] font-semibold"}>{title}</h3>
      {children}
    </section>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 tabular-nums">{children}</dd>
    </>
  )
}

interface SumProps {
  readonly name: string
  readonly strong?: boolean
  readonly children: ReactNode
}

function Sum({ name, strong = false, children }: SumProps) {
  return (
    <>
      <dt className={strong ? "font-medium" : "text-muted"}>{name}</dt>
      <dd className={strong ? "text-right font-medium" : "text-right"}>{children}</dd>
    </>
  )
}
