/**
 * Counts tokens in a thread of its own: neither an encoding's import nor a long prompt holds the event loop.
 *
 * The thread is started by the first count, ends when it has been idle, and keeps the process alive only while it counts.
 * Texts are handed over in pieces, one in a turn of the event loop. What waits is bounded; a count that finds no room, or
 * whose thread dies, fails as a defect, and `Tokenizer` estimates instead. After a death there is a pause before the next
 * start.
 */
import { Cause, Effect, Exit, type Scope } from "effect"
import { Worker } from "node:worker_threads"
import type { Encoding } from "../ModelCatalog.ts"
import type { CountTexts, TokenCount } from "../TokenCount.ts"
import type { FromTokenThread, TokenThreadData, ToTokenThread } from "./TokenThreadWorker.ts"

export interface TokenThreadOptions {
  /** Milliseconds without a count after which the thread ends. */
  readonly idleMs?: number
  /** Milliseconds after a death in which no thread is started. */
  readonly pauseMs?: number
  /** Counts that may be under way at once. */
  readonly countsMax?: number
  /** UTF-16 units that may be under way at once. */
  readonly unitsMax?: number
  /** Milliseconds of its own that a count may take; then it extrapolates. 10 MB of words take about one second. */
  readonly countMsMax?: number
  /** What runs in the thread. */
  readonly file?: URL
}

// The sources run as TypeScript, the package as JavaScript.
const workerFile = new URL(`./TokenThreadWorker${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`, import.meta.url)

/** UTF-16 units that are handed over in one turn: a copy of 64 to 128 kB. */
const pieceUnits = 65_536

const defaults: Required<TokenThreadOptions> = {
  idleMs: 60_000,
  pauseMs: 30_000,
  countsMax: 64,
  unitsMax: 64_000_000,
  countMsMax: 3000,
  file: workerFile
}

type Answer = (counted: Exit.Exit<TokenCount>) => void

interface Count {
  readonly units: number
  readonly answer: Answer
}

class Thread {
  private readonly options: Required<TokenThreadOptions>
  private readonly counts = new Map<number, Count>()
  private worker: Worker | undefined
  private idle: NodeJS.Timeout | undefined
  private units = 0
  private lastId = 0
  private pausedUntilMs = 0
  private closed = false

  constructor(options: TokenThreadOptions) {
    this.options = { ...defaults, ...options }
  }

  /** Begins a count; the result drops it. */
  count(texts: ReadonlyArray<string>, encoding: Encoding, ceiling: number, answer: Answer): () => void {
    const units = texts.reduce((sum, text) => sum + text.length, 0)
    const { countsMax, unitsMax } = this.options
    if (this.counts.size >= countsMax || this.units + units > unitsMax) {
      answer(failed("too many prompts are being counted"))
      return () => {}
    }
    if (!this.start()) {
      answer(failed("its thread has died"))
      return () => {}
    }
    const id = ++this.lastId
    this.units += units
    this.counts.set(id, { units, answer })
    this.worker?.ref()
    this.hand(id, texts, 0, 0, { _tag: "end", id, encoding, ceiling })
    return () => {
      if (this.take(id) !== undefined) this.post({ _tag: "drop", id })
    }
  }

  async close(): Promise<void> {
    this.closed = true
    await this.end("it is closed")
  }

  private start(): boolean {
    clearTimeout(this.idle)
    if (this.worker !== undefined) return true
    if (this.closed || performance.now() < this.pausedUntilMs) return false
    const { countMsMax, file } = this.options
    const workerData: TokenThreadData = { countMsMax }
    const worker = new Worker(file, { workerData, env: {}, execArgv: [] })
    this.worker = worker
    worker.on("message", (message: FromTokenThread) => {
      this.take(message.id)?.answer(
        message._tag === "counted"
          ? Exit.succeed({ tokens: message.tokens, exact: message.exact })
          : failed(message.reason)
      )
    })
    worker.on("error", (error) => this.died(worker, error instanceof Error ? error.message : String(error)))
    worker.on("exit", () => this.died(worker, "its thread has ended"))
    return true
  }

  /** Hands pieces over until a piece is full, then gives the event loop a turn. */
  private hand(id: number, texts: ReadonlyArray<string>, index: number, offset: number, end: ToTokenThread): void {
    let left = pieceUnits
    let at = index
    let from = offset
    if (!this.counts.has(id)) return
    while (at < texts.length && left > 0) {
      const text = texts[at]!
      const piece = from === 0 && text.length <= left ? text : text.slice(from, from + left)
      this.post({ _tag: "piece", id, index: at, piece })
      left -= piece.length + textUnits
      from += piece.length
      if (from >= text.length) {
        at++
        from = 0
      }
    }
    if (at >= texts.length) this.post(end)
    else setImmediate(() => this.hand(id, texts, at, from, end))
  }

  private post(message: ToTokenThread): void {
    this.worker?.postMessage(message, [])
  }

  private take(id: number): Count | undefined {
    const count = this.counts.get(id)
    if (count === undefined) return undefined
    this.counts.delete(id)
    this.units -= count.units
    if (this.counts.size === 0) {
      this.worker?.unref()
      this.idle = setTimeout(() => void this.end("it was idle"), this.options.idleMs)
      this.idle.unref()
    }
    return count
  }

  private died(worker: Worker, reason: string): void {
    if (this.worker !== worker) return
    this.pausedUntilMs = performance.now() + this.options.pauseMs
    void this.end(reason)
  }

  private async end(reason: string): Promise<void> {
    const { worker } = this
    this.worker = undefined
    for (const id of this.counts.keys()) this.take(id)?.answer(failed(reason))
    clearTimeout(this.idle)
    await worker?.terminate()
  }
}

/** What a message costs, in units: very many short texts take turns too. */
const textUnits = 256

const failed = (reason: string): Exit.Exit<never> => Exit.failCause(Cause.die(new Error(`can't count: ${reason}`)))

/** Counts in a thread that ends with the scope. */
export const make = (options: TokenThreadOptions = {}): Effect.Effect<CountTexts, never, Scope.Scope> =>
  Effect.map(
    Effect.acquireRelease(
      Effect.sync(() => new Thread(options)),
      (thread) => Effect.promise(() => thread.close())
    ),
    (thread): CountTexts =>
      (texts, encoding, ceiling) =>
        Effect.callback<TokenCount>((resume) => {
          const drop = thread.count(texts, encoding, ceiling ?? Number.POSITIVE_INFINITY, resume)
          return Effect.sync(drop)
        })
  )
