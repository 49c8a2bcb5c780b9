/**
 * `millrace serve` as a process, from its first line to its exit code: it starts where it says, drains on a signal and loses
 * nothing, and says what is wrong when it can't start.
 */
import { execFile } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { promisify } from "node:util"
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest"
import { type Cli, millrace, serve } from "../support/cli.ts"
import { ask, eventsOf, get, post, textOf, user } from "../support/client.ts"
import { answer, chatEvents, eventStream, startUpstream, type TestUpstream } from "../support/upstream.ts"

vi.setConfig({ testTimeout: 60_000 })

let cwd: string
let upstream: TestUpstream
const running = new Set<Cli>()
beforeAll(async () => {
  cwd = mkdtempSync(path.join(tmpdir(), "millrace-serve-"))
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

const config = (name: string, more: object = {}): string => {
  const text = JSON.stringify({
    providers: [
      { name: "up", kind: "openai-compatible", baseUrl: upstream.url, model: "m", rateLimits: { concurrent: 1000 } }
    ],
    storage: { database: `sqlite:./${name}.db` },
    ...more
  })
  writeFileSync(path.join(cwd, `${name}.json`), text)
  return `${name}.json`
}

const start = async (file: string, env: { readonly [name: string]: string } = {}) => {
  const cli = await serve(cwd, ["--config", file], env)
  running.add(cli)
  return cli
}

/** The provider sends two words and keeps the rest until `finish` is called. */
const held = () => {
  const { promise, resolve: finish } = Promise.withResolvers<void>()
  const events = chatEvents(["Hello ", "there, ", "friend."])
  upstream.respond = async (response) => {
    response.writeHead(200, eventStream)
    response.write(events.slice(0, 3).join(""))
    await promise
    response.end(events.slice(3).join(""))
  }
  return finish
}

/** A stream that has begun: its text so far is in the caller's hands. */
const begun = async (url: string) => {
  const response = await post(url, user("Tell me", { stream: true }))
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ""
  while (!text.includes("there, ")) text += (await reader.read()).value
  const rest = async () => {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) text += chunk.value
    return eventsOf(text)
  }
  return { rest }
}

describe("start", () => {
  it("prints the address, who answers, the admin token it made, and a line that works when it is pasted", async () => {
    const cli = millrace(cwd, ["serve", "--port", "0"])
    running.add(cli)
    const url = await cli.until(/gateway +(http:\/\/127\.0\.0\.1:\d+)$/m)
    expect(await cli.until(/simulated +(.*)$/m)).toContain("no provider key is set")
    const token = await cli.until(/admin token +(\S{40,})/)
    const { stdout } = await promisify(execFile)("sh", ["-c", await cli.until(/try +(curl .*)$/m)])
    expect(JSON.parse(stdout)).toMatchObject({
      choices: [{ message: { content: expect.stringContaining("[simulated]") as string } }]
    })
    expect((await get(`${url}/admin/api/status`)).status).toBe(401)
    const status = await get(`${url}/admin/api/status`, { authorization: `Bearer ${token}` })
    expect(status.json).toMatchObject({ simulated: true, totals: { requests: 1 } })
  })

  it("takes the admin token of the environment and does not print it", async () => {
    const token = "token-of-the-environment"
    const cli = await start(config("token"), { MILLRACE_ADMIN_TOKEN: token })
    expect(cli.adminToken).toBeNull()
    expect((await get(`${cli.url}/admin/api/status`, { authorization: `Bearer ${token}` })).status).toBe(200)
    cli.signal("SIGTERM")
    const { stdout } = await cli.ended
    expect(stdout).not.toContain(token)
  })

  it("on a port in use ends with 1 and names the flag", async () => {
    const taken = createServer()
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve))
    const { port } = taken.address() as AddressInfo
    const { code, stderr, stdout } = await millrace(cwd, ["serve", "--port", String(port)]).ended
    taken.close()
    expect([code, stdout]).toEqual([1, ""])
    expect(stderr).toMatch(new RegExp(`^port ${port} is in use on 127\\.0\\.0\\.1; choose another with --port\n$`))
  })

  it("on an address that is not of this machine ends with 1 and names the flag", async () => {
    const { code, stderr } = await millrace(cwd, ["serve", "--host", "203.0.113.7", "--port", "0"]).ended
    expect(code).toBe(1)
    expect(stderr).toMatch(/--host/)
  })

  it.each([
    ["--port", "70000"],
    ["--port", "-1"],
    ["--port", "x"],
    ["--prot", "1"]
  ])("with %s %s ends with 2", async (...flags) => {
    const { code, stderr } = await millrace(cwd, ["serve", ...flags]).ended
    expect([code, stderr.includes(flags[0])]).toEqual([2, true])
  })

  it("with a bad configuration ends with 2 and names every wrong field, one a line", async () => {
    writeFileSync(path.join(cwd, "bad.yaml"), "providers:\n  - name: up\n    timeout: -1\nserver:\n  port: 99999\n")
    const { code, stderr, stdout } = await millrace(cwd, ["serve", "--config", "bad.yaml"]).ended
    expect([code, stdout]).toEqual([2, ""])
    const lines = stderr.trim().split("\n")
    expect(lines.some((line) => line.includes("providers[0].timeout"))).toBe(true)
    expect(lines.some((line) => line.includes("server.port"))).toBe(true)
  })

  it("without the file that was named ends with 2", async () => {
    const { code, stderr } = await millrace(cwd, ["serve", "--config", "nowhere.yaml"]).ended
    expect([code, stderr.includes("nowhere.yaml")]).toEqual([2, true])
  })
})

describe("a signal", () => {
  it("right after the start line is heard: exit 0, and nothing hangs", async () => {
    const clis = [1, 2, 3].map((run) =>
      millrace(cwd, ["serve", "--json", "--port", "0", "--config", config(`at-once-${run}`)])
    )
    for (const cli of clis) {
      await cli.until(/("url")/)
      cli.signal("SIGTERM")
      expect((await cli.ended).code).toBe(0)
    }
  })

  it.each(["SIGTERM", "SIGINT"] as const)(
    "%s: a running stream finishes, new calls hear 503, everything is written, exit 0",
    async (signal) => {
      const finish = held()
      const file = config(`drain-${signal}`)
      const cli = await start(file)
      const ready = await get(`${cli.url}/health/ready`)
      expect([ready.status, ready.json]).toEqual([
        200,
        {
          status: "ready",
          reasons: [],
          checks: {
            database: { healthy: true, kind: "sqlite" },
            cache: { healthy: true, kind: "memory" },
            keys: { required: false, loaded: true },
            providers: { up: "closed" }
          }
        }
      ])
      const stream = await begun(cli.url)
      cli.signal(signal)
      const unready = await untilStatus(`${cli.url}/health/ready`, 503)
      expect(unready.json).toMatchObject({ status: "unavailable", reasons: ["shutting down"] })
      expect((await get(`${cli.url}/health/live`)).status).toBe(200)
      const refused = await ask(cli.url, user("Late"))
      expect(refused.status).toBe(503)
      expect(refused.headers.get("retry-after")).toBe("1")
      expect(refused.headers.get("x-millrace-fault")).toBe("policy")
      expect(refused.json).toMatchObject({ error: { code: "shutting_down" } })
      finish()
      const events = await stream.rest()
      expect(textOf(events)).toBe("Hello there, friend.")
      expect(events.at(-1)).toBe("[DONE]")
      expect((await cli.ended).code).toBe(0)
      const again = await start(file)
      const { json } = await get(`${again.url}/admin/api/requests`, { authorization: `Bearer ${again.adminToken}` })
      expect(json.items).toMatchObject([{ provider: "up", status: "success", completionTokens: 3 }])
    }
  )

  it("a call that outlasts the drain is told so and cancelled upstream, exit 0", async () => {
    held()
    const cli = await start(config("deadline", { server: { drain: 300 } }))
    const stream = await begun(cli.url)
    const whole = ask(cli.url, user("All at once"))
    await upstream.next()
    cli.signal("SIGTERM")
    const events = await stream.rest()
    expect(events.at(-1)).toMatchObject({ error: { code: "shutting_down" } })
    expect(events).not.toContain("[DONE]")
    const refused = await whole
    expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "1"])
    expect((await cli.ended).code).toBe(0)
    await Promise.all(upstream.requests.slice(-2).map(({ aborted }) => aborted))
  })

  it("with nothing running ends at once, also with idle connections open", async () => {
    const cli = await start(config("idle"))
    expect((await ask(cli.url, user("Hello"))).status).toBe(200)
    cli.signal("SIGTERM")
    expect((await cli.ended).code).toBe(0)
  })

  it("that comes twice ends at once", async () => {
    held()
    const cli = await start(config("twice"))
    const stream = await begun(cli.url)
    cli.signal("SIGINT")
    await untilStatus(`${cli.url}/health/ready`, 503)
    cli.signal("SIGINT")
    expect((await cli.ended).code).toBe(130)
    await stream.rest().catch(() => undefined)
  })
})

describe("load", () => {
  it("200 streams at once all come whole, one upstream call each", async () => {
    const words = Array.from({ length: 50 }, (_, index) => `word${index} `)
    const events = chatEvents(words)
    upstream.respond = async (response) => {
      response.writeHead(200, eventStream)
      for (const event of events) {
        response.write(event)
        await new Promise((resolve) => setImmediate(resolve))
      }
      response.end()
    }
    const cli = await start(config("load", { cache: { enabled: false } }))
    const before = upstream.requests.length
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => ask(cli.url, user(`Stream ${index}`, { stream: true })))
    )
    for (const { status, text } of answers) {
      expect(status).toBe(200)
      expect(textOf(eventsOf(text))).toBe(words.join(""))
      expect(text.endsWith("data: [DONE]\n\n")).toBe(true)
    }
    expect(upstream.requests.length - before).toBe(200)
    const { json } = await get(`${cli.url}/admin/api/status`, { authorization: `Bearer ${cli.adminToken}` })
    expect(json).toMatchObject({ totals: { requests: 200, errors: 0 }, providers: [{ active: 0, queued: 0 }] })
  })
})

/** Asks until the answer has this status. */
const untilStatus = async (url: string, status: number) => {
  for (;;) {
    const found = await get(url)
    if (found.status === status) return found
  }
}
