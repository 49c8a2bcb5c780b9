import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { scriptedProvider } from "../../../engine/src/testing.ts"
import { millrace } from "../../support/cli.ts"
import { get } from "../../support/client.ts"
import { adminToken, startGateway, type TestGateway } from "../../support/gateway.ts"
import { admin } from "../../support/keys.ts"

let gateway: TestGateway
beforeAll(async () => {
  gateway = await startGateway(
    { providers: [{ name: "openai", apiKey: "k", model: "m" }], keys: { required: true }, logging: { level: "none" } },
    { providers: [scriptedProvider("openai", () => "an answer", { model: "m" })] }
  )
})
afterAll(() => gateway.close())

const keys = (...args: ReadonlyArray<string>) =>
  millrace(tmpdir(), ["keys", ...args, "--url", gateway.url], { MILLRACE_ADMIN_TOKEN: adminToken }).ended

const json = async (...args: ReadonlyArray<string>): Promise<any> => {
  const { code, stderr, stdout } = await keys(...args, "--json")
  expect([code, stderr]).toEqual([0, ""])
  return JSON.parse(stdout)
}

const usable = async (key: string) =>
  (await get(`${gateway.url}/v1/models`, { authorization: `Bearer ${key}` })).status === 200

describe("millrace keys", () => {
  it("makes, shows, changes, rotates, disables, enables and deletes a key", async () => {
    const flags = [
      "--models",
      "openai/*, m",
      "--rpm",
      "60",
      "--tpm",
      "10_000",
      "--budget",
      "10usd/month,500000tokens/day"
    ]
    const made = await keys("create", "--name", "search", "--tenant", "acme", "--expires", "30d", ...flags)
    expect(made.code).toBe(0)
    expect(made.stderr).toBe("the key is shown only now; keep it where secrets are kept\n")
    const secret = /^key {9}(mr-\S{43})$/m.exec(made.stdout)![1]!
    const id = /^id {10}(key_\w+)$/m.exec(made.stdout)![1]!
    expect(made.stdout).toMatch(/^models {6}openai\/\*, m$/m)
    expect(made.stdout).toMatch(/^limits {6}60 rpm, 10,000 tpm$/m)
    expect(made.stdout).toMatch(/^budget {6}\$10\.00\/month, 500,000 tokens\/day$/m)
    expect(await usable(secret)).toBe(true)

    const [shown, listed] = await Promise.all([json("show", id), keys("list")])
    expect(shown).toMatchObject({ id, tenant: "acme", rateLimits: { requestsPerMinute: 60, tokensPerMinute: 10_000 } })
    expect(Date.parse(shown.expiresAt) - Date.now()).toBeGreaterThan(29 * 86_400_000)
    expect(listed.code).toBe(0)
    expect(listed.stdout).toMatch(/^id +name +tenant +status +key +limits +budget +expires +last used$/m)
    expect(listed.stdout).toMatch(new RegExp(`^${id} +search +acme +active +…${secret.slice(-4)} +60 rpm`, "m"))
    expect(`${listed.stdout}${JSON.stringify(shown)}`).not.toContain(secret)

    const changed = await json(
      "update",
      id,
      "--rpm",
      "none",
      "--concurrent",
      "5",
      "--models",
      "none",
      "--expires",
      "none"
    )
    expect(changed).toMatchObject({
      models: null,
      expiresAt: null,
      rateLimits: { tokensPerMinute: 10_000, concurrent: 5 }
    })
    expect(changed.rateLimits.requestsPerMinute).toBeUndefined()
    expect(changed.budget).toHaveLength(2)

    const rotated = await json("rotate", id, "--overlap", "0")
    expect([await usable(secret), await usable(rotated.key)]).toEqual([false, true])
    expect((await keys("disable", id)).stdout).toBe(`${id} (search) is disabled\n`)
    expect(await usable(rotated.key)).toBe(false)
    expect(await json("enable", id)).toMatchObject({ status: "active" })
    expect(await json("delete", id)).toEqual({ id, deleted: true })
    expect(await usable(rotated.key)).toBe(false)
  }, 120_000)

  it("are told of at the start, and that those in memory do not last", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "millrace-serve-keys-"))
    const file = path.join(folder, "millrace.config.json")
    writeFileSync(file, JSON.stringify({ keys: { required: true }, storage: { database: "memory" } }))
    const serving = millrace(folder, ["serve", "--port", "0"])
    const line = await serving.until(/^ {2}keys +(.*)$/m)
    expect(line).toBe(
      "required: make one with millrace keys create --name NAME; they are in memory and gone when this ends"
    )
    serving.signal("SIGTERM")
    expect((await serving.ended).code).toBe(0)
    rmSync(folder, { recursive: true, force: true })
  }, 120_000)

  it("lists as many as were asked for, over pages, and says how many there are", async () => {
    for (let i = 0; i < 12; i++) await admin(gateway.url, "POST", "keys", { name: `many ${i}` })
    const [some, all, none] = await Promise.all([
      keys("list", "--name", "many", "--limit", "5"),
      json("list", "--name", "MANY"),
      keys("list", "--name", "nobody")
    ])
    expect(some.stdout).toMatch(/^5 of 12 keys$/m)
    expect(all.items).toHaveLength(12)
    expect(none).toMatchObject({ code: 0, stdout: "no keys\n" })
  }, 120_000)

  it("says what is wrong: 1 for a failure, 2 for bad usage", async () => {
    const [missing, unknown, token, count, budget, expires, noName] = await Promise.all([
      keys("show", "key_none"),
      keys("create", "--name", "x", "--expires", "1990-01-01"),
      keys("list", "--token", "wrong-token-0123456789"),
      keys("create", "--name", "x", "--rpm", "0"),
      keys("create", "--name", "x", "--budget", "ten dollars"),
      keys("create", "--name", "x", "--expires", "soon"),
      keys("create")
    ])
    expect(missing).toMatchObject({ code: 1, stdout: "", stderr: "no key has this id\n" })
    expect(unknown).toMatchObject({ code: 1, stderr: "expiresAt: expected a time to come\n" })
    expect(token.code).toBe(1)
    for (const [ended, flag] of [
      [count, "rpm"],
      [budget, "budget"],
      [expires, "expires"],
      [noName, "name"]
    ] as const) {
      expect([flag, ended.code, ended.stdout]).toEqual([flag, 2, ""])
      expect(ended.stderr).toContain(flag)
    }
  }, 120_000)
})
