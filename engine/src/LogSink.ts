/**
 * Where lines of a server's log go: standard output, in batches and beside the requests.
 *
 * Lines wait in memory until the one write under way is done; a reader that does not read holds up nobody (law 11). What
 * is over the bound is dropped, counted, and told in a line of its own when there is room again. At the end of the process
 * what still waits is written at once.
 */
import { write, writeSync } from "node:fs"

export interface LogSinkOptions {
  readonly fd: number
  /** Characters that may wait. */
  readonly waitingMax?: number | undefined
  /** The line that tells how many were dropped. */
  readonly dropped: (count: number) => string
}

export class LogSink {
  private readonly fd: number
  private readonly waitingMax: number
  private readonly tell: (count: number) => string
  private waiting: Array<string> = []
  private size = 0
  private lost = 0
  private writing = false
  private scheduled = false
  private broken = false
  private waiters: Array<() => void> = []

  constructor(options: LogSinkOptions) {
    this.fd = options.fd
    this.waitingMax = options.waitingMax ?? 8 << 20
    this.tell = options.dropped
  }

  /** Takes a line without its line break; never waits. */
  readonly line = (text: string): void => {
    if (this.size + text.length > this.waitingMax) {
      this.lost++
      return
    }
    this.waiting.push(text)
    this.size += text.length + 1
    if (this.writing || this.scheduled) return
    this.scheduled = true
    // What one turn of the event loop logs is written in one go.
    setImmediate(this.next)
  }

  /** Settles when everything so far is written, or can't be. */
  flush(): Promise<void> {
    if (this.waiting.length === 0 && !this.writing) return Promise.resolve()
    return new Promise((resolve) => this.waiters.push(resolve))
  }

  /** Writes what waits at once, for the end of a process; not while a write does not come back. */
  end(): void {
    if (this.writing || this.broken) return
    const text = this.take()
    if (text === "") return
    try {
      writeSync(this.fd, text)
    } catch {
      this.broken = true
    }
  }

  private readonly next = (): void => {
    this.scheduled = false
    const text = this.take()
    if (text === "" || this.broken) return this.done()
    this.writing = true
    this.send(Buffer.from(text), 0)
  }

  private send(bytes: Buffer, from: number): void {
    write(this.fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error !== null && error.code === "EAGAIN") return void setTimeout(() => this.send(bytes, from), retryMs)
      // Nobody will read any more.
      if (error !== null) this.broken = true
      else if (from + written < bytes.length) return this.send(bytes, from + written)
      this.writing = false
      this.next()
    })
  }

  private take(): string {
    if (this.lost > 0) this.waiting.push(this.tell(this.lost))
    if (this.waiting.length === 0) return ""
    const text = `${this.waiting.join("\n")}\n`
    this.waiting = []
    this.size = 0
    this.lost = 0
    return text
  }

  private done(): void {
    const { waiters } = this
    this.waiters = []
    for (const resolve of waiters) resolve()
  }
}

/** How long a full pipe is left alone; milliseconds. */
const retryMs = 20
