import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { scriptedProvider } from "../../../engine/src/testing.ts"
import { millrace } from "../../support/cli.ts"
import { adminToken, startGateway, type TestGateway } from "../../support/gateway.ts"

let gateway: TestGateway
let folder: string

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "millrace-cache-"))
  gateway = await startGateway(
    { providers: [{ name: "openai", apiKey: "k", model: "m" }], logging: { level: "none" } },
    { providers: [scriptedProvider("openai", () => "an answer", { model: "m" })] }
  )
  for (const content of ["one", "two", "three"]) await chat(content)
})
afterAll(async () => {
  await gateway.close()
  rmSync(folder, { recursive: true })
})

const chat = (content: string) =>
  fetch(`${gateway.url}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content }] })
  })

const cache = (...args: ReadonlyArray<string>) =>
  millrace(folder, ["cache", ...args, "--url", gateway.url], { MILLRACE_ADMIN_TOKEN: adminToken }).ended

describe("millrace cache", () => {
  it("exports, purges, imports and reports", async () => {
    const file = path.join(folder, "cache.jsonl")
    expect(await cache("export", file)).toMatchObject({ code: 0, stdout: `3 entries in ${file}\n` })
    const [header, ...lines] = readFileSync(file, "utf8").trim().split("\n")
    expect(JSON.parse(header!)).toEqual({ millrace: "cache", version: 1 })
    expect(lines).toHaveLength(3)
    expect(JSON.parse((await cache("purge", "--json")).stdout)).toEqual({ purged: 3 })
    writeFileSync(file, [header, lines[0], "{broken", lines[1], '{"key":"x"}', lines[2], ""].join("\n"))
    const imported = await cache("import", file, "--json")
    expect(imported.code).toBe(0)
    expect(imported.stderr).toMatch(/^line 3 is not JSON$/m)
    expect(imported.stderr).toMatch(/^line 5 key is not what it should be$/m)
    expect(JSON.parse(imported.stdout)).toMatchObject({ imported: 3, skipped: 0, bad: 2 })
    expect((await chat("two")).headers.get("x-millrace-cache")).toBe("hit")
    expect(JSON.parse((await cache("stats", "--json")).stdout)).toMatchObject({ entries: 3, hits: 1 })
    expect((await cache("stats")).stdout).toMatch(/^entries {4}3 of 1,000$/m)
  }, 60_000)

  it("explains, and says what is wrong", async () => {
    const [a, b] = [{ prompt: "x" }, { prompt: "x", seed: 1 }].map((request) => JSON.stringify(request))
    const other = path.join(folder, "other.jsonl")
    writeFileSync(other, '{"millrace":"cache","version":99}\n')
    const [different, same, unknown, refused, version, missing] = await Promise.all([
      cache("explain", a!, b!),
      cache("explain", a!, a!),
      cache("explain", a!, "no-such-key"),
      cache("stats", "--token", "wrong-token-0123456789"),
      cache("import", other),
      cache("import", path.join(folder, "none.jsonl"))
    ])
    expect(different).toMatchObject({ code: 0, stdout: "different entries, by:\n  seed\n" })
    expect(same).toMatchObject({ code: 0, stdout: "the same entry\n" })
    expect(unknown).toMatchObject({ code: 1, stderr: "b: there is no such entry, and no such request is remembered\n" })
    expect(refused.code).toBe(1)
    expect(version.stderr).toMatch(/has version 99, this Millrace reads 1$/m)
    expect(missing.code).toBe(1)
  }, 60_000)
})
