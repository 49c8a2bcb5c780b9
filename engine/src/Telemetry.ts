/**
 * The tracer of an engine: to an OTLP collector when `telemetry.otlp` names one, else the host's own.
 *
 * A host's tracer is whatever is in its Effect context, or the one that it has registered with OpenTelemetry's API before
 * the engine starts. Without any of these nothing is loaded and no span is made. A collector that is slow or away costs no
 * request anything and fails nothing (law 11): spans are sent in batches beside them, and what can't be sent is counted.
 */
import { Effect, Layer, type Scope, Tracer } from "effect"
import { randomUUID } from "node:crypto"
import { logOf } from "./Log.ts"
import { SpanQueue } from "./SpanQueue.ts"
import { RemoteParent } from "./TraceContext.ts"
import { version } from "./version.ts"

export interface TelemetryOptions {
  /** Base URL of the collector, such as `http://127.0.0.1:4318`. */
  readonly otlp: string | undefined
  /** Share of the traces that begin here and are recorded, 0–1; those of callers are as the caller says. */
  readonly sample: number
}

const log = logOf("Telemetry")

/** Spans that wait to be sent, and that are sent at a time; the variables are those of OpenTelemetry's SDKs. */
const queueMax = (env: NodeJS.ProcessEnv) => positive(env["OTEL_BSP_MAX_QUEUE_SIZE"]) ?? 8192
const batchMax = (env: NodeJS.ProcessEnv) => positive(env["OTEL_BSP_MAX_EXPORT_BATCH_SIZE"]) ?? 1024
/** Milliseconds between batches that are not full. */
const delayMs = (env: NodeJS.ProcessEnv) => positive(env["OTEL_BSP_SCHEDULE_DELAY"]) ?? 1000
/** Milliseconds that a collector has to take a batch. */
const exportMs = (env: NodeJS.ProcessEnv) => positive(env["OTEL_BSP_EXPORT_TIMEOUT"]) ?? 5000
/** Milliseconds that a shutdown waits for the last batches. */
const flushMs = 3000

const positive = (text: string | undefined): number | undefined =>
  text !== undefined && Number(text) > 0 ? Number(text) : undefined

/** The tracer, merged into the context of whatever it is provided to. */
export const layer = (options: TelemetryOptions): Layer.Layer<never> =>
  Layer.unwrap(
    Effect.withFiber((fiber) => {
      const { otlp, sample } = options
      if (otlp !== undefined) return Effect.promise(() => exported(otlp, sample))
      if (fiber.getRef(Tracer.Tracer) !== Tracer.nativeTracer) return Effect.promise(remoteParents)
      return isRegistered() ? Effect.promise(registered) : Effect.succeed(Layer.empty)
    })
  )

/** Whether the host has registered a tracer with OpenTelemetry's API; known without loading it. */
const isRegistered = (): boolean => {
  const api = (globalThis as { readonly [key: symbol]: unknown })[Symbol.for("opentelemetry.js.api.1")]
  return (api as { readonly trace?: unknown } | undefined)?.trace !== undefined
}

/** Spans of callers that OpenTelemetry knows everything of. */
const remoteParents = async (): Promise<Layer.Layer<never>> => {
  const { makeExternalSpan } = await import("@effect/opentelemetry/OtelTracer")
  return Layer.succeed(RemoteParent, (parent, { sampled, spanId, state, traceId }) => ({
    ...makeExternalSpan({ traceId, spanId, traceFlags: sampled ? 1 : 0, traceState: state }),
    sampled: parent.sampled
  }))
}

const registered = async (): Promise<Layer.Layer<never>> => {
  const [{ trace }, OtelTracer, parents] = await Promise.all([
    import("@opentelemetry/api"),
    import("@effect/opentelemetry/OtelTracer"),
    remoteParents()
  ])
  const tracer = Effect.provideService(OtelTracer.make, OtelTracer.OtelTracer, trace.getTracer("millrace", version))
  return Layer.merge(Layer.effect(Tracer.Tracer, tracer), parents)
}

const exported = async (otlp: string, sample: number): Promise<Layer.Layer<never>> => {
  const [OtelTracer, { OTLPTraceExporter }, Sdk, Resources, parents] = await Promise.all([
    import("@effect/opentelemetry/OtelTracer"),
    import("@opentelemetry/exporter-trace-otlp-http"),
    import("@opentelemetry/sdk-trace-base"),
    import("@opentelemetry/resources"),
    remoteParents()
  ])
  const { env } = process
  const url = `${otlp.replace(/\/+$/, "").replace(/\/v1\/traces$/, "")}/v1/traces`
  const tracer = Effect.gen(function* () {
    const run = Effect.runForkWith(yield* Effect.context<never>())
    const queue = new SpanQueue({
      maxSpans: queueMax(env),
      exporter: new OTLPTraceExporter({ url, timeoutMillis: exportMs(env) }),
      batches: (watched) =>
        new Sdk.BatchSpanProcessor(watched, {
          maxQueueSize: queueMax(env),
          maxExportBatchSize: Math.min(batchMax(env), queueMax(env)),
          scheduledDelayMillis: delayMs(env),
          exportTimeoutMillis: 2 * exportMs(env)
        }),
      onState: (state, lost) =>
        void run(
          state === "losing"
            ? log.warn("spans get lost: the collector does not take them", { count: lost })
            : log.info("the collector takes spans again", { count: lost })
        )
    })
    const provider = new Sdk.BasicTracerProvider({
      resource: Resources.defaultResource().merge(Resources.resourceFromAttributes(resourceOf(env))),
      sampler: new Sdk.ParentBasedSampler({ root: new Sdk.TraceIdRatioBasedSampler(sample) }),
      spanProcessors: [queue]
    })
    yield* Effect.addFinalizer(() => flushed(provider, queue))
    const made = yield* Effect.provideService(
      OtelTracer.make,
      OtelTracer.OtelTracer,
      provider.getTracer("millrace", version)
    )
    // Without its `context`, which makes a span the active one of OpenTelemetry's API for every step of a fiber: nobody asks
    // the API here.
    return Tracer.make({ span: (options) => made.span(options) })
  })
  return Layer.merge(Layer.effect(Tracer.Tracer, tracer as Effect.Effect<Tracer.Tracer, never, Scope.Scope>), parents)
}

/** What every span says of this process; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` are read by the SDK's rules. */
const resourceOf = (env: NodeJS.ProcessEnv): { readonly [name: string]: string } => {
  const given: { [name: string]: string } = {}
  for (const pair of (env["OTEL_RESOURCE_ATTRIBUTES"] ?? "").split(",")) {
    const at = pair.indexOf("=")
    if (at > 0) given[pair.slice(0, at).trim()] = decoded(pair.slice(at + 1).trim())
  }
  const name = env["OTEL_SERVICE_NAME"]
  return {
    "service.name": "millrace",
    "service.version": version,
    "service.instance.id": randomUUID(),
    ...given,
    ...(name === undefined || name === "" ? {} : { "service.name": name })
  }
}

const decoded = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Sends what is queued, for a while; what is left then, or can't be sent, is told. */
const flushed = (provider: { readonly shutdown: () => Promise<void> }, queue: SpanQueue): Effect.Effect<void> => {
  const shutdown = Effect.callback<void>((resume) => {
    const done = () => resume(Effect.void)
    const timer = setTimeout(done, flushMs)
    provider.shutdown().then(done, done)
    return Effect.sync(() => clearTimeout(timer))
  })
  return Effect.flatMap(shutdown, () => {
    queue.abandon()
    return queue.lost === 0 ? Effect.void : log.warn("spans were not delivered", { count: queue.lost })
  })
}
