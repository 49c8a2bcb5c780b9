/**
 * The thread that owns the connections to a usage database in Postgres.
 *
 * It speaks with the sending side as the thread of a SQLite file does. A write that gets no answer in time is reported and
 * still waited for; when that takes too long, the connections are given up, new ones are made and the batch is sent again,
 * which the database knows by its number. Questions and sums run beside writes, on connections of their own.
 */
import { parentPort, workerData } from "node:worker_threads"
import { Cause, Effect, Exit, Redacted, Scope } from "effect"
import { Reactivity } from "effect/reactivity"
import type { SqlClient } from "effect/sql/SqlClient"
import { PgClient } from "@effect/sql-pg"
import { detailOf } from "./Database.ts"
import type { UsageRecord } from "../UsageRecord.ts"
import { SettleDelay } from "./SettleDelay.ts"
import { unpack } from "./UsageBatch.ts"
import { isRefusedByPostgres, migrateAll, run } from "./UsagePostgresClient.ts"
import { type Answer, isRead, programOf, type Question } from "./UsageQuestions.ts"
import { type Refused, refusalsMax, sift } from "./UsageRefusal.ts"
import { rollUpIfFree } from "./UsageRollup.ts"
import { type SqlProgram, Undone, undone } from "./UsageSql.ts"
import type { NumberedBatch } from "./UsageWriter.ts"
import { write } from "./UsageWrites.ts"
import type { FromWorker, ToWorker } from "./WorkerLoop.ts"

export interface PostgresWorkerOptions {
  readonly url: string
  /** Milliseconds until a failed write or connection is tried again. */
  readonly retryMs: number
  /** Milliseconds without an answer after which a write is reported as waiting. */
  readonly stallMs: number
  /** Milliseconds without an answer after which connections are given up. */
  readonly giveUpMs: number
}

const options = workerData as PostgresWorkerOptions
const location = { kind: "postgres", url: Redacted.make(options.url) } as const
const port = parentPort!

/** Milliseconds between a write and the sums that follow it. */
const settleMs = 2000
const rollUpStep = 5000
const connectMs = 5000
const questionTimeoutMs = 15_000

const reply = (message: FromWorker<Answer>) => port.postMessage(message)

/** The connections, from the first use to a failure. */
class Connections {
  private readonly scope = Scope.makeUnsafe()
  readonly client: Promise<SqlClient>

  constructor() {
    const made = Effect.gen(function* () {
      const sql = yield* PgClient.make({
        url: location.url,
        applicationName: "millrace usage",
        connectTimeout: connectMs,
        maxConnections: 4,
        // A process that was stopped in the middle of a transaction lets go of its locks.
        startupParameters: { idle_in_transaction_session_timeout: "10000" }
      })
      yield* run(sql, migrateAll(), false)
      return sql
    })
    this.client = runPromise(made.pipe(Effect.provide(Reactivity.layer), Scope.provide(this.scope)))
    this.client.catch(() => {})
  }

  close(): Promise<unknown> {
    return Effect.runPromise(Scope.close(this.scope, Exit.void)).catch(() => {})
  }
}

const runPromise = <A, E>(effect: Effect.Effect<A, E>): Promise<A> =>
  Effect.runPromiseExit(effect).then((exit) => {
    if (Exit.isSuccess(exit)) return exit.value
    // Connections that are given up take the work on them with them.
    throw Cause.hasInterruptsOnly(exit.cause) ? new Error("the connection was given up") : Cause.squash(exit.cause)
  })

let connections: Connections | undefined
let unwritten: NumberedBatch | undefined
/** How often the batch was refused in a row. */
let refusals = 0
let working = false
let closing = false
let retry: NodeJS.Timeout | undefined
let settling: NodeJS.Timeout | undefined

const reasonOf = (error: unknown) => detailOf(error, location)

const giveUp = () => {
  const old = connections
  connections = undefined
  void old?.close()
}

const perform = async <A>(
  program: SqlProgram<A>,
  reads: boolean,
  timeoutMs: number,
  onAnswer?: () => void
): Promise<A> => {
  const sql = await within((connections ??= new Connections()).client, 2 * connectMs)
  onAnswer?.()
  return within(runPromise(run(sql, program, reads, onAnswer)), timeoutMs)
}

/** The outcome of work that goes on also when it is late. */
const within = async <A>(work: Promise<A>, timeoutMs: number): Promise<A> => {
  const { promise: late, reject } = Promise.withResolvers<never>()
  const timeout = setTimeout(() => reject(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs)
  work.catch(() => {})
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timeout)
  }
}

/** Connects and writes what is waiting, or says why not and tries again later. */
const advance = async (): Promise<void> => {
  if (working || closing) return
  working = true
  clearTimeout(retry)
  retry = undefined
  let stalled: NodeJS.Timeout | undefined
  let over = false
  /** An attempt that was given up on may still get answers. */
  const expect = (withinMs: number) => {
    clearTimeout(stalled)
    if (over) return
    stalled = setTimeout(() => reply({ _tag: "failed", reason: `no answer within ${withinMs} ms` }), withinMs)
  }
  expect(connectMs)
  try {
    const sent = unwritten
    if (sent === undefined) {
      connections ??= new Connections()
      await connections.client
      reply({ _tag: "opened" })
    } else {
      const refused = await writeBatch(sent, () => expect(options.stallMs))
      unwritten = undefined
      refusals = 0
      reply({ _tag: "written", refused })
    }
    settleIn(settleMs)
  } catch (error) {
    refusals = isRefusedByPostgres(error) ? refusals + 1 : 0
    giveUp()
    reply({ _tag: "failed", reason: reasonOf(error) })
    retry = setTimeout(() => void advance(), options.retryMs)
  } finally {
    over = true
    clearTimeout(stalled)
    working = false
    if (unwritten !== undefined && retry === undefined) void advance()
  }
}

/** Writes a batch; one that was refused some times is sifted. Returns what was given up. */
const writeBatch = async (
  { batch, packed, writer }: NumberedBatch,
  onAnswer: () => void
): Promise<Refused | undefined> => {
  const all = unpack(packed)
  const program = (records: ReadonlyArray<UsageRecord>) => write("postgres", { writer, batch, records })
  const runs = (made: SqlProgram<void>) => perform(made, false, options.giveUpMs, onAnswer)
  try {
    await runs(program(all))
    return undefined
  } catch (error) {
    if (refusals + 1 < refusalsMax || !isRefusedByPostgres(error)) throw error
    const sifting = sift(all)
    let next = sifting.next()
    while (next.done !== true) {
      const outcome: unknown = await runs(undone(program(next.value))).catch((thrown: unknown) => thrown)
      if (!isRefusedByPostgres(outcome) && !(outcome instanceof Undone)) throw outcome
      next = sifting.next(outcome instanceof Undone)
    }
    if (next.value.length > 0) await runs(program(next.value))
    return { count: all.length - next.value.length, reason: reasonOf(error) }
  }
}

const delay = new SettleDelay(options.retryMs)

const settleIn = (delayMs: number) => {
  if (settling !== undefined || closing) return
  settling = setTimeout(() => {
    perform(rollUpIfFree("postgres", rollUpStep), false, options.giveUpMs).then(
      (summed) => {
        settling = undefined
        if (delay.succeeded()) reply({ _tag: "settling", reason: null })
        // Who is at it may have begun before our records came.
        if (summed === undefined) settleIn(settleMs)
        if (summed === rollUpStep) settleIn(1)
      },
      (error) => {
        settling = undefined
        if (delay.failed()) reply({ _tag: "settling", reason: reasonOf(error) })
        settleIn(delay.ms)
      }
    )
  }, delayMs)
}

port.on("message", (message: ToWorker<NumberedBatch, Question>) => {
  switch (message._tag) {
    case "write":
      unwritten = message.batch
      return void advance()
    case "ask": {
      const { id, question } = message
      perform(programOf("postgres", question), isRead(question), questionTimeoutMs).then(
        (answer) => reply({ _tag: "answer", id, answer }),
        (error) => {
          if (unwritten === undefined && !working) giveUp()
          reply({ _tag: "unanswered", id, reason: reasonOf(error) })
        }
      )
      return
    }
    case "close":
      closing = true
      clearTimeout(retry)
      clearTimeout(settling)
      void Promise.resolve(connections?.close()).then(() => port.close())
  }
})

void advance()
