import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { Effect } from "effect"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { columnNames } from "../../../engine/src/stores/UsageExport.ts"
import * as UsageDatabase from "../../../engine/src/stores/UsageDatabase.ts"
import { UsageLog } from "../../../engine/src/UsageLog.ts"
import type { UsageRecord } from "../../../engine/src/UsageRecord.ts"
import { recordOf } from "../../contracts/usage-record.ts"
import { type Ended, millrace } from "../../support/cli.ts"
import { adminToken, startGateway, type TestGateway } from "../../support/gateway.ts"
import { postgresBinaries, startPostgres } from "../../support/postgres.ts"

const hourMs = 3_600_000
const dayMs = 24 * hourMs
const nowMs = Date.now()

let folder: string
let gateway: TestGateway

const records: ReadonlyArray<Partial<UsageRecord>> = [
  { id: "old", timeMs: nowMs - 40 * dayMs },
  { id: "a", timeMs: nowMs - 3 * hourMs, uncachedInput: 1000, output: 100, costUsd: 9 },
  { id: "b", timeMs: nowMs - 2 * hourMs, tenant: "=cmd|' /C calc'!A0", model: "my-model", provider: "own" },
  {
    id: "c",
    timeMs: nowMs - hourMs,
    status: "error",
    fault: "provider",
    errorKind: "ProviderServerError",
    errorDetail: "Internal server error",
    fingerprint: "0123456789abcdef",
    uncachedInput: 0,
    cacheReadInput: 0,
    cacheWriteInput: 0,
    output: 0,
    reasoning: 0,
    costUsd: null
  }
]

/** A file with the records; nobody has it open. */
const database = (name: string): Promise<string> => filled(`sqlite:${path.join(folder, name)}`)

const filled = async (url: string): Promise<string> => {
  await Effect.runPromise(
    Effect.gen(function* () {
      const log = yield* UsageLog
      for (const fields of records)
        yield* log.record(recordOf({ cacheReadInput: 0, cacheWriteInput: 0, ...fields })) ?? Effect.void
    }).pipe(Effect.provide(UsageDatabase.layer({ database: url, durability: "strict" })))
  )
  return url
}

const config = (url: string, input: number) => ({
  providers: [{ name: "openai", apiKey: "k", model: "gpt-5.4-mini", pricing: { input, output: 10 } }],
  storage: { database: url },
  logging: { level: "none" as const }
})

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "millrace-usage-"))
  gateway = await startGateway(config(await database("gateway.db"), 2))
})
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true })
})

const usage = (...args: ReadonlyArray<string>): Promise<Ended> =>
  millrace(folder, ["usage", ...args], { MILLRACE_ADMIN_TOKEN: adminToken }).ended
const asked = (...args: ReadonlyArray<string>) => usage(...args, "--url", gateway.url)
const json = ({ code, stderr, stdout }: Ended) => {
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as { readonly [name: string]: any }
}

describe("millrace usage, by a gateway", () => {
  it("reports over time and by group, with totals", async () => {
    const [plain, grouped, machine] = await Promise.all([
      asked("report", "--bucket", "day"),
      asked("report", "--from", "60d", "--bucket", "day", "--group-by", "model"),
      asked("report", "--from", "60d", "--to", new Date(nowMs - dayMs).toISOString(), "--json")
    ])
    expect(plain.code).toBe(0)
    const lines = plain.stdout.trimEnd().split("\n")
    expect(lines[0]).toMatch(
      /^from \(UTC\) +requests +errors +hits +prompt +completion +cost +unpriced +saved +p50 ms +p95 ms$/
    )
    expect(lines.at(-1)).toMatch(/^total +3 +1 +0 +1,100 +140 +\$9\.01 /)
    expect(grouped.stdout).toMatch(/^from \(UTC\) +model +requests/)
    expect(grouped.stdout).toMatch(/^\d{4}-\d\d-\d\d 00:00 +my-model +1 /m)
    expect(grouped.stdout).toMatch(/^total +4 /m)
    expect(json(machine)["totals"]).toMatchObject({ requests: 1 })
  }, 120_000)

  it("lists failures that are alike", async () => {
    const [lines, machine, one] = await Promise.all([
      asked("errors"),
      asked("errors", "--json"),
      asked("errors", "--fingerprint", "0123456789abcdef")
    ])
    expect(lines.stdout).toMatch(
      /^ +1 .*ProviderServerError +openai\/gpt-5\.4-mini +0123456789abcdef +c +Internal server error$/m
    )
    expect(json(machine)["groups"]).toMatchObject([{ fingerprint: "0123456789abcdef", count: 1, sampleId: "c" }])
    expect(one.stdout).toMatch(/^keys: +none \(1\)\ntenants: +default \(1\)$/m)
  }, 120_000)

  it("exports to a file or to stdout", async () => {
    const file = path.join(folder, "a.csv")
    const [toFile, toStdout, named] = await Promise.all([
      asked("export", "--out", file, "--from", "60d", "--json"),
      asked("export", "--out", "-", "--format", "ndjson", "--fault", "provider"),
      asked("export", "--from", "2026-01-01", "--to", "2026-01-02")
    ])
    const [names, ...rows] = readFileSync(file, "utf8").trim().split("\r\n")
    expect(names).toBe(columnNames.join(","))
    expect(rows.map((row) => row.split(",")[0])).toEqual(["old", "a", "b", "c"])
    expect(rows[2]).toContain(`,'=cmd|' /C calc'!A0,`)
    expect(json(toFile)).toEqual({ file, bytes: readFileSync(file).length })
    expect(existsSync(`${file}.part`)).toBe(false)
    expect(json(toStdout)).toMatchObject({ id: "c", errorDetail: "Internal server error" })
    expect(named.stdout).toMatch(/^\d+ bytes in millrace-usage-20260101T000000Z-20260102T000000Z\.csv$/m)
  }, 120_000)

  it("prices history anew, after saying what would change", async () => {
    const dry = await asked("reprice", "--dry-run", "--from", "1d")
    expect(dry.code, dry.stderr).toBe(0)
    expect(dry.stdout).toMatch(/^openai\/gpt-5\.4-mini +1 +1 +\$9\.00 +\$0\.003$/m)
    expect(dry.stdout).toMatch(/^unpriced: 1 requests of own\/my-model: no price table covers/m)
    expect(dry.stdout).toMatch(/^3 requests looked at, 2 would change$/m)
    expect(dry.stderr).toMatch(/^3 requests looked at$/m)
    expect(json(await asked("reprice", "--from", "1d", "--json"))).toMatchObject({
      dryRun: false,
      changed: 2,
      oldUsd: 9.01,
      newUsd: 0.003
    })
    expect(json(await asked("report", "--json"))["totals"]).toMatchObject({ costUsd: 0.003, unpriced: 1 })
    expect(json(await asked("reprice", "--from", "1d", "--json"))).toMatchObject({ changed: 0 })
  }, 120_000)

  it("forgets old requests, after saying how many", async () => {
    const dry = await asked("prune", "--older-than", "30d", "--dry-run")
    expect(dry.stdout).toMatch(/^1 requests before \d{4}-\d\d-\d\d would be deleted$/m)
    expect(json(await asked("prune", "--older-than", "30d", "--json"))).toMatchObject({ dryRun: false, requests: 1 })
    expect(json(await asked("report", "--from", "60d", "--json"))["totals"]).toMatchObject({ requests: 3 })
  }, 120_000)

  it("says what is wrong: 1 for what failed, 2 for bad usage", async () => {
    const [token, nobody, time, format, both, neither, twice, unknown] = await Promise.all([
      asked("report", "--token", "wrong-token-0123456789"),
      usage("errors", "--url", "http://127.0.0.1:9"),
      asked("report", "--from", "yesterday"),
      asked("export", "--format", "xml"),
      asked("export", "--database", "sqlite:x.db"),
      asked("prune"),
      asked("prune", "--before", "2026-01-01", "--older-than", "1d"),
      asked("nothing")
    ])
    expect([token, nobody, time, format, both, neither, twice, unknown].map(({ code }) => code)).toEqual([
      1, 1, 2, 2, 2, 2, 2, 2
    ])
    expect(token.stderr).toContain("admin token")
    expect(time.stderr).toContain("15m, 12h, 30d")
    expect(both.stderr).toContain("give --url, or --database and --config, not both")
    expect(neither.stderr).toContain("give --before or --older-than")
    for (const { stderr, stdout } of [token, nobody, time, both]) {
      expect(stdout).toBe("")
      expect(stderr).not.toContain(adminToken)
    }
  }, 120_000)
})

describe("millrace usage, by a database", () => {
  it("exports, prices anew and forgets without a gateway", async () => {
    const url = await database("direct.db")
    const exported = await usage("export", "--database", url, "--out", "-", "--from", "60d")
    expect(exported.code, exported.stderr).toBe(0)
    expect(exported.stdout.trim().split("\r\n")).toHaveLength(5)
    const file = path.join(folder, "millrace.config.json")
    writeFileSync(file, JSON.stringify(config(url, 3)))
    const repriced = json(await usage("reprice", "--config", file, "--json"))
    expect(repriced).toMatchObject({ requests: 4, changed: 3, oldUsd: 9.02 })
    expect(repriced["models"][0]).toMatchObject({ provider: "openai", model: "gpt-5.4-mini", requests: 2 })
    const pruned = await usage("prune", "--database", url, "--older-than", "30d")
    expect(pruned.stdout).toMatch(/^1 requests before \d{4}-\d\d-\d\d deleted/)
    const rest = await usage("export", "--config", file, "--out", "-", "--from", "60d", "--format", "ndjson")
    expect(
      rest.stdout
        .trim()
        .split("\n")
        .map((line) => (JSON.parse(line) as { id: string }).id)
    ).toEqual(["a", "b", "c"])
    rmSync(file)
  }, 120_000)

  it.skipIf(postgresBinaries === undefined)(
    "works on Postgres, and never shows its password",
    async () => {
      const postgres = await startPostgres()
      const url = await filled(postgres.newDatabase())
      const lines = await usage("export", "--database", url, "--out", "-", "--from", "60d", "--format", "ndjson")
      expect(
        lines.stdout
          .trim()
          .split("\n")
          .map((line) => (JSON.parse(line) as { id: string }).id)
      ).toEqual(["old", "a", "b", "c"])
      const repriced = json(await usage("reprice", "--database", url, "--json"))
      expect(repriced).toMatchObject({ requests: 4, oldUsd: 9.02 })
      expect(json(await usage("prune", "--database", url, "--older-than", "30d", "--json"))).toMatchObject({
        requests: 1
      })
      const wrong = new URL(url)
      wrong.password = "hunter2hunter2"
      wrong.pathname = "/no_such_database"
      const failed = await usage("prune", "--database", wrong.href, "--older-than", "30d")
      expect(failed.code).toBe(1)
      expect(failed.stderr).not.toContain("hunter2")
      await postgres.stop()
    },
    120_000
  )

  it("makes no database where none is, and reads none that it can't", async () => {
    const missing = path.join(folder, "none.db")
    const bad = path.join(folder, "bad.db")
    writeFileSync(bad, "this is no database, however it is read")
    const [absent, broken, memory, unknown] = await Promise.all([
      usage("export", "--database", `sqlite:${missing}`, "--out", "-"),
      usage("prune", "--database", `sqlite:${bad}`, "--older-than", "1d"),
      usage("reprice", "--database", "memory"),
      usage("export", "--database", "mysql://x", "--out", path.join(folder, "x.csv"))
    ])
    expect([absent, broken, memory, unknown].map(({ code }) => code)).toEqual([1, 1, 1, 1])
    expect(absent.stderr).toContain(`there is no ${missing}`)
    expect(existsSync(missing)).toBe(false)
    expect(broken.stderr).toMatch(/not a database/)
    expect(existsSync(path.join(folder, "x.csv"))).toBe(false)
  }, 120_000)
})
