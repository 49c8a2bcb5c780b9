/**
 * The log of `millrace serve`, as an operator gets it: a line of JSON for each request that joins traces and usage rows,
 * pretty lines for people, and in neither a key or a prompt, whatever an upstream throws back.
 */
import { Cause, Effect, Logger, References } from "effect"
import { execFileSync } from "node:child_process"
import { closeSync, constants, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { parse } from "yaml"
import { decode } from "../../engine/src/Config.ts"
import { logModules, logOf } from "../../engine/src/Log.ts"
import { logger, showsColour } from "../../engine/src/LogLines.ts"
import { LogSink } from "../../engine/src/LogSink.ts"
import { canaryKey, canaryPrompt } from "../support/canary.ts"
import { serve } from "../support/cli.ts"
import { ask, get, user } from "../support/client.ts"
import { answer, send, sendJson, startUpstream, type TestUpstream } from "../support/upstream.ts"

type Line = { readonly [field: string]: any }

let folder: string
let upstream: TestUpstream

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), "millrace-logs-"))
  upstream = await startUpstream()
})
afterAll(async () => {
  rmSync(folder, { recursive: true })
  await upstream.close()
})

const adminToken = "canary-admin-token-0123456789"

const configFile = (logging: object): string => {
  const file = path.join(folder, `millrace-${Math.random().toString(36).slice(2)}.json`)
  const up = { name: "up", kind: "openai-compatible", baseUrl: `${upstream.url}/v1`, model: "m", apiKey: canaryKey }
  writeFileSync(
    file,
    JSON.stringify({
      providers: [up],
      retry: { maxAttempts: 1 },
      breaker: { minimumCalls: 1000 },
      storage: { database: "memory" },
      server: { adminToken },
      logging
    })
  )
  return file
}

/** What a server has logged after some calls, without the line that it prints at its start. */
const logged = async (
  logging: object,
  calls: (url: string) => Promise<unknown>,
  env: { readonly [name: string]: string } = {}
) => {
  const server = await serve(folder, ["--config", configFile(logging)], env)
  await calls(server.url)
  server.signal("SIGTERM")
  const { code, stderr, stdout } = await server.ended
  expect([code, stderr]).toEqual([0, ""])
  return stdout
    .split("\n")
    .slice(1)
    .filter((line) => line !== "")
}

/** Everything that may not be in a log. */
const secrets = [canaryKey, canaryKey.slice(3), "canary", adminToken, "blue heron", "Hello."]

const expectNoSecret = (text: string) => {
  for (const secret of secrets) expect(text).not.toContain(secret)
}

describe("a server's log in JSON", () => {
  const traceId = "0af7651916cd43dd8448eb211c80319c"

  it("has one line a request, whose ids are those of the answer, the trace and the usage row", async () => {
    upstream.respond = answer("Hello.")
    let requestId: string | null = null
    let row: any
    const lines = await logged({ format: "json" }, async (url) => {
      const headers = { traceparent: `00-${traceId}-b7ad6b7169203331-01` }
      const found = await ask(url, user(canaryPrompt), { headers })
      requestId = found.headers.get("x-millrace-request-id")
      row = (await get(`${url}/admin/api/requests/${requestId}`, { authorization: `Bearer ${adminToken}` })).json
    })
    expect(lines.length).toBe(1)
    const line = JSON.parse(lines[0]!) as Line
    expect(Object.keys(line).slice(0, 5)).toEqual(["time", "level", "message", "module", "requestId"])
    expect(line).toMatchObject({
      level: "info",
      module: "RequestLog",
      message: "request",
      requestId,
      traceId,
      tenant: "default",
      keyId: null,
      provider: "up",
      model: "m",
      status: "success",
      cache: "miss",
      attempts: 1,
      promptTokens: 9,
      completionTokens: 3
    })
    expect(new Date(line["time"]).toISOString()).toBe(line["time"])
    expect(row).toMatchObject({
      id: requestId,
      status: line["status"],
      provider: line["provider"],
      promptTokens: line["promptTokens"]
    })
    expectNoSecret(lines.join("\n"))
  })

  it("has no key and no prompt in it, whatever comes back from upstream and however talkative it is", async () => {
    const echoes: ReadonlyArray<TestUpstream["respond"]> = [
      ...[400, 401, 404, 429, 500, 503].map(
        (status): TestUpstream["respond"] =>
          (response, request) =>
            sendJson(status, {
              error: {
                message: `${JSON.stringify(request.headers)} ${request.text}`,
                code: canaryPrompt,
                type: canaryKey
              }
            })(response, request)
      ),
      (response, request) => send(302, { location: `https://evil.test/?key=${canaryKey}` })(response, request),
      (response, request) => send(200, { "content-type": "text/html" }, `<p>${request.text}`)(response, request),
      (response, request) =>
        send(200, { "content-type": "application/json" }, `{"a":${request.text}`)(response, request),
      (response) => void response.destroy()
    ]
    const lines = await logged({ format: "json", level: "trace", requests: "all" }, async (url) => {
      for (const respond of echoes) {
        upstream.respond = respond
        await ask(`${url}`, user(canaryPrompt, { user: canaryPrompt }), { headers: { cookie: `key=${canaryKey}` } })
      }
      await ask(url, `{"messages": [{"role": "user", "content": ${JSON.stringify(canaryPrompt)}`)
      await ask(url, user(canaryPrompt, { model: canaryKey }))
      await fetch(`${url}/v1/chat/completions?key=${canaryKey}`, { method: "POST", body: canaryPrompt })
      await get(`${url}/admin/api/requests?key=${canaryKey}`, { authorization: `Bearer ${canaryKey}` })
    })
    expect(lines.length).toBeGreaterThanOrEqual(echoes.length)
    for (const line of lines) expect(() => JSON.parse(line) as unknown).not.toThrow()
    expect(lines.map((line) => (JSON.parse(line) as Line)["errorKind"] as unknown)).toContain("ProviderServerError")
    expectNoSecret(lines.join("\n"))
  })

  it("has prompts and answers in it where that is switched on, and still no key", async () => {
    upstream.respond = answer("Hello.")
    const lines = await logged({ format: "json", content: true }, (url) => ask(url, user(canaryPrompt)))
    expect(JSON.parse(lines[0]!)).toMatchObject({ prompt: [{ role: "user", text: canaryPrompt }], answer: "Hello." })
    expect(lines.join("\n")).not.toContain(canaryKey.slice(3))
  })

  it("has only failures in it where requests is errors, and their attempts where Fallback is at debug", async () => {
    const lines = await logged({ format: "json", requests: "errors", levels: { Fallback: "debug" } }, async (url) => {
      upstream.respond = answer("Hello.")
      await ask(url, user("one"))
      upstream.respond = sendJson(500, {})
      await ask(url, user("two"))
    })
    expect(
      lines.map((line) => JSON.parse(line) as Line).map(({ level, message, module }) => [level, module, message])
    ).toEqual([
      ["debug", "Fallback", "attempt failed"],
      ["warn", "RequestLog", "request failed"]
    ])
  })
})

describe("a server's log for people", () => {
  it("is aligned, and without colours where it is no terminal", async () => {
    upstream.respond = answer("Hello.")
    const lines = await logged({}, (url) => ask(url, user(canaryPrompt)))
    expect(lines[0]).toMatch(
      /^\d\d:\d\d:\d\d\.\d{3} INFO {2}RequestLog {2}request {2}requestId=req_\S+ tenant=default provider=up model=m /
    )
    expectNoSecret(lines.join("\n"))
  })

  const painted = (colour: boolean) => {
    const lines: Array<string> = []
    const out = logger({ format: "pretty", colour, write: (line) => lines.push(line) })
    const log = Effect.andThen(
      logOf("Breaker").warn("a circuit opened", { provider: "up", model: 'a "b"' }),
      Effect.logError("from elsewhere", Cause.die(new Error(canaryPrompt)))
    )
    Effect.runSync(Effect.provideService(Effect.provide(log, Logger.layer([out])), References.MinimumLogLevel, "All"))
    return lines
  }

  it("is coloured where a terminal shows it", () => {
    expect(painted(true)[0]).toContain("\u001b[33mWARN \u001b[0m")
    expect(painted(false)[0]).toMatch(/^\S+ WARN {2}Breaker {5}a circuit opened {2}provider=up model="a \\"b\\""$/)
  })

  it("tells where a defect came from that others have logged, and not what it says", () => {
    expect(painted(false)[1]).toMatch(/ERROR other {7}from elsewhere {2}defect=Error\n {4}at /)
    expect(painted(false)[1]).not.toContain("canary")
  })

  it.each([
    [{}, true, true],
    [{}, false, false],
    [{ NO_COLOR: "1" }, true, false],
    [{ NO_COLOR: "" }, true, true],
    [{ FORCE_COLOR: "1" }, false, true],
    [{ FORCE_COLOR: "1", NO_COLOR: "1" }, true, false],
    [{ TERM: "dumb" }, true, false]
  ])("shows colours with %j on a terminal (%s): %s", (env, isTTY, shown) => {
    expect(showsColour({ isTTY }, env)).toBe(shown)
  })
})

describe("a reader of the log that does not read", () => {
  it("holds up nobody; what does not fit is dropped, and told when there is room again", async () => {
    const fifo = path.join(folder, "stalled")
    execFileSync("mkfifo", [fifo])
    const reader = openSync(fifo, constants.O_RDONLY | constants.O_NONBLOCK)
    const fd = openSync(fifo, constants.O_WRONLY)
    const sink = new LogSink({ fd, waitingMax: 200_000, dropped: (count) => `dropped ${count}` })
    const line = "x".repeat(999)
    const started = performance.now()
    for (let batch = 0; batch < 10; batch++) {
      for (let i = 0; i < 100; i++) sink.line(line)
      await new Promise((resolve) => setImmediate(resolve))
    }
    expect(performance.now() - started).toBeLessThan(2000)
    let text = ""
    const flushed = sink.flush().then(() => true)
    const bytes = Buffer.alloc(65_536)
    const read = () => {
      try {
        text += bytes.toString("utf8", 0, readSync(reader, bytes))
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EAGAIN") throw error
      }
    }
    while (!(await Promise.race([flushed, new Promise((resolve) => setImmediate(() => resolve(false)))]))) read()
    read()
    const lines = text.split("\n").filter((found) => found !== "")
    const dropped = lines.filter((found) => found.startsWith("dropped ")).map((found) => Number(found.slice(8)))
    expect(dropped.length).toBeGreaterThanOrEqual(1)
    expect(lines.length - dropped.length + dropped.reduce((a, b) => a + b, 0)).toBe(1000)
    closeSync(fd)
    closeSync(reader)
  })
})

describe("the section logging", () => {
  const errorsOf = async (logging: unknown) => {
    const error = await Effect.runPromise(
      Effect.flip(decode({ providers: [{ name: "openai", apiKey: "test" }], logging }))
    )
    return error.issues.map(({ message, path: at }) => `${at}: ${message}`)
  }

  it("names a module that there is not, with the one that was probably meant", async () => {
    expect(await errorsOf({ levels: { RateLimitter: "debug" } })).toEqual([
      expect.stringMatching(/logging\.levels\.RateLimitter.*RateLimiter/)
    ])
  })

  it.each([
    [{ requests: 2 }, "logging.requests"],
    [{ requests: "some" }, "logging.requests"],
    [{ levels: { Breaker: "loud" } }, "logging.levels.Breaker"]
  ])("refuses %j", async (logging, at) => {
    expect((await errorsOf(logging)).join()).toContain(at)
  })

  it("says one line a request by default for a server, and failures alone for a library", async () => {
    const config = { providers: [{ name: "openai", apiKey: "test" }] }
    const decoded = await Promise.all(
      (["serve", "library"] as const).map((door) => Effect.runPromise(decode(config, { door })))
    )
    expect(decoded.map(({ logging }) => logging.requests)).toEqual([1, 0])
  })

  it("documents every module and every field", () => {
    const guide = readFileSync(path.resolve(import.meta.dirname, "../../docs/operations/logs.md"), "utf8")
    for (const module of logModules) expect(guide).toContain(`\`${module}\``)
    const source = readFileSync(path.resolve(import.meta.dirname, "../../engine/src/Log.ts"), "utf8")
    const fields = /export interface LogFields \{([\s\S]*?)\n\}/.exec(source)![1]!.matchAll(/^ {2}readonly (\w+)\?/gm)
    for (const [, field] of fields) if (field !== "content") expect(guide).toContain(`\`${field}\``)
  })
})

describe("shipping to Loki", () => {
  const file = path.resolve(import.meta.dirname, "../../docs/operations/fluent-bit/fluent-bit.yaml")
  const shipping = parse(readFileSync(file, "utf8")) as {
    readonly service: Line
    readonly parsers: ReadonlyArray<Line>
    readonly pipeline: { readonly [part in "inputs" | "filters" | "outputs"]: ReadonlyArray<Line> }
  }
  const { filters, inputs, outputs } = shipping.pipeline
  const [input, filter, output, parser] = [inputs[0]!, filters[0]!, outputs[0]!, shipping.parsers[0]!]

  /** Options by plugin, as Fluent Bit's manual lists them. */
  const options: { readonly [plugin: string]: ReadonlyArray<string> } = {
    service:
      "flush grace log_level http_server http_listen http_port health_check storage.path storage.sync storage.backlog.mem_limit".split(
        " "
      ),
    parser: "name format time_key time_format time_keep".split(" "),
    tail: "name tag path parser db read_from_head refresh_interval buffer_max_size skip_long_lines storage.type".split(
      " "
    ),
    grep: "name match regex".split(" "),
    loki: "name match host port labels label_keys structured_metadata line_format compress retry_limit storage.total_limit_size".split(
      " "
    )
  }

  it("has no option that its plugins don't know, and its parts find each other", () => {
    expect(Object.keys(shipping)).toEqual(["service", "parsers", "pipeline"])
    expect(Object.keys(shipping.service).filter((name) => !options["service"]!.includes(name))).toEqual([])
    expect(Object.keys(parser).filter((name) => !options["parser"]!.includes(name))).toEqual([])
    for (const plugin of [input, filter, output]) {
      expect(Object.keys(plugin).filter((name) => !options[plugin["name"] as string]!.includes(name))).toEqual([])
    }
    expect([input["name"], filter["name"], output["name"]]).toEqual(["tail", "grep", "loki"])
    expect(input["parser"]).toBe(parser["name"])
    expect([filter["match"], output["match"]]).toEqual([input["tag"], input["tag"]])
  })

  it("takes from lines what is in them, lets through what is a line and nothing else", async () => {
    const lines = await logged({ format: "json" }, async (url) => {
      upstream.respond = answer("Hello.")
      await ask(url, user("one"), {
        headers: { traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01" }
      })
      upstream.respond = sendJson(500, {})
      await ask(url, user("two"))
    })
    const records = lines.map((line) => JSON.parse(line) as Line)
    const [key, pattern] = (filter["regex"] as string).split(" ") as [string, string]
    for (const record of records) expect(record[key]).toMatch(new RegExp(pattern))
    const started = JSON.parse(`{"url":"http://127.0.0.1:1","adminToken":"x"}`) as Line
    expect(started[key]).toBeUndefined()
    const seen = new Set(records.flatMap((record) => Object.keys(record)))
    const labels = (output["label_keys"] as string).split(",").map((name) => name.trim().replace("$", ""))
    const metadata = (output["structured_metadata"] as string)
      .split(",")
      .map((pair) => /^\w+=\$(\w+)$/.exec(pair.trim())?.[1])
    for (const name of [...labels, ...metadata]) expect(seen).toContain(name)
    // A label is a stream: nothing that callers choose, or that is new with each request, may be one.
    for (const name of ["requestId", "traceId", "spanId", "tenant", "keyId", "model", "modelRequested"]) {
      expect(labels).not.toContain(name)
    }
  })

  it("reads the time of a line by its format", () => {
    const patterns: { readonly [letter: string]: string } = {
      Y: "\\d{4}",
      m: "\\d\\d",
      d: "\\d\\d",
      H: "\\d\\d",
      M: "\\d\\d",
      S: "\\d\\d",
      L: "\\d+"
    }
    const pattern = (parser["time_format"] as string)
      .replaceAll(".", "\\.")
      .replaceAll(/%(\w)/g, (_, letter: string) => patterns[letter]!)
    expect(new Date().toISOString()).toMatch(new RegExp(`^${pattern}$`))
    expect(parser["time_key"]).toBe("time")
  })
})
