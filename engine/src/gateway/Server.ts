/**
 * The listening socket of a gateway, for as long as its scope lives.
 *
 * Closing the scope drains: the port stays open so that new calls hear 503 instead of nothing, running calls finish within
 * `drainMs`, then every connection is closed.
 */
import { Effect, type Scope, Schema } from "effect"
import { createServer, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import type { Duplex } from "node:stream"
import type { Gateway } from "./Gateway.ts"

/** The server can't listen; `port` and `host` say where. */
export class ListenError extends Schema.TaggedError<ListenError>()("ListenError", {
  host: Schema.String,
  port: Schema.Number,
  code: Schema.String
}) {
  override get message() {
    const where = `${this.host}:${this.port}`
    if (this.code === "EADDRINUSE") return `port ${this.port} is in use on ${this.host}; choose another with --port`
    if (this.code === "EACCES") return `not allowed to listen on ${where}; choose a port of 1024 or more with --port`
    if (this.code === "EADDRNOTAVAIL" || this.code === "ENOTFOUND") {
      return `${this.host} is no address of this machine; choose another with --host`
    }
    return `can't listen on ${where}: ${this.code}`
  }
}

export interface ListenOptions {
  readonly host: string
  /** 0 takes any free port. */
  readonly port: number
  /** Milliseconds that running calls have when the scope closes. */
  readonly drainMs: number
}

/** Listens until the scope closes; gives the address that it got. */
export const listen = (
  gateway: Gateway,
  options: ListenOptions
): Effect.Effect<{ readonly host: string; readonly port: number }, ListenError, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(open(gateway, options), (server) =>
      Effect.andThen(gateway.drain(options.drainMs), close(server))
    ),
    (server) => ({ host: options.host, port: (server.address() as AddressInfo).port })
  )

const open = (gateway: Gateway, { host, port }: ListenOptions): Effect.Effect<Server, ListenError> =>
  Effect.callback((resume) => {
    const server = createServer({ keepAlive: true, keepAliveTimeout: 65_000, noDelay: true }, gateway.handle)
    server.on("clientError", refuse)
    server.once("error", (error: NodeJS.ErrnoException) =>
      resume(Effect.fail(new ListenError({ host, port, code: error.code ?? "UNKNOWN" })))
    )
    server.listen({ host, port }, () => resume(Effect.succeed(server)))
  })

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

/** What can't be read as HTTP gets an error that OpenAI's clients can read, unless an answer is under way. */
const refuse = (
  error: NodeJS.ErrnoException,
  socket: Duplex & { readonly _httpMessage?: ServerResponse | null }
): void => {
  if (!socket.writable || socket._httpMessage?.headersSent === true) return void socket.destroy()
  const [status, message] = refusals[error.code ?? ""] ?? ["400 Bad Request", "the request is not valid HTTP"]
  const body = JSON.stringify({ error: { message, type: "invalid_request_error", param: null, code: null } })
  const head = [
    `HTTP/1.1 ${status}`,
    "connection: close",
    "content-type: application/json",
    `content-length: ${Buffer.byteLength(body)}`,
    "x-millrace-fault: caller"
  ]
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`, () => socket.destroy())
}

const refusals: { readonly [code: string]: readonly [status: string, message: string] } = {
  HPE_HEADER_OVERFLOW: ["431 Request Header Fields Too Large", "the headers are larger than the limit of 16 kB"],
  HPE_CHUNK_EXTENSIONS_OVERFLOW: ["413 Payload Too Large", "the chunk extensions are too large"],
  ERR_HTTP_REQUEST_TIMEOUT: ["408 Request Timeout", "the request did not arrive in time"]
}
