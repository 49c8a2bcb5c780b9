/**
 * W3C trace context: `traceparent` and `tracestate` as values, read from a caller's headers and written for an upstream.
 *
 * What is not valid is as if it had not been sent: a request is never refused for it. `baggage` is neither read nor sent,
 * because it may hold anything. Nothing here makes a span.
 */
import { Context, type Tracer } from "effect"

/** Where a caller's trace stands. */
export interface TraceContext {
  /** 32 lower-case hex digits. */
  readonly traceId: string
  /** 16 lower-case hex digits. */
  readonly spanId: string
  readonly sampled: boolean
  /** `tracestate` as it came; undefined where it was absent or can't be valid. */
  readonly state: string | undefined
}

/** Headers that carry a trace to an upstream. */
export interface TraceHeaders {
  readonly traceparent: string
  readonly tracestate?: string
}

/** The caller's trace context, kept with the span that stands for it. */
export class CallerTrace extends Context.Service<CallerTrace, TraceContext>()("millrace/CallerTrace") {}

/**
 * Makes a caller's span one that the tracer knows everything of, its `tracestate` too. Who provides a tracer provides this.
 */
export const RemoteParent = Context.Reference<(parent: Tracer.ExternalSpan, trace: TraceContext) => Tracer.AnySpan>(
  "millrace/RemoteParent",
  { defaultValue: () => (parent) => parent }
)

const form = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/

/** The trace context of headers, or undefined when there is none that is valid. Versions after 00 are read as far as 00 goes. */
export const readTrace = (
  traceparent: string | ReadonlyArray<string> | undefined,
  tracestate?: string | ReadonlyArray<string>
): TraceContext | undefined => {
  if (typeof traceparent !== "string") return undefined
  const match = form.exec(traceparent.trim())
  if (match === null) return undefined
  const [, version, traceId, spanId, flags, more] = match as unknown as [
    string,
    string,
    string,
    string,
    string,
    string?
  ]
  if (version === "ff" || (version === "00" && more !== undefined)) return undefined
  if (/^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1, state: readState(tracestate) }
}

/** Lists longer than 32 entries or 512 characters, and entries that are none, are dropped whole. */
const readState = (tracestate: string | ReadonlyArray<string> | undefined): string | undefined => {
  if (tracestate === undefined) return undefined
  const text = (typeof tracestate === "string" ? tracestate : tracestate.join(",")).trim()
  if (text === "" || text.length > 512) return undefined
  const entries = text.split(",").map((entry) => entry.trim())
  const listed = entries.filter((entry) => entry !== "")
  return listed.length > 0 && listed.length <= 32 && listed.every((entry) => stateEntry.test(entry))
    ? listed.join(",")
    : undefined
}

const stateEntry = /^[a-z0-9][a-z0-9_\-*/]{0,240}(@[a-z][a-z0-9_\-*/]{0,13})?=[\x21-\x2b\x2d-\x3c\x3e-\x7e\x20]{1,256}$/

/** The headers under which an upstream's spans become children of `span`; undefined for a span that has no ids. */
export const traceHeaders = (span: Tracer.AnySpan): TraceHeaders | undefined => {
  const { sampled, spanId, traceId } = span
  if (!isTraceId(traceId) || !/^[0-9a-f]{16}$/.test(spanId)) return undefined
  const traceparent = `00-${traceId}-${spanId}-${sampled ? "01" : "00"}`
  const state = Context.getOrUndefined(span.annotations, CallerTrace)?.state
  return state === undefined ? { traceparent } : { traceparent, tracestate: state }
}

/** False for the ids of spans that nobody records. */
export const isTraceId = (traceId: string): boolean => /^[0-9a-f]{32}$/.test(traceId)
