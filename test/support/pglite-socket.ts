/**
 * Connections to a PGlite, which is Postgres in WebAssembly with one backend, by the protocol of Postgres over a socket.
 *
 * A connection that sends something has the backend for itself until the backend says that it is idle: the messages of one
 * statement, which Postgres keeps under one name, and those of a transaction are never mixed with another connection's. The
 * others wait in order. A connection that goes away in the middle is rolled back. Requests for TLS are declined, those to
 * cancel are ignored, since one backend can't be told while it works; who may connect is decided by where the socket is.
 */
import { chmodSync } from "node:fs"
import { createServer, type Server, type Socket } from "node:net"

/** What is needed of a PGlite. */
export interface PgliteBackend {
  /** Answers one message with all that the backend says to it, errors included. */
  readonly execProtocolRaw: (message: Uint8Array) => Promise<Uint8Array>
}

/** A port of loopback, 0 for a free one, or the path of a Unix socket, which only its owner may use. */
export type PgliteAddress = { readonly port: number } | { readonly path: string }

export interface PgliteListening {
  /** The port; 0 for a Unix socket. */
  readonly port: number
  /** Work on the backend beside the connections, which has it for itself too. */
  readonly alone: <A>(work: () => Promise<A>) => Promise<A>
  /** Ends every connection and waits until the backend is at rest. */
  readonly close: () => Promise<void>
}

export const listen = (backend: PgliteBackend, address: PgliteAddress): Promise<PgliteListening> => {
  const turns = new Turns()
  const sessions = new Set<Session>()
  const server = createServer((socket) => {
    const session = new Session(socket, backend, turns)
    sessions.add(session)
    socket.once("close", () => sessions.delete(session))
  })
  const close = async () => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()))
    const ending = [...sessions].map((session) => session.end())
    await closed
    await Promise.all(ending)
  }
  return new Promise((resolve, reject) => {
    server.once("error", reject)
    const where = "path" in address ? { path: address.path } : { host: "127.0.0.1", port: address.port }
    server.listen(where, () => {
      if ("path" in address) chmodSync(address.path, 0o600)
      resolve({ port: portOf(server), alone: (work) => turns.alone(work), close })
    })
  })
}

const portOf = (server: Server): number => {
  const address = server.address()
  return typeof address === "object" && address !== null ? address.port : 0
}

/** Who has the backend, and who waits for it, in order. */
class Turns {
  private taken = false
  private readonly waiting: Array<() => void> = []

  take(): Promise<void> {
    if (!this.taken) {
      this.taken = true
      return Promise.resolve()
    }
    return new Promise((resolve) => this.waiting.push(resolve))
  }

  async alone<A>(work: () => Promise<A>): Promise<A> {
    await this.take()
    try {
      return await work()
    } finally {
      this.give()
    }
  }

  give(): void {
    const next = this.waiting.shift()
    if (next === undefined) this.taken = false
    else next()
  }
}

const protocolVersion = 196_608
const sslRequest = 80_877_103
const cancelRequest = 80_877_102
const terminate = 0x58
const readyForQuery = 0x5a
const idle = 0x49
/** A simple query that ends what a connection has left behind: first the statement, then the transaction. */
const sync = Buffer.from([0x53, 0, 0, 0, 4])
const rollback = Buffer.concat([Buffer.from([0x51, 0, 0, 0, 13]), Buffer.from("ROLLBACK\0")])
/** Bytes of a message at most, as in Postgres. */
const messageMax = 2 ** 30

class Session {
  private readonly socket: Socket
  private readonly backend: PgliteBackend
  private readonly turns: Turns
  private read: Buffer = Buffer.alloc(0)
  private started = false
  private holds = false
  private work: Promise<void> = Promise.resolve()
  private gone = false

  constructor(socket: Socket, backend: PgliteBackend, turns: Turns) {
    this.socket = socket
    this.backend = backend
    this.turns = turns
    socket.setNoDelay(true)
    socket.on("data", (data) => {
      this.read = this.read.length === 0 ? data : Buffer.concat([this.read, data])
      this.enqueue(() => this.advance())
    })
    socket.on("error", () => {})
    socket.once("close", () => void this.end())
  }

  /** Resolves when the backend is free of it. */
  end(): Promise<void> {
    if (!this.gone) {
      this.gone = true
      this.enqueue(() => this.leave())
    }
    this.socket.destroy()
    return this.work
  }

  private enqueue(next: () => Promise<void>): void {
    this.work = this.work.then(next).catch(() => void this.socket.destroy())
  }

  private async advance(): Promise<void> {
    for (let message = this.next(); message !== undefined && !this.gone; message = this.next()) {
      if (!this.holds) {
        await this.turns.take()
        this.holds = true
      }
      const answer = await this.backend.execProtocolRaw(message)
      if (this.socket.writable) this.socket.write(answer)
      if (statusOf(answer) === idle) this.release()
    }
  }

  /** The next whole message for the backend; what is none of its business is dealt with here. */
  private next(): Uint8Array | undefined {
    while (this.read.length >= 8 || (this.started && this.read.length >= 5)) {
      const length = this.started ? 1 + this.read.readUInt32BE(1) : this.read.readUInt32BE(0)
      if (length > messageMax) throw new Error("the message is too long")
      if (this.read.length < length) return undefined
      const message = this.read.subarray(0, length)
      this.read = this.read.subarray(length)
      if (this.started) {
        if (message[0] !== terminate) return new Uint8Array(message)
        this.socket.end()
        return undefined
      }
      const code = message.readUInt32BE(4)
      if (code === sslRequest) this.socket.write("N")
      else if (code === protocolVersion) {
        this.started = true
        return new Uint8Array(message)
      } else if (code === cancelRequest) this.socket.end()
      else throw new Error("not the protocol of Postgres")
    }
    return undefined
  }

  private async leave(): Promise<void> {
    if (!this.holds) return
    try {
      await this.backend.execProtocolRaw(sync)
      await this.backend.execProtocolRaw(rollback)
    } finally {
      this.release()
    }
  }

  private release(): void {
    this.holds = false
    this.turns.give()
  }
}

/** What the backend says of itself at the end of an answer: idle, in a transaction, or in one that has failed. */
const statusOf = (answer: Uint8Array): number | undefined => {
  const at = answer.length - 6
  return at >= 0 && answer[at] === readyForQuery && answer[at + 4] === 5 ? answer[at + 5] : undefined
}
