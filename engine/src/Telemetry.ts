/**
 * Traces to an OTLP collector, when `telemetry.otlp` names one; without it nothing is loaded and no span is made.
 *
 * A host application that brings its own tracer needs none of this: the engine's spans join whatever tracer is in the
 * context. A collector that is slow or away costs no request anything (law 11): spans are exported in batches beside them.
 */
import { Effect, Layer } from "effect"
import { version } from "./version.ts"

export interface TelemetryOptions {
  /** Base URL of the collector, such as `http://127.0.0.1:4318`. */
  readonly otlp: string | undefined
}

/** The tracer, merged into the context of whatever it is provided to. */
export const layer = (options: TelemetryOptions): Layer.Layer<never> => {
  const { otlp } = options
  if (otlp === undefined) return Layer.empty
  return Layer.unwrap(
    Effect.promise(async () => {
      const [NodeSdk, { OTLPTraceExporter }, { BatchSpanProcessor }] = await Promise.all([
        import("@effect/opentelemetry/NodeSdk"),
        import("@opentelemetry/exporter-trace-otlp-http"),
        import("@opentelemetry/sdk-trace-base")
      ])
      const url = `${otlp.replace(/\/+$/, "").replace(/\/v1\/traces$/, "")}/v1/traces`
      return NodeSdk.layer(() => ({
        resource: { serviceName: "millrace", serviceVersion: version },
        spanProcessor: new BatchSpanProcessor(new OTLPTraceExporter({ url }))
      }))
    })
  )
}
