/**
 * A provider's server under the test's control: it records what it is asked and answers as the test says, down to bytes
 * and broken connections.
 */
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo, Socket } from "node:net"

export interface UpstreamRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON. */
  readonly json: { readonly [key: string]: any }
  /** Settles when the connection of this request is closed before its answer was complete. */
  readonly aborted: Promise<void>
}

export type Respond = (response: ServerResponse, request: UpstreamRequest) => void | Promise<void>

export interface TestUpstream {
  readonly url: string
  readonly requests: ReadonlyArray<UpstreamRequest>
  /** Connections since the start. */
  readonly connections: () => number
  /** Connections that are open now. */
  readonly open: () => number
  /** What is answered from now on. */
  respond: Respond
  /** Settles with the next request that comes. */
  readonly next: () => Promise<UpstreamRequest>
  readonly close: () => Promise<void>
}

export const startUpstream = async (respond: Respond = answer("Hello.")): Promise<TestUpstream> => {
  const requests: Array<UpstreamRequest> = []
  const sockets = new Set<Socket>()
  const waiting: Array<(request: UpstreamRequest) => void> = []
  let connections = 0
  const server = createServer((message, response) => {
    void read(message, response).then((request) => {
      requests.push(request)
      for (const resume of waiting.splice(0)) resume(request)
      return upstream.respond(response, request)
    })
  })
  server.on("connection", (socket) => {
    connections++
    sockets.add(socket)
    socket.on("error", () => undefined)
    socket.once("close", () => sockets.delete(socket))
  })
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
  const upstream: TestUpstream = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    connections: () => connections,
    open: () => sockets.size,
    respond,
    next: () => new Promise((resolve) => waiting.push(resolve)),
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    }
  }
  return upstream
}

const read = async (message: IncomingMessage, response: ServerResponse): Promise<UpstreamRequest> => {
  const aborted = new Promise<void>((resolve) => {
    response.once("close", () => {
      if (!response.writableFinished) resolve()
    })
  })
  const chunks: Array<Buffer> = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  const text = Buffer.concat(chunks).toString("utf8")
  return {
    path: message.url ?? "",
    headers: message.headers,
    text,
    get json() {
      return JSON.parse(text) as { readonly [key: string]: unknown }
    },
    aborted
  }
}

/** Answers with a body of any kind. */
export const send =
  (status: number, headers: { readonly [name: string]: string }, body: string | Buffer = ""): Respond =>
  (response) => {
    response.writeHead(status, headers)
    response.end(body)
  }

export const sendJson = (status: number, body: unknown, headers: { readonly [name: string]: string } = {}): Respond =>
  send(status, { "content-type": "application/json", ...headers }, JSON.stringify(body))

export const chatUsage = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 }

/** A whole answer in OpenAI's shape. */
export const chatCompletion = (content: string, more: object = {}) => ({
  id: "chatcmpl-upstream",
  object: "chat.completion",
  created: 1_760_000_000,
  model: "gpt-test-2026",
  choices: [{ index: 0, message: { role: "assistant", content }, logprobs: null, finish_reason: "stop" }],
  usage: chatUsage,
  ...more
})

/** One chunk of a streamed answer in OpenAI's shape. */
export const chatChunk = (delta: object, finishReason: string | null = null, more: object = {}) => ({
  id: "chatcmpl-upstream",
  object: "chat.completion.chunk",
  created: 1_760_000_000,
  model: "gpt-test-2026",
  choices: [{ index: 0, delta, finish_reason: finishReason }],
  ...more
})

export const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

export const done = "data: [DONE]\n\n"

export const eventStream = { "content-type": "text/event-stream; charset=utf-8" }

/** A whole stream: each word a chunk, then usage if it is asked for, then the end. */
export const chatEvents = (words: ReadonlyArray<string>, usage = true): ReadonlyArray<string> => [
  event(chatChunk({ role: "assistant", content: "" })),
  ...words.map((content) => event(chatChunk({ content }))),
  event(chatChunk({}, "stop")),
  ...(usage ? [event({ ...chatChunk({}), choices: [], usage: chatUsage })] : []),
  done
]

/** Answers with this text, whole or as a stream, as it is asked. */
export const answer =
  (text: string): Respond =>
  (response, request) => {
    if (request.json["stream"] !== true) return sendJson(200, chatCompletion(text))(response, request)
    response.writeHead(200, eventStream)
    response.end(chatEvents(text.split(/(?<= )/)).join(""))
  }
