/**
 * Clients of the gateway under test: JSON over `fetch`, events of a stream one by one, and raw bytes on a socket.
 */
import { connect } from "node:net"

export interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  /** The body as JSON. */
  readonly json: any
}

export interface Ask {
  readonly headers?: { readonly [name: string]: string }
  readonly signal?: AbortSignal
}

/** Posts a body to `/v1/chat/completions`: an object as JSON, text and bytes as they are. */
export const ask = async (url: string, body: unknown, options: Ask = {}): Promise<Answer> =>
  read(await post(url, body, options))

export const post = (url: string, body: unknown, { headers = {}, signal }: Ask = {}): Promise<Response> =>
  fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
    ...(signal === undefined ? {} : { signal })
  })

export const get = async (url: string, headers: { readonly [name: string]: string } = {}): Promise<Answer> =>
  read(await fetch(url, { headers }))

const read = async (response: Response): Promise<Answer> => {
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    get json() {
      return JSON.parse(text) as unknown
    }
  }
}

export const user = (content: string, more: object = {}) => ({ messages: [{ role: "user", content }], ...more })

/** Data of the events of a stream, in order; `[DONE]` as it is. */
export const eventsOf = (text: string): ReadonlyArray<any> =>
  text
    .split("\n\n")
    .filter((block) => block.startsWith("data: "))
    .map((block) => (block === "data: [DONE]" ? "[DONE]" : (JSON.parse(block.slice(6)) as unknown)))

/** Text of a stream's events. */
export const textOf = (events: ReadonlyArray<any>): string =>
  events.map((event) => (event.choices?.[0]?.delta?.content as string | undefined) ?? "").join("")

/** Sends bytes and reads until the server closes the connection. */
export const raw = (port: number, bytes: string | Buffer): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes))
    let received = ""
    socket.setEncoding("latin1")
    socket.on("data", (chunk: string) => (received += chunk))
    socket.on("close", () => resolve(received))
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "ECONNRESET" && error.code !== "EPIPE") reject(error)
    })
  })
