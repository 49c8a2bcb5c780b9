import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const main = path.resolve(import.meta.dirname, "../../../engine/bin/millrace.js")

let cwd: string

beforeAll(() => {
  cwd = mkdtempSync(path.join(tmpdir(), "millrace-check-"))
})

afterAll(() => rmSync(cwd, { recursive: true, force: true }))

interface Ran {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs the CLI as a user does, with an environment of its own. */
const millrace = (args: ReadonlyArray<string>, env: { readonly [name: string]: string } = {}): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [main, ...args], {
      cwd,
      env: { PATH: process.env["PATH"] ?? "", ...env },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    child.on("error", reject)
    child.on("close", (code) => resolve({ code, stdout, stderr }))
  })

const write = (name: string, content: string): string => {
  writeFileSync(path.join(cwd, name), content)
  return name
}

const linesOf = (text: string) => text.split("\n").filter((line) => line !== "")

describe("usage", () => {
  it("prints help and version on stdout", async () => {
    const [help, checkHelp, version] = await Promise.all([
      millrace(["--help"]),
      millrace(["check", "--help"]),
      millrace(["--version"])
    ])
    expect(help).toMatchObject({ code: 0, stderr: "" })
    expect(help.stdout).toContain("check")
    expect(checkHelp).toMatchObject({ code: 0, stderr: "" })
    expect(checkHelp.stdout).toContain("--probe")
    expect(version.code).toBe(0)
    expect(version.stdout).toMatch(/^millrace \d+\.\d+\.\d+\n$/)
  })

  it.each([
    [["check", "--cofnig", "x"], /--cofnig.*Did you mean.*--config/],
    [["chekc"], /chekc/],
    [["check", "--config"], /--config|config/],
    [["check", "extra"], /extra/],
    [["--nope"], /--nope/]
  ])("ends with 2 and one line for each error: %j", async (args, message) => {
    const ran = await millrace(args)
    expect(ran).toMatchObject({ code: 2, stdout: "" })
    expect(linesOf(ran.stderr)[0]).toMatch(message)
    expect(linesOf(ran.stderr).at(-1)).toMatch(/^see millrace( check)? --help$/)
  })

  it("shows help on stderr and ends with 2 when no command is given", async () => {
    const ran = await millrace([])
    expect(ran).toMatchObject({ code: 2, stdout: "" })
    expect(ran.stderr).toContain("check")
  })
})

describe("millrace check", () => {
  it("says what would run, and never shows a key", async () => {
    const file = write(
      "good.yaml",
      `providers:
  - { name: openai, apiKey: "\${KEY}", models: [gpt-5.4-mini, gpt-5.4], rateLimits: { requestsPerMinute: 60, tokensPerMinute: 100000, concurrent: 5 } }
  - { name: backup, kind: openai-compatible, baseUrl: "http://127.0.0.1:9/v1", model: llama }
  - { name: simulated }
aliases: { fast: [openai/gpt-5.4, backup/llama] }
server: { adminToken: "\${TOKEN}" }
`
    )
    const env = { KEY: "sk-canary-0123456789", TOKEN: "canary-token-0123456789" }
    const ran = await millrace(["check", "--config", file], env)
    expect(ran).toMatchObject({ code: 0, stderr: "" })
    expect(ran.stdout).not.toContain("canary")
    expect(linesOf(ran.stdout)).toEqual(
      expect.arrayContaining([
        "configuration  good.yaml",
        "provider       openai (openai) · model gpt-5.4-mini · models gpt-5.4-mini, gpt-5.4 · at api.openai.com · key yes · 60 requests/min, 100000 tokens/min, 5 at once",
        "provider       backup (openai-compatible) · model llama · any other model · at 127.0.0.1:9 · key no · 64 at once",
        "provider       simulated (simulated) · model simulated · any other model · answers by itself · key no · 64 at once",
        "alias          fast: openai/gpt-5.4, backup/llama",
        "storage        sqlite:./millrace.db, relaxed",
        "server         http://127.0.0.1:4000, admin token set",
        expect.stringMatching(
          /^price {10}openai\/gpt-5\.4-mini · window 400000 tokens · \$0\.75 in, 0\.075 cached, 4\.5 out a million · genai-prices@/
        ),
        "price          backup/llama · window unknown · no price: no price table covers this openai-compatible provider; set its pricing",
        "price          simulated/simulated · window unknown · no price: simulated provider"
      ])
    )
  })

  it("says so when there is no file and no key", async () => {
    const ran = await millrace(["check"])
    expect(ran.code).toBe(0)
    expect(ran.stdout).toContain("configuration  no file: defaults and environment")
    expect(ran.stdout).toMatch(/note {11}no provider is configured .* the simulated provider answers/)
    expect(ran.stdout).toContain("admin token made at start")
  })

  it("prints JSON without keys", async () => {
    const ran = await millrace(["check", "--json"], { OPENAI_API_KEY: "sk-canary-0123456789" })
    expect(ran).toMatchObject({ code: 0, stderr: "" })
    expect(ran.stdout).not.toContain("canary")
    expect(JSON.parse(ran.stdout)).toMatchObject({
      ok: true,
      file: null,
      providers: [{ name: "openai", kind: "openai", apiKeys: 1, baseUrl: expect.stringContaining("api.openai.com") }],
      prices: [{ model: "gpt-5.4-mini", contextWindow: 400_000, steps: [{ input: 0.75, output: 4.5 }] }],
      server: { host: "127.0.0.1", port: 4000, adminToken: false },
      notes: []
    })
  })

  it("prints every error of a bad configuration on stderr, one a line, and ends with 2", async () => {
    const file = write(
      "bad.yaml",
      "providers: [{ name: openai, apiKey: sk-canary-1, rateLimits: { concurrent: 0 } }]\ncahce: {}\n"
    )
    const expected = [
      'cahce: unknown key, did you mean "cache"?',
      "providers[0].rateLimits.concurrent: expected a positive integer, got 0"
    ]
    const [plain, json] = await Promise.all([
      millrace(["check", "--config", file]),
      millrace(["check", "--json", "-c", file])
    ])
    expect(plain).toEqual({ code: 2, stdout: "", stderr: `${expected.join("\n")}\n` })
    expect(json).toMatchObject({ code: 2, stderr: `${expected.join("\n")}\n` })
    expect(JSON.parse(json.stdout)).toEqual({
      ok: false,
      file,
      errors: [
        { path: "cahce", message: 'unknown key, did you mean "cache"?' },
        { path: "providers[0].rateLimits.concurrent", message: "expected a positive integer, got 0" }
      ]
    })
  })

  it("names file, line and column of a broken file, and a missing one", async () => {
    const [broken, missing] = await Promise.all([
      millrace(["check", "--config", write("broken.yaml", "cache:\n  ttl: 1\n  ttl: 2\n")]),
      millrace(["check", "--config", "missing.yaml"])
    ])
    expect(broken).toEqual({ code: 2, stdout: "", stderr: "broken.yaml:3:3: duplicate key\n" })
    expect(missing).toEqual({ code: 2, stdout: "", stderr: "missing.yaml: there is no such file\n" })
  })
})

describe("millrace check --probe", () => {
  let server: Server
  let baseUrl: string
  const seen: Array<{ readonly authorization: string | undefined; readonly model: unknown }> = []

  const answer = (request: IncomingMessage, response: ServerResponse, body: string) => {
    const { model } = JSON.parse(body) as { readonly model: unknown }
    seen.push({ authorization: request.headers.authorization, model })
    if (model === "broken") {
      response.writeHead(500, { "content-type": "application/json" }).end('{"error":{"message":"out of order"}}')
      return
    }
    const completion = {
      id: "c1",
      object: "chat.completion",
      created: 1,
      model,
      choices: [{ index: 0, message: { role: "assistant", content: "OK" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 4, completion_tokens: 1, total_tokens: 5 }
    }
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(completion))
  }

  beforeAll(async () => {
    server = createServer((request, response) => {
      let body = ""
      request.on("data", (chunk: Buffer) => (body += chunk.toString()))
      request.on("end", () => answer(request, response, body))
    })
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve))
    baseUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`
  })

  afterAll(() => new Promise((resolve) => server.close(resolve)))

  it("calls each provider once and ends with 0 when all answer", async () => {
    const file = write(
      "probe.yaml",
      `providers:\n  - { name: mock, kind: openai-compatible, baseUrl: "${baseUrl}", apiKey: sk-canary-1, model: llama }\n  - { name: simulated }\n`
    )
    const ran = await millrace(["check", "--config", file, "--probe"])
    expect(ran).toMatchObject({ code: 0, stderr: "" })
    expect(ran.stdout).toMatch(/probe {10}mock: ok in \d+ ms/)
    expect(ran.stdout).toMatch(/probe {10}simulated: ok in \d+ ms/)
    expect(seen).toEqual([{ authorization: "Bearer sk-canary-1", model: "llama" }])
  })

  it("ends with 1 when one does not answer, after a single attempt", async () => {
    const file = write(
      "probe.json",
      JSON.stringify({
        providers: [
          { name: "good", kind: "openai-compatible", baseUrl, model: "llama" },
          { name: "bad", kind: "openai-compatible", baseUrl, model: "broken" },
          { name: "gone", kind: "openai-compatible", baseUrl: "http://127.0.0.1:1", model: "llama" }
        ]
      })
    )
    seen.length = 0
    const [plain, json] = await Promise.all([
      millrace(["check", "--config", file, "--probe"]),
      millrace(["check", "--config", file, "--probe", "--json"])
    ])
    expect(plain).toMatchObject({ code: 1, stderr: "2 of 3 providers did not answer\n" })
    expect(plain.stdout).toMatch(/probe {10}good: ok in \d+ ms/)
    expect(plain.stdout).toMatch(/probe {10}bad: failed: .*out of order/)
    expect(plain.stdout).toMatch(/probe {10}gone: failed: gone could not be reached/)
    expect(json.code).toBe(1)
    expect(JSON.parse(json.stdout)).toMatchObject({
      ok: false,
      probes: [
        { provider: "good", ok: true, error: null },
        { provider: "bad", ok: false, error: expect.stringContaining("out of order") },
        { provider: "gone", ok: false, error: expect.stringContaining("could not be reached") }
      ]
    })
    expect(seen.filter(({ model }) => model === "broken")).toHaveLength(2)
  })
})
