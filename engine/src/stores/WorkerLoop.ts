/**
 * The receiving side of a thread that owns a connection to a database.
 *
 * It takes batches to write and questions to answer, one after the other. A batch that can't be written is kept and tried
 * again until it can; meanwhile the connection is opened anew, and every answer says what is wrong. It imports nothing
 * that takes time to load.
 */
import { parentPort } from "node:worker_threads"
import { SettleDelay } from "./SettleDelay.ts"
import type { Refused } from "./UsageRefusal.ts"

/** The next batch is sent when the one before has been written. */
export type ToWorker<Batch, Question> =
  | { readonly _tag: "write"; readonly batch: Batch }
  | { readonly _tag: "ask"; readonly id: number; readonly question: Question }
  | { readonly _tag: "close" }

export type FromWorker<Answer> =
  | { readonly _tag: "opened" }
  /** `refused` are those of the batch that were given up, since the database takes them never. */
  | { readonly _tag: "written"; readonly refused?: Refused | undefined }
  /** Work that follows writes fails, and why; null when it goes well again. Told on a change. */
  | { readonly _tag: "settling"; readonly reason: string | null }
  | { readonly _tag: "failed"; readonly reason: string }
  | { readonly _tag: "answer"; readonly id: number; readonly answer: Answer }
  | { readonly _tag: "unanswered"; readonly id: number; readonly reason: string }

/** What is done with a connection; everything here is synchronous and throws what the database throws. */
export interface Served<Connection, Batch, Question, Answer> {
  /** A file, or `:memory:`; named in reasons. */
  readonly path: string
  /** Milliseconds until a failed write or opening is tried again. */
  readonly retryMs: number
  /** Opens the connection at once, to say early whether it can be. */
  readonly openAtStart: boolean
  readonly open: () => Connection
  /** Returns what was given up. `failures` is how often this batch has failed so far. */
  readonly write: (connection: Connection, batch: Batch, failures: number) => Refused | undefined | void
  readonly answer: (connection: Connection, question: Question) => Answer
  /** Work that follows a write when there is time; true when more is left. It fails no write and is tried again. */
  readonly settle?: (connection: Connection) => boolean
}

/** Milliseconds between a write and the work that follows it. */
const settleMs = 2000

export const serve = <Connection extends { close(): void }, Batch, Question, Answer>(
  served: Served<Connection, Batch, Question, Answer>
): void => {
  const port = parentPort!
  let connection: Connection | undefined
  let unwritten: { readonly batch: Batch; failures: number } | undefined
  let retry: NodeJS.Timeout | undefined

  let settling: NodeJS.Timeout | undefined
  const delay = new SettleDelay(served.retryMs)

  /** Other messages come before each piece of the work. */
  const settleIn = (delayMs: number) => {
    if (served.settle === undefined || settling !== undefined) return
    settling = setTimeout(() => {
      settling = undefined
      try {
        const more = served.settle!(opened())
        if (delay.succeeded()) reply({ _tag: "settling", reason: null })
        if (more) settleIn(1)
      } catch (error) {
        if (delay.failed()) reply({ _tag: "settling", reason: reasonOf(error) })
        settleIn(delay.ms)
      }
    }, delayMs)
  }

  const reply = (message: FromWorker<Answer>) => port.postMessage(message)
  const reasonOf = (error: unknown) => `${served.path}: ${error instanceof Error ? error.message : String(error)}`
  const opened = (): Connection => (connection ??= served.open())

  /** Lets go of the connection, so that the next use opens it anew. What is in memory would be gone with it. */
  const reset = () => {
    if (served.path === ":memory:") return
    try {
      connection?.close()
    } finally {
      connection = undefined
    }
  }

  /** Opens the database and writes what is waiting, or says why not and tries again later. */
  const advance = () => {
    clearTimeout(retry)
    try {
      const ready = opened()
      settleIn(settleMs)
      if (unwritten === undefined) return reply({ _tag: "opened" })
      const refused = served.write(ready, unwritten.batch, unwritten.failures)
      unwritten = undefined
      reply({ _tag: "written", refused: refused ?? undefined })
    } catch (error) {
      if (unwritten !== undefined) unwritten.failures++
      reset()
      reply({ _tag: "failed", reason: reasonOf(error) })
      retry = setTimeout(advance, served.retryMs)
    }
  }

  port.on("message", (message: ToWorker<Batch, Question>) => {
    switch (message._tag) {
      case "write":
        unwritten = { batch: message.batch, failures: 0 }
        return advance()
      case "ask":
        try {
          return reply({ _tag: "answer", id: message.id, answer: served.answer(opened(), message.question) })
        } catch (error) {
          reset()
          return reply({ _tag: "unanswered", id: message.id, reason: reasonOf(error) })
        }
      case "close":
        clearTimeout(retry)
        clearTimeout(settling)
        connection?.close()
        return port.close()
    }
  })

  if (served.openAtStart) advance()
}
