/**
 * The sending side of a thread that owns a connection to a database.
 *
 * The thread is started when it is first needed, and again after it has died. It keeps the process alive while it has
 * something to do, and no longer. Every question is answered once, also when the thread dies.
 */
import { Worker } from "node:worker_threads"
import type { FromWorker, ToWorker } from "./WorkerLoop.ts"

export type Answered<Answer> = Extract<FromWorker<Answer>, { readonly _tag: "answer" | "unanswered" }>

/** What the thread reports of its own accord. `died` means that its copy of a batch is lost. */
export type Report =
  | Exclude<FromWorker<never>, { readonly _tag: "answer" | "unanswered" }>
  | { readonly _tag: "died"; readonly reason: string }

export class WorkerThread<Batch, Question, Answer> {
  private readonly file: string
  private readonly data: unknown
  private readonly onReport: (report: Report) => void
  private readonly asked = new Map<number, (answered: Answered<Answer>) => void>()
  private worker: Worker | undefined
  private lastId = 0
  private writing = false
  private closed = false

  /** `file` is the name of a file of this folder without its extension, `data` what it reads as `workerData`. */
  constructor(file: string, data: unknown, onReport: (report: Report) => void) {
    this.file = file
    this.data = data
    this.onReport = onReport
  }

  start(): void {
    if (this.worker !== undefined || this.closed) return
    // The sources run as TypeScript, the package as JavaScript.
    const file = `./${this.file}${import.meta.url.endsWith(".ts") ? ".ts" : ".js"}`
    const worker = new Worker(new URL(file, import.meta.url), { workerData: this.data, env: {}, execArgv: [] })
    this.worker = worker
    this.hold()
    worker.on("message", (message: FromWorker<Answer>) => this.receive(message))
    worker.on("error", (error) => this.died(worker, error instanceof Error ? error.message : String(error)))
    worker.on("exit", () => this.died(worker, "its thread has ended"))
  }

  /** Gives a copy of a batch to the thread, which reports `written`, perhaps after `failed`, unless it dies. */
  write(batch: Batch): void {
    this.start()
    this.writing = true
    this.hold()
    this.post({ _tag: "write", batch })
  }

  ask(question: Question, answered: (answered: Answered<Answer>) => void): void {
    this.start()
    const id = ++this.lastId
    if (this.worker === undefined) return answered({ _tag: "unanswered", id, reason: "it is closed" })
    this.asked.set(id, answered)
    this.hold()
    this.post({ _tag: "ask", id, question })
  }

  /** Lets the thread close its connection and waits for its end, for `timeoutMs` at most. */
  async close(timeoutMs: number): Promise<void> {
    this.closed = true
    const worker = this.worker
    if (worker === undefined) return
    worker.ref()
    const { promise: ended, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, timeoutMs)
    worker.once("exit", resolve)
    this.post({ _tag: "close" })
    await ended
    clearTimeout(timer)
    await worker.terminate()
  }

  private post(message: ToWorker<Batch, Question>): void {
    this.worker?.postMessage(message, [])
  }

  private receive(message: FromWorker<Answer>): void {
    if (message._tag === "answer" || message._tag === "unanswered") {
      const answered = this.asked.get(message.id)
      this.asked.delete(message.id)
      this.hold()
      answered?.(message)
      return
    }
    if (message._tag === "written") this.writing = false
    this.hold()
    this.onReport(message)
  }

  private died(worker: Worker, reason: string): void {
    if (this.worker !== worker) return
    this.worker = undefined
    this.writing = false
    const asked = [...this.asked]
    this.asked.clear()
    for (const [id, answered] of asked) answered({ _tag: "unanswered", id, reason })
    if (!this.closed) this.onReport({ _tag: "died", reason })
  }

  private hold(): void {
    if (this.writing || this.asked.size > 0) this.worker?.ref()
    else this.worker?.unref()
  }
}
