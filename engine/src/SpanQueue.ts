/**
 * Spans on their way to the collector: a bounded queue that is emptied in batches, and counts what it could not deliver.
 *
 * It stands before OpenTelemetry's own batches, which drop in silence. What does not fit is dropped and what a collector
 * refuses is lost; both are counted, and told when it begins and when it is over. Nobody waits for it (law 11).
 */
import type { Context } from "@opentelemetry/api"
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from "@opentelemetry/sdk-trace-base"

export interface SpanQueueOptions {
  readonly maxSpans: number
  readonly exporter: SpanExporter
  /** The batches, over the exporter that this queue watches. */
  readonly batches: (watched: SpanExporter) => SpanProcessor
  /** Told when spans begin to get lost, and when a batch has arrived again after `lost` were. */
  readonly onState: (state: "losing" | "well", lost: number) => void
}

export class SpanQueue implements SpanProcessor {
  /** Spans that were not delivered. */
  lost = 0
  private readonly options: SpanQueueOptions
  private readonly batches: SpanProcessor
  private queued = 0
  private losing = false
  private lostBefore = 0

  constructor(options: SpanQueueOptions) {
    this.options = options
    const { exporter } = options
    this.batches = options.batches({
      export: (spans, done) => {
        exporter.export(spans, (result) => {
          this.queued -= spans.length
          if (isSuccess(result)) this.delivered()
          else this.lose(spans.length)
          done(result)
        })
      },
      shutdown: () => exporter.shutdown(),
      forceFlush: () => exporter.forceFlush?.() ?? Promise.resolve()
    })
  }

  onStart(span: Span, parent: Context): void {
    this.batches.onStart(span, parent)
  }

  onEnd(span: ReadableSpan): void {
    // 1 is the flag of spans that are sampled; the others are not sent.
    if ((span.spanContext().traceFlags & 1) === 0) return
    if (this.queued >= this.options.maxSpans) return this.lose(1)
    this.queued++
    this.batches.onEnd(span)
  }

  forceFlush(): Promise<void> {
    return this.batches.forceFlush()
  }

  /** Spans that are still here when it is over are lost. */
  async shutdown(): Promise<void> {
    await this.batches.shutdown()
  }

  /** Gives up what is queued. */
  abandon(): void {
    this.lost += this.queued
    this.queued = 0
  }

  private lose(spans: number): void {
    this.lost += spans
    if (this.losing) return
    this.losing = true
    this.lostBefore = this.lost - spans
    this.options.onState("losing", spans)
  }

  private delivered(): void {
    if (!this.losing) return
    this.losing = false
    this.options.onState("well", this.lost - this.lostBefore)
  }
}

/** The codes of results are an enumeration of a package that this one does without: 0 is success. */
const isSuccess = ({ code }: { readonly code: number }): boolean => code === 0
