/**
 * A configuration that changes under a running `millrace serve`: nothing that runs is dropped, what is wrong is refused and
 * changes nothing, and state that is configured as before stays.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { type Cli, serve } from "../support/cli.ts"
import { ask, eventsOf, get, post, textOf, user } from "../support/client.ts"
import { answer, chatEvents, eventStream, startUpstream, type TestUpstream } from "../support/upstream.ts"

vi.setConfig({ testTimeout: 60_000 })

const token = "admin-token-for-the-reload-test"
let cwd: string
let upstream: TestUpstream
const running = new Set<Cli>()
beforeAll(async () => {
  cwd = mkdtempSync(path.join(tmpdir(), "millrace-reload-"))
  upstream = await startUpstream()
})
afterEach(async () => {
  for (const cli of running) cli.signal("SIGKILL")
  await Promise.all([...running].map(({ ended }) => ended))
  running.clear()
  upstream.respond = answer("Fine.")
})
afterAll(async () => {
  await upstream.close()
  rmSync(cwd, { recursive: true, force: true })
})

const provider = (more: object = {}) => ({
  name: "up",
  kind: "openai-compatible",
  baseUrl: upstream.url,
  model: "m",
  apiKey: "upstream-key-one",
  rateLimits: { concurrent: 1000 },
  ...more
})

const write = (name: string, more: object = {}): string => {
  const text = JSON.stringify({
    providers: [provider()],
    storage: { database: "memory" },
    server: { adminToken: token },
    logging: { level: "info", format: "json" },
    ...more
  })
  writeFileSync(path.join(cwd, `${name}.json`), text)
  return `${name}.json`
}

const start = async (name: string, more: object = {}) => {
  const cli = await serve(cwd, ["--config", write(name, more)])
  running.add(cli)
  return cli
}

const admin = async (url: string, route: string, body?: unknown) => {
  const response = await fetch(`${url}/admin/api/${route}`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" })
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) })
  })
  return { status: response.status, json: (await response.json()) as any }
}

const status = async (url: string) => (await get(`${url}/admin/api/status`, { authorization: `Bearer ${token}` })).json

describe("reload", () => {
  it("finishes a stream that began before, with the provider it began with, and sends new calls to the new one", async () => {
    const { promise, resolve: finish } = Promise.withResolvers<void>()
    const events = chatEvents(["Hello ", "there, ", "friend."])
    upstream.respond = async (response) => {
      response.writeHead(200, eventStream)
      response.write(events.slice(0, 3).join(""))
      await promise
      response.end(events.slice(3).join(""))
    }
    const other = await startUpstream(answer("From the other one."))
    const { url } = await start("stream")
    const response = await post(url, user("Tell me", { stream: true }))
    const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
    let text = ""
    while (!text.includes("there, ")) text += (await reader.read()).value

    write("stream", { providers: [provider({ baseUrl: other.url })] })
    expect(await admin(url, "config/reload")).toEqual({
      status: 200,
      json: { generation: 2, changed: ["providers[0].baseUrl"] }
    })
    const asked = await ask(url, user("Something else"))
    expect(asked.json.choices[0].message.content).toBe("From the other one.")
    expect((await status(url)).providers[0].active).toBe(1)

    finish()
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) text += chunk.value
    expect(textOf(eventsOf(text))).toBe("Hello there, friend.")
    expect(eventsOf(text).at(-1)).toBe("[DONE]")
    const after = await status(url)
    expect(after.providers[0].active).toBe(0)
    expect(after.totals.requests).toBe(2)
    await other.close()
  })

  it("refuses a wrong configuration with every error, and the one before stays", async () => {
    const { url } = await start("wrong")
    write("wrong", { retry: { maxAttempts: 0 }, cach: {} })
    const refused = await admin(url, "config/reload")
    expect(refused.status).toBe(400)
    expect(refused.json.issues.map(({ field }: { field: string }) => field).sort()).toEqual([
      "cach",
      "retry.maxAttempts"
    ])
    writeFileSync(path.join(cwd, "wrong.json"), "{ not json")
    expect((await admin(url, "config/reload")).status).toBe(400)
    expect((await ask(url, user("Are you there?"))).status).toBe(200)
    write("wrong", { retry: { maxAttempts: 4 } })
    expect((await admin(url, "config/reload")).json.changed).toEqual(["retry.maxAttempts"])
    expect((await admin(url, "config/reload")).json.changed).toEqual([])
    const { text } = await get(`${url}/metrics`)
    expect(text).toMatch(/^ai_config_reloads_total\{outcome="refused"\} 2$/m)
    expect(text).toMatch(/^ai_config_reloads_total\{outcome="applied"\} 1$/m)
    expect(text).toMatch(/^ai_config_reloads_total\{outcome="unchanged"\} 1$/m)
  })

  it("refuses what belongs to the process, and says that it needs a restart", async () => {
    const { url } = await start("fixed")
    write("fixed", { storage: { database: "sqlite:./other.db" }, retry: { maxAttempts: 5 } })
    const refused = await admin(url, "config/reload")
    expect(refused.status).toBe(400)
    expect(refused.json.issues).toEqual([
      { field: "storage.database", detail: "can't change while the process runs; restart it" }
    ])
  })

  it("keeps the cache, the limits and the sums when something else changes", async () => {
    const limited = provider({ rateLimits: { concurrent: 1000, requestsPerMinute: 1000, learn: false } })
    const { url } = await start("kept", { providers: [limited] })
    await ask(url, user("What is kept?"))
    const { available } = (await status(url)).providers[0].limits.requestsPerMinute
    write("kept", { providers: [limited], retry: { maxAttempts: 7 }, routing: { strategy: "round-robin" } })
    const { json } = await admin(url, "config/reload")
    expect(new Set(json.changed)).toEqual(new Set(["retry.maxAttempts", "routing.strategy"]))
    expect((await ask(url, user("What is kept?"))).headers.get("x-millrace-cache")).toBe("hit")
    const after = await status(url)
    expect(after.totals.requests).toBe(2)
    expect(after.cache.hits).toBe(1)
    expect(after.providers[0].limits.requestsPerMinute.available).toBeLessThanOrEqual(available + 1)
    expect(after.providers[0].limits.requestsPerMinute.available).toBeLessThan(1000)
  })

  it("takes a new key of a provider, and tells nobody what it is", async () => {
    const { signal, ended, url } = await start("secret")
    write("secret", { providers: [provider({ apiKey: "upstream-key-two" })] })
    const told = await admin(url, "config/reload")
    expect(told.json.changed).toEqual(["providers[0].apiKeys[0]"])
    await ask(url, user("Which key?", { temperature: 0.3 }))
    expect(upstream.requests.at(-1)!.headers.authorization).toBe("Bearer upstream-key-two")
    const sources = (await get(`${url}/admin/api/config/sources`, { authorization: `Bearer ${token}` })).json
    expect(sources).toMatchObject({ file: "secret.json", generation: 2 })
    const sourceOf = (path: string) => sources.values.find((value: { readonly path: string }) => value.path === path)
    expect(sourceOf("providers[0].apiKeys")).toMatchObject({ source: "file", generation: 2 })
    expect(sourceOf("providers[0].baseUrl")).toMatchObject({ source: "file", generation: 1 })
    expect(sourceOf("server.port")).toMatchObject({ source: "flag", detail: "--port", generation: 1 })
    expect(sourceOf("retry.baseDelayMs")).toMatchObject({ field: "retry.baseDelay", source: "default", generation: 1 })
    signal("SIGTERM")
    const { stderr, stdout } = await ended
    expect(`${stdout}${stderr}${JSON.stringify([told, sources])}`).not.toMatch(/upstream-key/)
  })

  it("shows gauges of a provider once, also while a call of an older configuration runs", async () => {
    const { promise, resolve: finish } = Promise.withResolvers<void>()
    upstream.respond = async (response, request) => {
      await promise
      return answer("Late.")(response, request)
    }
    const { url } = await start("gauges")
    const late = ask(url, user("Wait for it"))
    await upstream.next()
    write("gauges", { retry: { maxAttempts: 4 } })
    await admin(url, "config/reload")
    expect((await get(`${url}/metrics`)).text).toMatch(/^ai_active_requests\{provider="up"\} 1$/m)
    finish()
    expect((await late).status).toBe(200)
  })
})

describe("SIGHUP", () => {
  it("puts the file in force that is there, time after time", async () => {
    const cli = await start("signal")
    for (const maxAttempts of [4, 5, 6]) {
      write("signal", { retry: { maxAttempts } })
      cli.signal("SIGHUP")
      await vi.waitUntil(
        async () => {
          const { json } = await get(`${cli.url}/admin/api/config`, { authorization: `Bearer ${token}` })
          return json.retry.maxAttempts === maxAttempts
        },
        { timeout: 20_000 }
      )
    }
    expect((await ask(cli.url, user("Hello"))).status).toBe(200)
  })
})

describe("validate", () => {
  it("says what a configuration would change, and what is wrong with one, and changes nothing", async () => {
    const { url } = await start("validate")
    const right = await admin(url, "config/validate", {
      config: { providers: [provider()], storage: { database: "memory" }, retry: { maxAttempts: 9 } }
    })
    expect(right.json).toMatchObject({ valid: true, issues: [] })
    expect(right.json.changed).toContain("retry.maxAttempts")
    const wrong = await admin(url, "config/validate", { config: { retry: { maxAttempts: -1 } } })
    expect(wrong.json.valid).toBe(false)
    expect(wrong.json.issues[0].field).toBe("retry.maxAttempts")
    expect(await admin(url, "config/validate")).toMatchObject({ json: { valid: true, changed: [] } })
    const { json } = await get(`${url}/admin/api/config`, { authorization: `Bearer ${token}` })
    expect(json.retry.maxAttempts).toBe(3)
  })
})
