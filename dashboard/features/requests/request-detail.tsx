"use client"

import { ArrowUpRight, FlaskConical } from "lucide-react"
import type { RequestDetail } from "millrace/admin-api"
import Link from "next/link"
import type { ReactNode } from "react"
import { WaterfallChart } from "@/components/chart"
import { Figure } from "@/components/figure"
import { CommandLine } from "@/components/states"
import { buttonVariants } from "@/components/ui/button"
import { useKeyNames } from "@/features/keys/use-keys"
import { duration, exactCount, share, text } from "@/lib/format"
import { answerHeaders, unkeptHeaders } from "./answer-headers"
import { AttemptTable } from "./attempt-table"
import { cacheLabels } from "./badges"
import { PriceLines } from "./price-lines"
import { faultSentences, fixOf } from "./faults"
import { waterfallOf } from "./waterfall"
import { WhyMiss } from "./why-miss"

interface RequestDetailViewProps {
  readonly request: RequestDetail
  /** Opens another request in the place of this one; elsewhere it is a link to the list. */
  readonly onOpen?: ((id: string) => void) | undefined
  /** Whether it can be sent again from here; true unless it is shown where it was sent from. */
  readonly replay?: boolean
}

/** Everything that is known of a settled request: what each stage did, attempts, tokens, price, headers, content. */
export function RequestDetailView({ request, onOpen, replay = true }: RequestDetailViewProps) {
  const rows = waterfallOf(request)
  const { content, metadata } = request
  return (
    <div className="divide-y">
      {request.status === "error" ? <FailureNote request={request} /> : null}
      <Section
        title="Stages"
        action={
          replay ? (
            <Link
              href={`/playground?replay=${encodeURIComponent(request.id)}`}
              className={buttonVariants({ size: "xs" })}
            >
              <FlaskConical />
              Replay in the playground
            </Link>
          ) : null
        }
      >
        <dl className="grid grid-cols-[8rem_1fr] gap-x-4 gap-y-2 text-[13px]">
          <Fact name="Caller">
            <Caller request={request} />
          </Fact>
          <Fact name="Asked for">
            {request.modelRequested ?? "the default model"}
            {request.stream ? ", streamed" : ", in one piece"}
          </Fact>
          <Fact name="Cache">{cacheText(request)}</Fact>
          <Fact name="Queue">
            {request.queueMs === 0 ? "Did not wait" : `Waited ${text(duration(request.queueMs))}`}
          </Fact>
          <Fact name="Attempts">{attemptsText(request)}</Fact>
          <Fact name="First token">
            <Figure quantity={duration(request.ttftMs)} />
          </Fact>
          <Fact name={request.status === "success" ? "Answer complete" : "Ended after"}>
            <Figure quantity={duration(request.latencyMs)} />
          </Fact>
          {request.overheadMs === null ? null : (
            <Fact name="Millrace itself">
              {text(duration(request.overheadMs))} <span className="text-muted">before the first attempt</span>
            </Fact>
          )}
          {request.serviceTier === null ? null : <Fact name="Service tier">{request.serviceTier}</Fact>}
        </dl>
      </Section>
      {rows.length === 0 ? null : (
        <Section title="Waterfall">
          <WaterfallChart label="What the request waited for, over time" rows={rows} />
        </Section>
      )}
      {request.attemptDetails.length === 0 ? null : (
        <Section title="Attempts" flush>
          <AttemptTable attempts={request.attemptDetails} />
          <p className="px-5 py-3 text-xs text-muted">
            The rate limits that a provider reports with an answer steer the limiter and are not kept with the attempt.
          </p>
        </Section>
      )}
      <Section title="Tokens and cost">
        <PriceLines request={request} />
      </Section>
      <WhyMiss key={request.id} request={request} onOpen={onOpen} />
      <Section title="Headers of the answer">
        <dl className="grid grid-cols-[minmax(0,auto)_minmax(0,1fr)] gap-x-4 gap-y-1.5 font-mono text-xs">
          {answerHeaders(request).map(({ name, value }) => (
            <div key={name} className="contents" data-header={name}>
              <dt className="truncate text-muted">{name}</dt>
              <dd className="break-all">{value}</dd>
            </div>
          ))}
        </dl>
        <p className="mt-3 text-xs text-muted">
          As a caller of the gateway got them, told from the record. Not kept: {unkeptHeaders.join(", ")}.
        </p>
      </Section>
      <Section title="Metadata">
        {metadata === null ? (
          <p className="text-[13px] text-muted">The caller attached none.</p>
        ) : (
          <CommandLine command={JSON.stringify(metadata, null, 2)} what="the metadata" />
        )}
      </Section>
      <Section title="Content">
        {content === null ? (
          <p className="text-[13px] text-muted">
            Prompt and answer were not logged. Set <code className="font-mono text-xs">logging.content: true</code> to
            keep those of requests to come.
          </p>
        ) : (
          <div className="space-y-4">
            <Said title="Prompt" text={content.prompt} />
            <Said title="Answer" text={content.answer} />
          </div>
        )}
      </Section>
    </div>
  )
}

function FailureNote({ request }: { readonly request: RequestDetail }) {
  const { errorDetail, errorKind, fault, fingerprint } = request
  const fix = fixOf(errorKind, fault)
  return (
    <section role="note" aria-label="Failure" className="bg-bad/6 px-5 py-4 text-[13px]">
      <p className="font-medium text-bad-text">
        {fault === null ? "It failed" : faultSentences[fault]}
        {errorKind === null ? null : ` (${errorKind})`}
      </p>
      {errorDetail === null ? null : <p className="mt-1 break-words">{errorDetail}</p>}
      {fix === null ? null : (
        <p className="mt-1 text-muted">
          {fix.text}{" "}
          {fix.href === undefined ? null : (
            <Link href={fix.href} className="underline underline-offset-4">
              Go there
            </Link>
          )}
        </p>
      )}
      {fingerprint === null ? null : (
        <Link
          href={`/errors?group=${encodeURIComponent(fingerprint)}`}
          className="mt-1.5 inline-flex items-center gap-1 text-xs underline-offset-4 hover:underline"
        >
          Failures like this one
          <ArrowUpRight className="size-3.5" />
        </Link>
      )}
    </section>
  )
}

function Caller({ request: { keyId, tenant } }: { readonly request: RequestDetail }) {
  const names = useKeyNames({ enabled: keyId !== null })
  return (
    <>
      tenant {tenant}
      {keyId === null ? (
        <span className="text-muted">, without a key</span>
      ) : (
        <>
          , key{" "}
          <Link
            href={`/keys?id=${encodeURIComponent(keyId)}`}
            title={keyId}
            className="underline underline-offset-4 hover:text-muted"
          >
            {names.get(keyId) ?? keyId}
          </Link>
        </>
      )}
    </>
  )
}

function Said({ title, text: said }: { readonly title: string; readonly text: string }) {
  return (
    <div>
      <h4 className="mb-1.5 text-xs font-medium text-muted">{title}</h4>
      {said === "" ? (
        <p className="text-[13px] text-muted">No text</p>
      ) : (
        <pre
          tabIndex={0}
          aria-label={title}
          className="max-h-80 overflow-auto rounded-lg border bg-subtle px-3 py-2 font-mono text-xs leading-5 break-words whitespace-pre-wrap"
        >
          {said}
        </pre>
      )}
    </div>
  )
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
  readonly action?: ReactNode
  readonly children: ReactNode
}

/** A part of what is told of a request. */
export function Section({ title, flush = false, action, children }: SectionProps) {
  return (
    <section className={flush ? "pt-4" : "px-5 py-4"}>
      <div className={flush ? "mb-3 flex px-5" : "mb-3 flex min-h-6 flex-wrap items-center gap-2"}>
        <h3 className="grow text-[13px] font-semibold">{title}</h3>
        {action}
      </div>
      {children}
    </section>
  )
}

function Fact({ name, children }: { readonly name: string; readonly children: ReactNode }) {
  return (
    <>
      <dt className="text-muted">{name}</dt>
      <dd className="min-w-0 break-words tabular-nums">{children}</dd>
    </>
  )
}
