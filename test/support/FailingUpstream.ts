/**
 * A provider's server that fails as providers do: by name, or drawn by lot from a seeded generator.
 *
 * Faults before the first part leave the engine free to go elsewhere; those of `midStream` come after words that the caller
 * may have seen. It counts what it was asked; a test's answers tell by their text who gave them.
 */
import type { ServerResponse } from "node:http"
import {
  answer,
  chatChunk,
  chatCompletion,
  chatEvents,
  event,
  eventStream,
  type Respond,
  send,
  sendJson,
  startUpstream,
  type TestUpstream
} from "./upstream.ts"

const broke = { error: { message: "It broke.", type: "server_error", param: null, code: null } }
const limited = { error: { message: "Slow down.", type: "rate_limit_exceeded", param: null, code: null } }
const html = "<!doctype html><html><body><h1>Bad gateway</h1></body></html>"

const reset = (response: ServerResponse): void => {
  response.socket?.resetAndDestroy()
}

/** Nothing more comes, and the connection stays. */
const silence = (): void => undefined

const events =
  (blocks: ReadonlyArray<string>, then: (response: ServerResponse) => void): Respond =>
  (response) => {
    response.writeHead(200, eventStream)
    response.write(blocks.join(""), () => setImmediate(then, response))
  }

/** A whole JSON answer that stops in the middle; `then` says how. */
const half =
  (text: string, then: (response: ServerResponse) => void): Respond =>
  (response) => {
    const body = JSON.stringify(chatCompletion(text))
    response.writeHead(200, { "content-type": "application/json", "content-length": String(body.length) })
    response.write(body.slice(0, body.length >> 1), () => setImmediate(then, response))
  }

const end = (response: ServerResponse): void => void response.end()

/** What a server does instead of answering, before anything that a caller could have seen. */
export const early = {
  "429": sendJson(429, limited),
  "429 with a Retry-After": sendJson(429, limited, { "retry-after": "1" }),
  "500": sendJson(500, broke),
  "502, HTML": send(502, { "content-type": "text/html" }, html),
  "503": sendJson(503, broke),
  "503 with a Retry-After": sendJson(503, broke, { "retry-after": "1" }),
  "529": sendJson(529, { type: "error", error: { type: "overloaded_error", message: "Overloaded" } }),
  "reset before the headers": reset,
  "reset after the headers": (response, request) =>
    request.json["stream"] === true
      ? events([": here\n\n"], reset)(response, request)
      : half("x", reset)(response, request),
  "stall before the headers": silence,
  "stall after the headers": events([": wait\n\n"], silence),
  "error inside a 200": sendJson(200, broke),
  "error as the first event": events([event(broke)], end),
  "HTML with a 200": send(200, { "content-type": "text/html" }, html),
  "empty body": send(200, { "content-type": "application/json" }),
  "empty stream": events([], end),
  "stream that ends before its first part": events([event(chatChunk({ role: "assistant", content: "" }))], end),
  "wrong content type": send(200, { "content-type": "application/octet-stream" }, Buffer.from([0, 1, 2, 3]))
} satisfies { readonly [name: string]: Respond }

/** What a server does after the first words of this text, as a stream if it was asked for one. */
export const midStream = (text: string) => {
  const first = chatEvents(text.split(/(?<= )/)).slice(0, 2)
  const either =
    (then: (response: ServerResponse) => void, more: ReadonlyArray<string> = []): Respond =>
    (response, request) =>
      request.json["stream"] === true
        ? events([...first, ...more], then)(response, request)
        : half(text, then === end ? reset : then)(response, request)
  return {
    "stream without its end": either(end),
    "reset in the stream": either(reset),
    "stall between tokens": either(silence),
    "error in the stream": either(end, [event(broke)])
  } satisfies { readonly [name: string]: Respond }
}

/** A whole answer, one event at a time with a pause between them. */
export const trickle =
  (text: string, pauseMs: number): Respond =>
  async (response, request) => {
    if (request.json["stream"] !== true) return answer(text)(response, request)
    response.writeHead(200, eventStream)
    for (const block of chatEvents(text.split(/(?<= )/))) {
      response.write(block)
      await new Promise((resolve) => setTimeout(resolve, pauseMs))
    }
    response.end()
  }

export interface FailingUpstream {
  readonly upstream: TestUpstream
  /** What it says when it answers. */
  readonly text: string
  /** Fails every call in this way, or in one of these by lot; answers without any. */
  readonly fail: (faults?: Respond | ReadonlyArray<Respond>) => void
  readonly calls: () => number
}

/** A server that answers with its own text until it is told to fail. */
export const startFailing = async (text: string, random: () => number = () => 0): Promise<FailingUpstream> => {
  const healthy = answer(text)
  const upstream = await startUpstream(healthy)
  return {
    upstream,
    text,
    fail: (faults = []) => {
      const list = typeof faults === "function" ? [faults] : faults
      upstream.respond =
        list.length === 0
          ? healthy
          : (response, request) => list[Math.floor(random() * list.length)]!(response, request)
    },
    calls: () => upstream.requests.length
  }
}

/** Numbers of 0 to 1 that are the same for a seed. Source: mulberry32, Tommy Ettinger (public domain). */
export const seeded = (seed: number): (() => number) => {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}
