/**
 * The usage database at ten million rows: every question that the dashboard asks of the admin API, alone and while records are
 * written by another process.
 *
 * Rows are made by a seed: 30 days, 200 keys of 40 tenants, 12 models of 4 providers, a few keys with most of the traffic.
 * `MILLRACE_BENCH_ROWS` sets their number, `MILLRACE_BENCH_DATABASE` names a file that is kept and used again.
 */
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs"
import { loadavg, tmpdir } from "node:os"
import path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect, Exit, Scope } from "effect"
import { columns } from "../../engine/src/stores/UsageColumns.ts"
import { rollUp } from "../../engine/src/stores/UsageRollup.ts"
import * as UsageSqlite from "../../engine/src/stores/UsageSqlite.ts"
import { query, type SqlProgram } from "../../engine/src/stores/UsageSql.ts"
import { UsageTable } from "../../engine/src/stores/UsageTable.ts"
import { write } from "../../engine/src/stores/UsageWrites.ts"
import type { UsageRecord } from "../../engine/src/UsageRecord.ts"
import { type Running, startGateway } from "../support/processes.ts"
import type { Options, Row, Table } from "./report.ts"
import { askAll, questionsOf } from "./usage-questions.ts"

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const days = 30
const endMs = Date.UTC(2026, 10, 22, 17, 23, 45)
const startMs = endMs - days * dayMs

/** A generator of numbers in [0, 1) (mulberry32). */
const randomOf = (seed: number) => () => {
  seed = (seed + 0x6d2b79f5) | 0
  let t = Math.imul(seed ^ (seed >>> 15), 1 | seed)
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
  return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
}

/** A choice in which the n-th is taken about 1/n as often as the first. */
const zipf = (size: number, random: () => number): number => Math.min(size - 1, Math.floor(size ** random()) - 1)

const pick = <A>(choices: ReadonlyArray<readonly [A, number]>, random: () => number): A => {
  let left = random()
  for (const [choice, share] of choices) if ((left -= share) < 0) return choice
  return choices[0]![0]
}

const statuses = [
  ["success", 0.97],
  ["error", 0.02],
  ["cancelled", 0.01]
] as const
const caches = [
  ["miss", 0.6],
  ["hit", 0.25],
  ["bypass", 0.07],
  ["coalesced", 0.05],
  ["semantic", 0.03]
] as const
const kinds = ["ProviderOverloaded", "ProviderTimeout", "ProviderRejected", "RateLimitExceeded"]

const recordAt = (index: number, timeMs: number, random: () => number): UsageRecord => {
  const key = Math.max(0, zipf(200, random))
  const model = Math.max(0, zipf(12, random))
  const provider = `provider-${model % 4}`
  const status = pick(statuses, random)
  const cache = pick(caches, random)
  const served = cache === "hit" || cache === "semantic" || cache === "coalesced"
  const failed = status === "error"
  const latencyMs = served ? 1 + random() * 5 : 200 * Math.exp(random() * 3)
  const kind = failed ? kinds[Math.max(0, zipf(4, random))]! : null
  const input = Math.round(100 * Math.exp(random() * 4))
  const output = served || failed ? 0 : Math.round(50 * Math.exp(random() * 3))
  return {
    id: `req_${timeMs.toString(36)}${index.toString(36).padStart(6, "0")}`,
    timeMs,
    tenant: `tenant-${key % 40}`,
    keyId: `key_${key.toString(36).padStart(16, "0")}`,
    modelRequested: `model-${model}`,
    model: `model-${model}`,
    provider,
    status,
    fault: failed ? "provider" : status === "cancelled" ? "caller" : null,
    errorKind: failed ? kind : status === "cancelled" ? "Cancelled" : null,
    cache,
    uncachedInput: served ? 0 : input,
    cacheReadInput: served ? 0 : Math.round(input / 4),
    cacheWriteInput: 0,
    output,
    reasoning: 0,
    estimated: false,
    costUsd: served ? 0 : failed ? null : (input * 4 + output * 16) / 1e7,
    priceTable: "prices 1",
    unpricedReason: null,
    savedUsd: served ? (input * 4) / 1e7 : null,
    savedTokens: served ? input : 0,
    latencyMs,
    ttftMs: failed ? null : latencyMs / 3,
    queueMs: 0,
    cacheAgeMs: null,
    cacheSimilarity: null,
    overheadMs: 0.2,
    stream: index % 2 === 0,
    metadata: null,
    content: null,
    inputUsd: served ? null : (input * 4) / 1e7,
    cacheReadUsd: null,
    cacheWriteUsd: null,
    outputUsd: served ? null : (output * 16) / 1e7,
    reasoningUsd: null,
    providerCacheSavedUsd: null,
    usageDetail: null,
    errorDetail: failed ? "the service is overloaded, try again later" : null,
    fingerprint: failed ? `${kind} ${provider} model-${model}` : null,
    attempts: served
      ? []
      : [
          {
            provider,
            model: `model-${model}`,
            startedAtMs: timeMs + 1,
            queueMs: 0,
            firstPartAtMs: timeMs + 50,
            endedAtMs: timeMs + Math.round(latencyMs),
            costUsd: null,
            error: null
          }
        ]
  }
}

/** Number and time of the last record. */
const last = function* (): SqlProgram<readonly [rows: number, timeMs: number]> {
  const [row] = yield query("SELECT coalesce(max(seq), 0), coalesce(max(time_ms), 0) FROM usage_records")
  return row as unknown as readonly [number, number]
}

const batchRows = 50_000

interface Filled {
  readonly writeUs: number
  readonly sumUs: number
  /** The end of the last record. */
  readonly now: number
  readonly id: string
  readonly fingerprint: string
}

/** Fills a file with rows and sums them up, as far as it is not; returns µs a row for both. */
const fill = (file: string, rows: number): Filled => {
  const table = new UsageTable({ path: file, busyTimeoutMs: 1000, synchronous: "normal", readOnly: false })
  const random = randomOf(1)
  const [done] = table.run(last())
  let writing = 0
  let summing = 0
  for (let at = 0, batch = 1; at < rows; at += batchRows, batch++) {
    const records = Array.from({ length: Math.min(batchRows, rows - at) }, (_, i) =>
      recordAt(at + i, Math.floor(startMs + ((at + i) / rows) * (endMs - startMs)), random)
    )
    if (at < done) continue
    const t0 = process.cpuUsage()
    table.run(write("sqlite", { writer: "bench", batch, records }))
    const t1 = process.cpuUsage(t0)
    const t2 = process.cpuUsage()
    table.run(rollUp("sqlite", batchRows))
    const t3 = process.cpuUsage(t2)
    writing += t1.user + t1.system
    summing += t3.user + t3.system
    if (batch % 10 === 0) console.error(`${at + records.length} rows`)
  }
  const [, timeMs] = table.run(last())
  const [id, fingerprint] = table.run(named(rows))
  table.close()
  const made = Math.max(1, rows - done)
  return { writeUs: writing / made, sumUs: summing / made, now: timeMs + 1, id, fingerprint }
}

/** Microseconds that a request spends on its record, while the file is well and while another process has locked it. */
const recording = async (folder: string): Promise<Table> => {
  const file = path.join(folder, "recording.db")
  const scope = await Effect.runPromise(Scope.make())
  const store = await Effect.runPromise(Scope.provide(UsageSqlite.make({ path: file, durability: "relaxed" }), scope))
  await Effect.runPromise(store.find("none"))
  const random = randomOf(3)
  const records = Array.from({ length: 1000 }, (_, i) => recordAt(i, endMs + i, random))
  const measure = async (name: string): Promise<Row> => {
    const times: Array<number> = []
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 100; i++) {
        const before = process.hrtime.bigint()
        store.write(records[(round * 100 + i) % records.length]!)
        times.push(Number(process.hrtime.bigint() - before) / 1000)
      }
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
    const sorted = times.sort((a, b) => a - b)
    const p99 = sorted[Math.floor(sorted.length * 0.99)]!
    return { name, value: sorted[sorted.length >> 1]!, note: `p99 ${p99.toFixed(1)}, max ${sorted.at(-1)!.toFixed(0)}` }
  }
  await measure("")
  const well = await measure("well")
  const other = new DatabaseSync(file, { timeout: 5000 })
  other.exec("BEGIN EXCLUSIVE")
  const locked = await measure("locked")
  other.exec("ROLLBACK")
  other.close()
  await Effect.runPromise(Scope.close(scope, Exit.void))
  return { title: "usage: what a request spends on its record", unit: "µs", rows: [well, locked] }
}

/** A gateway over the file, with a configuration of its own beside it. */
const serve = (folder: string, file: string): Promise<Running> => {
  const config = path.join(folder, "millrace.bench.json")
  writeFileSync(config, JSON.stringify({ storage: { database: `sqlite:${file}` }, server: { adminToken: token } }))
  return startGateway(config)
}

const token = "bench-bench-bench-bench"

const keyAt = (index: number) => `key_${index.toString(36).padStart(16, "0")}`

/** Id and fingerprint that the questions name, from the middle of the records. */
const named = function* (rows: number): SqlProgram<readonly [id: string, fingerprint: string]> {
  const middle = Math.floor(rows / 2)
  const [record] = yield query("SELECT id FROM usage_records WHERE seq = ?", middle)
  const [failed] = yield query(
    "SELECT fingerprint FROM usage_records WHERE seq > ? AND fingerprint IS NOT NULL ORDER BY seq LIMIT 1",
    middle
  )
  return [record![0] as string, failed![0] as string]
}

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const rows = Number(process.env.MILLRACE_BENCH_ROWS ?? (options.quick ? 100_000 : 10_000_000))
  const kept = process.env.MILLRACE_BENCH_DATABASE
  const folder = kept === undefined ? mkdtempSync(path.join(tmpdir(), "millrace-bench-")) : path.dirname(kept)
  const file = kept ?? path.join(folder, "usage.db")
  let gateway: Running | undefined
  try {
    const { fingerprint, id, now, sumUs, writeUs } = fill(file, rows)
    const rounds = options.quick ? 3 : 5
    gateway = await serve(folder, file)
    const size = `${(rows / 1e6).toFixed(1)} million rows, ${(statSync(file).size / 1e9).toFixed(1)} GB`
    const known = { now, days, id, fingerprint, key: keyAt(0), rareKey: keyAt(199) }
    const questions = questionsOf(known).filter(({ name }) => options.only === undefined || name.includes(options.only))
    const quiet = await askAll(gateway, token, questions, rounds)
    const quietLoad = loadavg()[0]!
    const scope = await Effect.runPromise(Scope.make())
    const store = await Effect.runPromise(
      Scope.provide(UsageSqlite.make({ path: file, durability: "relaxed", busyTimeoutMs: 5000 }), scope)
    )
    // About 1,000 records a second, as a busy gateway writes them.
    const random = randomOf(2)
    let index = rows
    const writing = setInterval(() => {
      for (let i = 0; i < 50; i++) store.write(recordAt(index++, now + (index - rows), random))
    }, 50)
    const busy = await askAll(gateway, token, questions, rounds)
    clearInterval(writing)
    const dropped = store.health().rowsDropped
    await Effect.runPromise(Scope.close(scope, Exit.void))
    return [
      {
        title: `usage: CPU of the gateway for a question, ${size}`,
        unit: "ms",
        rows: quiet,
        note: `load average ${quietLoad.toFixed(1)}`
      },
      {
        title: `usage: CPU of the gateway for a question while another process writes 1,000 records a second, ${size}`,
        unit: "ms",
        rows: busy,
        note: `${index - rows} records written, ${dropped} dropped; load average ${loadavg()[0]!.toFixed(1)}`
      },
      {
        title: "usage: CPU time of the thread that writes",
        unit: "µs a record",
        rows: [
          { name: `write (${columns.length} columns)`, value: writeUs },
          { name: "sum up", value: sumUs }
        ]
      },
      await recording(folder)
    ]
  } finally {
    await gateway?.stop()
    if (kept === undefined && existsSync(folder)) rmSync(folder, { recursive: true, force: true })
  }
}
