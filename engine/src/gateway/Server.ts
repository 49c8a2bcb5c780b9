/**
 * The listening socket of a gateway, for as long as its scope lives.
 *
 * Closing the scope drains: the port stays open so that new calls hear 503 instead of nothing, running calls finish within
 * `drainMs`, then every connection is closed.
 */
import { Effect, type Scope, Schema } from "effect"
import { createServer, type Server } from "node:http"
import type { AddressInfo, Socket } from "node:net"
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
    const server = createServer({ keepAliveTimeout: 65_000, noDelay: true }, gateway.handle)
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

/** What is not HTTP gets the shortest answer that is. */
const refuse = (error: NodeJS.ErrnoException, socket: import("node:stream").Duplex): void => {
  if (!socket.writable || (socket as Socket).destroyed) return
  const status = error.code === "HPE_HEADER_OVERFLOW" ? "431 Request Header Fields Too Large" : "400 Bad Request"
  socket.end(`HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`)
}
