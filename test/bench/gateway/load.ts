/**
 * Load on loopback: HTTP/1.1 over bare sockets, since a full client would cost more than some of the servers.
 *
 * Every connection sends one request at a time and reads its answer to the end. An answer that is not 200 or a
 * connection that breaks fails the run: figures of errors are no figures.
 */
import { connect, type Socket } from "node:net"

const endOfHead = Buffer.from("\r\n\r\n")
const endOfChunks = Buffer.from("\r\n0\r\n\r\n")
const event = Buffer.from("data: ")

/** One kept-alive connection. */
export class Connection {
  private readonly socket: Socket
  private received: Buffer = Buffer.alloc(0)
  private length: number | "chunked" | undefined = undefined
  private sentAt = 0
  private firstAt = 0
  private finish: ((timing: Timing) => void) | undefined = undefined
  private fail: ((error: Error) => void) | undefined = undefined

  private constructor(socket: Socket) {
    this.socket = socket
    socket.setNoDelay(true)
    socket.on("data", (chunk: Buffer) => this.read(chunk))
    socket.on("error", (error) => this.fail?.(error))
    socket.on("close", () => this.fail?.(new Error("the server closed the connection before its answer was complete")))
  }

  static open(port: number): Promise<Connection> {
    return new Promise((resolve, reject) => {
      const socket = connect({ host: "127.0.0.1", port })
      socket.once("error", reject)
      socket.once("connect", () => {
        socket.off("error", reject)
        resolve(new Connection(socket))
      })
    })
  }

  send(request: Buffer): Promise<Timing> {
    return new Promise((resolve, reject) => {
      this.finish = resolve
      this.fail = reject
      this.received = Buffer.alloc(0)
      this.length = undefined
      this.firstAt = 0
      this.sentAt = performance.now()
      this.socket.write(request)
    })
  }

  close(): void {
    this.fail = undefined
    this.socket.destroy()
  }

  private read(chunk: Buffer): void {
    if (this.finish === undefined) return
    this.received = this.received.length === 0 ? chunk : Buffer.concat([this.received, chunk])
    if (this.length === undefined && !this.readHead()) return
    if (this.firstAt === 0 && this.received.includes(event)) this.firstAt = performance.now()
    if (this.length === "chunked") {
      const tail = this.received.subarray(-endOfChunks.length)
      if (tail.equals(endOfChunks)) return this.complete()
      // Only the tail matters from here on; keeping the rest would make a long stream quadratic.
      if (this.firstAt !== 0) this.received = Buffer.from(tail)
    } else if (this.received.length >= this.length!) this.complete()
  }

  /** Reads status and length; `received` is the body from then on. */
  private readHead(): boolean {
    const end = this.received.indexOf(endOfHead)
    if (end < 0) return false
    const head = this.received.toString("latin1", 0, end)
    if (!head.startsWith("200", 9)) {
      this.fail!(new Error(this.received.toString().slice(0, 1000)))
      this.finish = undefined
      return false
    }
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)
    this.length = length === null ? "chunked" : Number(length[1])
    // The line break before the last chunk's size may be the one that ends the head.
    this.received = this.received.subarray(this.length === "chunked" ? end + 2 : end + 4)
    return true
  }

  private complete(): void {
    const finish = this.finish!
    this.finish = undefined
    finish({ startedAt: this.sentAt, firstMs: this.firstAt - this.sentAt, totalMs: performance.now() - this.sentAt })
  }
}

export interface Timing {
  /** On the clock of `performance.now()`. */
  readonly startedAt: number
  /** Until the first event of a stream; meaningless for JSON. */
  readonly firstMs: number
  readonly totalMs: number
}

/** Sends requests over `clients` connections until the time is up; each waits for its answer before the next. */
export const closedLoop = async (options: {
  readonly port: number
  readonly clients: number
  readonly forMs: number
  readonly request: () => Buffer
}): Promise<ReadonlyArray<Timing>> => {
  const connections = await Promise.all(Array.from({ length: options.clients }, () => Connection.open(options.port)))
  const timings: Array<Timing> = []
  const until = performance.now() + options.forMs
  const work = async (connection: Connection) => {
    while (performance.now() < until) timings.push(await connection.send(options.request()))
  }
  try {
    await Promise.all(connections.map(work))
  } finally {
    for (const connection of connections) connection.close()
  }
  return timings
}

/** Keeps `streams` streams open, their starts spread evenly over the life of one; each is followed by the next. */
export const streams = async (options: {
  readonly port: number
  readonly streams: number
  readonly lifeMs: number
  readonly forMs: number
  readonly request: () => Buffer
}): Promise<ReadonlyArray<Timing>> => {
  const timings: Array<Timing> = []
  const until = performance.now() + options.forMs
  const connections: Array<Connection> = []
  const work = async (index: number) => {
    await new Promise((resolve) => setTimeout(resolve, (index / options.streams) * options.lifeMs))
    const connection = await Connection.open(options.port)
    connections.push(connection)
    while (performance.now() < until) timings.push(await connection.send(options.request()))
  }
  try {
    await Promise.all(Array.from({ length: options.streams }, (_, index) => work(index)))
  } finally {
    for (const connection of connections) connection.close()
  }
  return timings
}
