/**
 * An OTLP/HTTP collector on loopback: takes `POST /v1/traces` in JSON, as the exporter sends it, and keeps the spans.
 *
 * It can be told to answer with an error, or not at all.
 */
import { createServer, type IncomingMessage } from "node:http"
import type { AddressInfo } from "node:net"

export interface ReceivedEvent {
  readonly name: string
  readonly at: bigint
  readonly attributes: { readonly [name: string]: unknown }
}

export interface ReceivedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string | undefined
  readonly traceState: string | undefined
  /** 1 internal, 2 server, 3 client. */
  readonly kind: number
  readonly start: bigint
  readonly end: bigint
  readonly attributes: { readonly [name: string]: unknown }
  readonly events: ReadonlyArray<ReceivedEvent>
  /** Code 0 unset, 1 ok, 2 error. */
  readonly status: { readonly code: number; readonly message: string | undefined }
  readonly resource: { readonly [name: string]: unknown }
  readonly scope: string
}

export interface Collector {
  readonly url: string
  readonly spans: ReadonlyArray<ReceivedSpan>
  /** Bodies as they came. */
  readonly bodies: ReadonlyArray<string>
  /** What is done with a batch from now on: taken, refused with a status, or left without an answer. */
  mode: "take" | "stall" | number
  /** The spans of this name. */
  readonly named: (name: string) => ReadonlyArray<ReceivedSpan>
  readonly close: () => Promise<void>
}

export const startCollector = async (): Promise<Collector> => {
  const spans: Array<ReceivedSpan> = []
  const bodies: Array<string> = []
  const server = createServer((request, response) => {
    void textOf(request).then((text) => {
      bodies.push(text)
      if (collector.mode === "stall") return
      if (typeof collector.mode === "number") return response.writeHead(collector.mode).end()
      if (request.method !== "POST" || request.url !== "/v1/traces") return response.writeHead(404).end()
      spans.push(...spansOf(JSON.parse(text)))
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    })
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const collector: Collector = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    spans,
    bodies,
    mode: "take",
    named: (name) => spans.filter((span) => span.name === name),
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    }
  }
  return collector
}

const textOf = async (message: IncomingMessage): Promise<string> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks).toString("utf8")
}

const spansOf = (body: any): ReadonlyArray<ReceivedSpan> =>
  body.resourceSpans.flatMap((resource: any) =>
    resource.scopeSpans.flatMap((scope: any) =>
      scope.spans.map((span: any): ReceivedSpan => ({
        name: span.name,
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId,
        traceState: span.traceState,
        kind: span.kind,
        start: BigInt(span.startTimeUnixNano),
        end: BigInt(span.endTimeUnixNano),
        attributes: attributesOf(span.attributes),
        events: (span.events ?? []).map((event: any) => ({
          name: event.name,
          at: BigInt(event.timeUnixNano),
          attributes: attributesOf(event.attributes)
        })),
        status: { code: span.status?.code ?? 0, message: span.status?.message },
        resource: attributesOf(resource.resource.attributes),
        scope: scope.scope.name
      }))
    )
  )

const attributesOf = (list: ReadonlyArray<any> | undefined): { readonly [name: string]: unknown } =>
  Object.fromEntries((list ?? []).map(({ key, value }) => [key, valueOf(value)]))

const valueOf = (value: any): unknown => {
  if ("arrayValue" in value) return (value.arrayValue.values ?? []).map(valueOf)
  if ("intValue" in value) return Number(value.intValue)
  return Object.values(value)[0]
}
