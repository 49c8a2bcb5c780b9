/**
 * The usage database on its worst days: the gateway is killed under load, the file is locked, Postgres stands still. All of it
 * with a real `millrace serve`. Durations are printed, not asserted: the machine has other work.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { DatabaseSync } from "node:sqlite"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { layer } from "../../engine/src/stores/UsageDatabase.ts"
import { UsageLog } from "../../engine/src/UsageLog.ts"
import { noPostgres, postgresBinaries, type Postgres, startPostgres } from "../support/postgres.ts"

const root = path.resolve(import.meta.dirname, "../..")
const folder = mkdtempSync(path.join(tmpdir(), "millrace-chaos-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const adminToken = "0123456789abcdef-admin"
const whole = { fromMs: 0, toMs: 4e12 }

interface Served {
  readonly url: string
  readonly child: ChildProcess
}

let configs = 0
const running: Array<ChildProcess> = []
afterAll(() => running.forEach((child) => child.kill("SIGKILL")))

const serve = async (database: string, durability: "relaxed" | "strict"): Promise<Served> => {
  const file = path.join(folder, `config-${++configs}.json`)
  const simulated = { latency: 2, tokensPerSecond: 100_000, failureRate: 0, seed: 1 }
  writeFileSync(
    file,
    JSON.stringify({
      providers: [{ name: "sim", kind: "simulated", model: "sim", rateLimits: { concurrent: 64 }, simulated }],
      cache: { enabled: false },
      storage: { database, durability },
      logging: { level: "error" },
      server: { adminToken }
    })
  )
  const args = ["engine/bin/millrace.js", "serve", "--config", file, "--port", "0", "--json"]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ["ignore", "pipe", "inherit"] })
  running.push(child)
  let output = ""
  for await (const chunk of child.stdout!.iterator({ destroyOnReturn: false })) {
    output += String(chunk)
    const line = /^\{.*\}$/m.exec(output)?.[0]
    if (line !== undefined) {
      child.stdout!.resume()
      return { url: (JSON.parse(line) as { readonly url: string }).url, child }
    }
  }
  throw new Error(`the gateway ended before it was ready: ${output}`)
}

/** One call; its id once all of the answer is there. */
const call = async (url: string): Promise<string> => {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ model: "sim/sim", messages: [{ role: "user", content: "hello" }] })
  })
  await response.text()
  expect(response.status).toBe(200)
  return response.headers.get("x-millrace-request-id")!
}

const statusOf = async (url: string) => {
  const response = await fetch(`${url}/admin/api/status`, { headers: { authorization: `Bearer ${adminToken}` } })
  const status = (await response.json()) as {
    readonly stores: {
      readonly database: { readonly healthy: boolean; readonly rowsDropped: number; readonly reason: string | null }
    }
  }
  return status.stores.database
}

/** Asks until the answer is yes. */
const until = async (condition: () => Promise<boolean>) => {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 20))
}

const clients = 12

/** Calls by several clients until `enough` were answered; then kills the gateway in the middle of the load. */
const killUnderLoad = async ({ child, url }: Served, enough: number): Promise<ReadonlyArray<string>> => {
  const answered: Array<string> = []
  const client = async () => {
    try {
      while (true) {
        answered.push(await call(url))
        if (answered.length === enough) child.kill("SIGKILL")
      }
    } catch {
      // The gateway is gone.
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
  expect(child.signalCode).toBe("SIGKILL")
  return answered
}

const stop = async ({ child }: Served) => {
  child.kill("SIGTERM")
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
}

/** What the rows of a file say, read without Millrace. */
const rowsOf = (file: string) => {
  const database = new DatabaseSync(file)
  expect(database.prepare("PRAGMA integrity_check").get()).toMatchObject({ integrity_check: "ok" })
  const ids = database
    .prepare("SELECT id FROM usage_records ORDER BY seq")
    .all()
    .map((row) => String(row.id))
  const sums = database
    .prepare(
      "SELECT count(*) AS requests, sum(uncached_input) AS promptTokens, sum(output) AS completionTokens FROM usage_records"
    )
    .get()
  database.close()
  return { ids, sums: { ...sums } }
}

/** The sums that Millrace gives, before and after it has summed up everything. */
const sumsOf = (database: string) =>
  Effect.gen(function* () {
    const log = yield* UsageLog
    const first = yield* log.usage({ ...whole, bucket: "day" })
    yield* log.store.prune({ beforeMs: 0, keepRollups: true })
    const second = yield* log.usage({ ...whole, bucket: "day", groupBy: "model" })
    return [first.totals, second.totals]
  }).pipe(Effect.provide(layer({ database, durability: "relaxed" })), Effect.runPromise)

describe("a gateway that is killed under load", () => {
  it("has lost nothing that was answered in strict mode, and its sums are those of its rows", async () => {
    const file = path.join(folder, "strict.db")
    const answered = await killUnderLoad(await serve(`sqlite:${file}`, "strict"), 400)
    const { ids, sums } = rowsOf(file)
    const kept = new Set(ids)
    expect(answered.filter((id) => !kept.has(id))).toEqual([])
    expect(kept.size).toBe(ids.length)
    for (const totals of await sumsOf(`sqlite:${file}`)) expect(totals).toMatchObject(sums)
  }, 120_000)

  it("has lost the newest rows at most in relaxed mode, and its sums are those of its rows", async () => {
    const file = path.join(folder, "relaxed.db")
    const answered = await killUnderLoad(await serve(`sqlite:${file}`, "relaxed"), 3000)
    const { ids, sums } = rowsOf(file)
    const kept = new Set(ids)
    const lost = answered.filter((id) => !kept.has(id))
    // Rows are written in the order of settlement, from which that of answers differs by the clients at most.
    const newest = new Set(answered.slice(-(lost.length + clients)))
    expect(lost.filter((id) => !newest.has(id))).toEqual([])
    console.log(`relaxed: ${answered.length} answered, ${lost.length} rows lost`)
    for (const totals of await sumsOf(`sqlite:${file}`)) expect(totals).toMatchObject(sums)
  }, 120_000)
})

/** Calls while the database is stalled, and when it is well again: none fails, and every row is there or counted. */
const stalled = async (served: Served, stall: () => void, resume: () => void) => {
  const { url } = served
  const timed = async (count: number) => {
    const times: Array<number> = []
    for (let i = 0; i < count; i++) {
      const before = performance.now()
      await call(url)
      times.push(performance.now() - before)
    }
    return times.sort((a, b) => a - b)
  }
  await timed(50)
  const quiet = await timed(150)
  stall()
  let held: Array<number>
  try {
    held = await timed(150)
    await until(async () => !(await statusOf(url)).healthy)
    held = [...held, ...(await timed(150))].sort((a, b) => a - b)
    expect((await statusOf(url)).reason).not.toBeNull()
  } finally {
    resume()
  }
  await until(async () => (await statusOf(url)).healthy)
  const { rowsDropped } = await statusOf(url)
  const p = (times: ReadonlyArray<number>, share: number) => times[Math.floor(times.length * share)]!.toFixed(1)
  console.log(
    `p50 and p99 of a call: ${p(quiet, 0.5)} and ${p(quiet, 0.99)} ms well, ${p(held, 0.5)} and ${p(held, 0.99)} ms stalled`
  )
  await stop(served)
  return { calls: 500, rowsDropped }
}

describe("a stalled database", () => {
  it("fails nothing while the file is locked, says so, and gets every row", async () => {
    const file = path.join(folder, "locked.db")
    const served = await serve(`sqlite:${file}`, "relaxed")
    await until(async () => (await statusOf(served.url)).healthy)
    let other: DatabaseSync | undefined
    const { calls, rowsDropped } = await stalled(
      served,
      () => {
        other = new DatabaseSync(file)
        other.exec("BEGIN EXCLUSIVE")
      },
      () => {
        other!.exec("ROLLBACK")
        other!.close()
      }
    )
    expect(rowsDropped).toBe(0)
    expect(rowsOf(file).ids).toHaveLength(calls)
  }, 120_000)

  if (postgresBinaries === undefined) it.skip(noPostgres, () => {})
  else {
    let postgres: Postgres
    beforeAll(async () => {
      postgres = await startPostgres()
    }, 60_000)
    afterAll(() => postgres.stop())

    it("fails nothing while Postgres stands still, says so, and gets every row once", async () => {
      const database = postgres.newDatabase()
      const served = await serve(database, "relaxed")
      await until(async () => (await statusOf(served.url)).healthy)
      const { calls, rowsDropped } = await stalled(served, postgres.stall, postgres.resume)
      expect(rowsDropped).toBe(0)
      for (const totals of await sumsOf(database)) expect(totals.requests).toBe(calls)
    }, 120_000)

    it("has lost nothing that was answered in strict mode when the gateway is killed", async () => {
      const database = postgres.newDatabase()
      const answered = await killUnderLoad(await serve(database, "strict"), 300)
      const ids = await Effect.gen(function* () {
        const { store } = yield* UsageLog
        const stored = yield* store.scanRows({ ...whole, limit: 5000 }, undefined)
        return stored.map(({ record }) => record.id)
      }).pipe(Effect.provide(layer({ database, durability: "relaxed" })), Effect.runPromise)
      const kept = new Set(ids)
      expect(answered.filter((id) => !kept.has(id))).toEqual([])
      expect(kept.size).toBe(ids.length)
      for (const totals of await sumsOf(database)) expect(totals.requests).toBe(ids.length)
    }, 120_000)
  }
})
