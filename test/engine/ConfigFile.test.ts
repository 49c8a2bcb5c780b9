import { Effect, Redacted, Result } from "effect"
import { execFileSync } from "node:child_process"
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { pathToFileURL } from "node:url"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import type { ConfigError } from "../../engine/src/Config.ts"
import { fileNames, load, type LoadOptions, type Loaded } from "../../engine/src/ConfigFile.ts"

let cwd: string

beforeEach(() => {
  cwd = mkdtempSync(path.join(tmpdir(), "millrace-config-"))
})

afterEach(() => rmSync(cwd, { recursive: true, force: true }))

const write = (name: string, content: string | Uint8Array) => writeFileSync(path.join(cwd, name), content)

const attempt = (options: LoadOptions) => Effect.runPromise(Effect.result(load({ cwd, env: {}, ...options })))

const loaded = async (options: LoadOptions = {}): Promise<Loaded> => Result.getOrThrow(await attempt(options))

const errorOf = async (options: LoadOptions): Promise<ConfigError> => {
  const result = await attempt(options)
  if (Result.isSuccess(result)) throw new Error("expected an error")
  return result.failure
}

const lines = async (options: LoadOptions) => (await errorOf(options)).message.split("\n")

/** Writes one file and gives the errors of loading it. */
const errorsOf = (name: string, content: string | Uint8Array, options?: LoadOptions) => {
  write(name, content)
  return lines({ file: name, ...options })
}

describe("finding the file", () => {
  it("runs on the environment alone where there is none", async () => {
    expect(await loaded()).toMatchObject({ file: undefined, config: { simulated: true } })
    expect(await loaded({ env: { OPENAI_API_KEY: "k" } })).toMatchObject({ config: { simulated: false } })
  })

  it.each([
    ["millrace.config.yaml", "cache: { maxSize: 7 }"],
    ["millrace.config.yml", "cache:\n  maxSize: 7\n"],
    ["millrace.config.json", '{ "cache": { "maxSize": 7 } }']
  ])("reads %s", async (name, content) => {
    write(name, content)
    const { config, file } = await loaded()
    expect(file).toBe(name)
    expect(config.cache.maxSize).toBe(7)
    expect(fileNames).toContain(name)
  })

  it("refuses to choose between two", async () => {
    write("millrace.config.yaml", "{}")
    write("millrace.config.json", "{}")
    expect(await lines({})).toEqual([
      "there is more than one configuration file: millrace.config.yaml, millrace.config.json; keep one, or name one with --config"
    ])
    expect((await loaded({ file: "millrace.config.json" })).file).toBe("millrace.config.json")
  })

  it("takes the door's default for the database", async () => {
    write("millrace.config.yaml", "cache: {}")
    expect((await loaded({ door: "serve" })).config.storage.database).toBe("sqlite:./millrace.db")
    expect((await loaded()).config.storage.database).toBe("memory")
  })

  it("takes absolute and relative names", async () => {
    mkdirSync(path.join(cwd, "conf"))
    write("conf/a.yaml", "{}")
    expect((await loaded({ file: "conf/a.yaml" })).file).toBe("conf/a.yaml")
    const absolute = path.join(cwd, "conf/a.yaml")
    expect((await loaded({ file: absolute, cwd: "/" })).file).toBe(absolute)
  })
})

describe("files that can't be read", () => {
  it("are named, with the reason", async () => {
    mkdirSync(path.join(cwd, "folder.yaml"))
    symlinkSync("loop.yaml", path.join(cwd, "loop.yaml"))
    write("file", "x")
    expect(await lines({ file: "missing.yaml" })).toEqual(["missing.yaml: there is no such file"])
    expect(await lines({ file: "file/x.yaml" })).toEqual(["file/x.yaml: there is no such file"])
    expect(await lines({ file: "missing.ts" })).toEqual(["missing.ts: there is no such file"])
    expect(await lines({ file: "folder.yaml" })).toEqual(["folder.yaml: is a directory; name the file in it"])
    expect(await lines({ file: "loop.yaml" })).toEqual(["loop.yaml: can't be read: too many symbolic links"])
    expect(await lines({ file: "file" })).toEqual(["file: expected a file that ends with .yaml, .yml, .json or .ts"])
    expect(await lines({ file: "" })).toEqual(["expected a file that ends with .yaml, .yml, .json or .ts"])
    expect(await lines({ file: `${"x".repeat(300)}.yaml` })).toEqual([`${"x".repeat(300)}.yaml: the name is too long`])
  })

  it.skipIf(process.getuid?.() === 0)("are named when permission is missing", async () => {
    write("secret.yaml", "{}")
    chmodSync(path.join(cwd, "secret.yaml"), 0)
    expect(await lines({ file: "secret.yaml" })).toEqual(["secret.yaml: can't be read: permission denied"])
  })

  it("are refused when they are no regular file", async () => {
    symlinkSync("/dev/zero", path.join(cwd, "zero.yaml"))
    expect(await lines({ file: "zero.yaml" })).toEqual(["zero.yaml: is not a regular file"])
  })

  it("are refused when they are empty, too large, or no UTF-8", async () => {
    for (const name of ["a.yaml", "a.json", "a.ts"]) {
      expect(await errorsOf(name, "")).toEqual([`${name}: is empty`])
      expect(await errorsOf(name, " \n\t\n")).toEqual([`${name}: is empty`])
      expect(await errorsOf(name, "x".repeat(10_000_000))).toEqual([
        `${name}: has 10000000 bytes; a configuration file has at most 1000000`
      ])
      expect(await errorsOf(name, Buffer.from([0x61, 0x3a, 0x20, 0xff, 0xfe]))).toEqual([`${name}: is not valid UTF-8`])
    }
    expect(await errorsOf("b.yaml", "# nothing but a comment\n")).toEqual(["b.yaml: is empty"])
    expect(await errorsOf("b.yaml", "---\n...\n")).toEqual(["b.yaml: is empty"])
  })

  it("may begin with a byte order mark", async () => {
    write("a.yaml", "\uFEFFcache: { maxSize: 7 }")
    write("a.json", '\uFEFF{ "cache": { "maxSize": 7 } }')
    expect((await loaded({ file: "a.yaml" })).config.cache.maxSize).toBe(7)
    expect((await loaded({ file: "a.json" })).config.cache.maxSize).toBe(7)
  })
})

describe("YAML", () => {
  it("can say everything that the contract shows", async () => {
    write(
      "a.yaml",
      `providers:
  - name: openai                 # unique; \`kind\` defaults to the name
    kind: openai
    apiKey: \${OPENAI_API_KEY}
    baseUrl: https://api.openai.com/v1/
    api: auto
    model: gpt-5.4-mini
    models: [gpt-5.4-mini, gpt-5.4]
    maxTokens: 4096
    contextWindow: 128000
    timeout: 60000
    idleTimeout: 30000
    rateLimits: { requestsPerMinute: 60, tokensPerMinute: 100000, concurrent: 5, window: 60000 }
    pricing: { input: 0.4, output: 1.6, cacheRead: 0.1 }
  - { name: anthropic, apiKeys: ["\${ANTHROPIC_API_KEY}", "second"] }
  - name: local
    kind: simulated
    simulated: { latency: 300, tokensPerSecond: 80, failureRate: 0, seed: 1 }
aliases:   { fast: [openai/gpt-5.4-mini, anthropic/claude-haiku-4-5] }
routing:   { strategy: fallback }
cache:     { enabled: true, maxSize: 1000, ttl: 600000,
             semantic: { mode: off, embedder: lexical, threshold: 0.85 } }
retry:     { maxAttempts: 3, baseDelay: 1000, maxDelay: 30000, budget: 0.2 }
breaker:   { failureRate: 0.5, minimumCalls: 20, openFor: 30000 }
hedge:     { enabled: false, afterPercentile: 95, maxShare: 0.05 }
queue:     { maxWaiting: 10000, maxWait: 60000 }
keys:      { required: false }
storage:   { database: "sqlite:./millrace.db", redis: null, durability: relaxed }
logging:   { level: info, format: pretty, content: false }
telemetry: { otlp: null }
server:    { host: 127.0.0.1, port: 4000, adminToken: \${MILLRACE_ADMIN_TOKEN}, bodyLimit: 20000000, drain: 30000 }
`
    )
    const env = { OPENAI_API_KEY: "sk-1", ANTHROPIC_API_KEY: "sk-2", MILLRACE_ADMIN_TOKEN: "0123456789abcdef" }
    const { config } = await loaded({ file: "a.yaml", env })
    expect(config.providers.map(({ name, apiKeys }) => [name, apiKeys.map(Redacted.value)])).toEqual([
      ["openai", ["sk-1"]],
      ["anthropic", ["sk-2", "second"]],
      ["local", []]
    ])
    expect(config.server.adminToken).toBeDefined()
    expect(config.providers[0]!.pricing).toEqual({ input: 0.4, output: 1.6, cacheRead: 0.1, cacheWrite: undefined })
  })

  it("is 1.2: off is a text, also under a directive for 1.1", async () => {
    write("a.yaml", "cache:\n  semantic:\n    mode: off\n")
    expect((await loaded({ file: "a.yaml" })).config.cache.semantic.mode).toBe("off")
    write("a.yaml", "%YAML 1.1\n---\ncache: { semantic: { mode: off } }\n")
    expect((await loaded({ file: "a.yaml" })).config.cache.semantic.mode).toBe("off")
  })

  it("has anchors and merge keys", async () => {
    write(
      "a.yaml",
      "providers:\n  - &base { name: simulated, timeout: 5s }\n  - { <<: *base, name: second, kind: simulated }\n"
    )
    expect((await loaded({ file: "a.yaml" })).config.providers.map((provider) => provider.timeoutMs)).toEqual([
      5000, 5000
    ])
  })

  it.each([
    ["cache:\n  ttl: 5\n  ttl: 6\n", "a.yaml:3:3: duplicate key"],
    ["cache: { ttl: 5, ttl: 6 }", "a.yaml:1:18: duplicate key"],
    ["cache: [1, 2\nkeys: {}\n", /^a\.yaml:2:1: flow sequence in block collection must be/],
    ["\tcache: {}", "a.yaml:1:1: tabs are not allowed as indentation"],
    ["cache: *none\n", "a.yaml:1:8: the alias has no anchor before it"],
    ["cache: !secret x\n", "a.yaml:1:8: unresolved tag: !secret"],
    ["a: 1\n---\nb: 2\n", "a.yaml:2:1: expected one document, found a second one"],
    ['cache: "\\z"\n', "a.yaml:1:9: invalid escape sequence \\z"],
    ["[".repeat(20_000), "a.yaml: is nested too deeply"],
    ["a: &a [*a]\n", "a[0]: contains itself"],
    ["a: &a [*a, *a, *a, *a]\n", /^a\[0\]: contains itself/],
    ["- a\n", "expected an object of settings, got a list"],
    ["just text\n", "expected an object of settings, got a string"],
    ["__proto__: { polluted: true }\n", "__proto__: is not allowed as a key"]
  ])("%j is refused with its place", async (content, message) => {
    const found = await errorsOf("a.yaml", content)
    expect(found[0]).toEqual(typeof message === "string" ? message : expect.stringMatching(message))
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  it("can't be blown up by aliases", async () => {
    const levels = "bcdefgh".split("").map((name, index) => {
      const target = String.fromCodePoint(97 + index)
      return `${name}: &${name} [${Array.from({ length: 9 }, () => `*${target}`).join(", ")}]`
    })
    const bomb = `a: &a [x, x, x, x, x, x, x, x, x]\n${levels.join("\n")}\n`
    expect(await errorsOf("a.yaml", bomb)).toEqual(["a.yaml: has more aliases than a configuration has"])
  })

  it("reports several places, one for each line", async () => {
    expect(await errorsOf("a.yaml", "a: 1\na: 2\nb: 1\nb: 2\n")).toEqual([
      "a.yaml:2:1: duplicate key",
      "a.yaml:4:1: duplicate key"
    ])
  })

  it("names the file in the error", async () => {
    write("a.yaml", "server: { port: x }")
    expect((await errorOf({ file: "a.yaml" })).file).toBe("a.yaml")
  })
})

describe("JSON", () => {
  it.each([
    ['{\n  "cache": { "ttl": 5,, }\n}', /^a\.json:2:23: /],
    ['{\n  "cache": tru\n}', "a.json:2:12: this is not JSON"],
    ['{ "a": 1,\n "a": 2 }', "a.json:2:2: duplicate key"],
    ['{ "cache": { "ttl": 1 }', /^a\.json:1:24: /],
    ["{ 'cache': 1 }", /^a\.json:1:3: /],
    ["// comment\n{}", "a.json:1:1: this is not JSON"],
    ['{ "a": "x\ny" }', "a.json:1:10: bad control character in string literal"],
    ["{} {}", "a.json:1:4: expected the end of the file, found more"],
    ['{ "a": NaN }', "a.json:1:8: this is not JSON"],
    ["[1, 2]", "expected an object of settings, got a list"],
    ["null", "expected an object of settings, got null"],
    ['{ "__proto__": {} }', "__proto__: is not allowed as a key"],
    [`${"[".repeat(50_000)}${"]".repeat(50_000)}`, "a.json: is nested too deeply"],
    ["[".repeat(50_000), "a.json: is not valid JSON"]
  ])("%j is refused with its place", async (content, message) => {
    const found = await errorsOf("a.json", content)
    expect(found).toHaveLength(1)
    expect(found[0]).toEqual(typeof message === "string" ? message : expect.stringMatching(message))
  })
})

/** What a script prints as JSON, run by Node itself: vitest would transform the files that are imported. */
const inNode = (script: string): unknown => {
  const modules = ["ConfigFile.ts", "../node_modules/effect/dist/index.js"].map(
    (file) => pathToFileURL(path.resolve(import.meta.dirname, "../../engine/src", file)).href
  )
  const source = `
    import { load } from ${JSON.stringify(modules[0])}
    import { Effect, Redacted } from ${JSON.stringify(modules[1])}
    import { writeFileSync } from "node:fs"
    const result = (file, env = {}) => Effect.runPromise(Effect.match(load({ file, cwd: ".", env }), {
      onSuccess: ({ config, file }) => ({ file, maxSize: config.cache.maxSize, keys: config.providers.flatMap(({ apiKeys }) => apiKeys.map(Redacted.value)) }),
      onFailure: (error) => error.message.split("\\n")
    }))
    ${script}`
  const args = ["--input-type=module", "--eval", source]
  return JSON.parse(
    execFileSync(process.execPath, args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] })
  )
}

/** Loads each content as a file of its own. */
const loadAll = (contents: ReadonlyArray<string>): ReadonlyArray<unknown> => {
  contents.forEach((content, index) => write(`${index}.ts`, content))
  return inNode(`
    const results = []
    for (let i = 0; i < ${contents.length}; i++) results.push(await result(i + ".ts", { KEY: "sk-1" }))
    console.log(JSON.stringify(results))`) as ReadonlyArray<unknown>
}

describe("TypeScript", () => {
  it("may export an object, a promise, or a function that gives either", () => {
    const results = loadAll([
      "const maxSize: number = 7\nexport default { cache: { maxSize } }",
      "export default () => ({ cache: { maxSize: 7 } })",
      "export default async () => ({ cache: { maxSize: 7 } })",
      "export default Promise.resolve({ cache: { maxSize: 7 } })"
    ])
    expect(results.map((result) => (result as { maxSize: unknown }).maxSize)).toEqual([7, 7, 7, 7])
  })

  it("is found by name, read again after a change, and has its variables replaced", () => {
    write("millrace.config.ts", "export default { cache: { maxSize: 7 } }")
    const results = inNode(`
      const first = await result(undefined)
      await new Promise((resolve) => setTimeout(resolve, 20))
      writeFileSync("millrace.config.ts", 'export default { providers: [{ name: "openai", apiKey: "\${KEY}" }] }')
      console.log(JSON.stringify([first, await result(undefined, { KEY: "sk-1" })]))`)
    expect(results).toEqual([
      { file: "millrace.config.ts", maxSize: 7, keys: [] },
      { file: "millrace.config.ts", maxSize: 1000, keys: ["sk-1"] }
    ])
  })

  it("is refused with its place, one line for each error", () => {
    const cases: ReadonlyArray<readonly [string, string | RegExp]> = [
      ["export default { cache: { } ", /^0\.ts:1:\d+: Expected/],
      ["\nenum A { X }\nexport default {}", /^1\.ts:2:1: TypeScript enum is not supported/],
      ['import x from "./missing.ts"\nexport default x', /^2\.ts: Cannot find module /],
      ['\nthrow new Error("no luck\\nsecond line")', "3.ts:2:7: no luck"],
      ["export default () => { throw new TypeError() }", /^4\.ts:1:\d+: TypeError$/],
      ["export default () => Promise.reject('just text')", "5.ts: just text"],
      ["export const config = {}", /^6\.ts: expected a default export .* got nothing$/],
      ["export default 5", /^7\.ts: expected a default export .* got a number$/],
      ["export default () => undefined", /^8\.ts: expected a default export .* got nothing$/],
      ["export default []", /^9\.ts: expected a default export .* got an empty list$/],
      ["export default { cache: { ttl: -1 } }", /^cache\.ttl: expected a positive number of milliseconds/],
      ['export default { apiKey: "sk-canary-0123456789" ', /^11\.ts:1:\d+: (?!.*canary)/]
    ]
    const results = loadAll(cases.map(([content]) => content))
    cases.forEach(([, message], index) => {
      expect(results[index]).toEqual([typeof message === "string" ? message : expect.stringMatching(message)])
    })
  })
})

describe("environment variables in a file", () => {
  const env = { KEY: "sk-1", HOST: "127.0.0.1", PORT: "8080", FLAG: "false", EMPTY: "", RATIO: "0.5" }

  it("are replaced in every text, whole or in part", async () => {
    write("a.yaml", "providers:\n  - { name: openai, apiKey: '${KEY}', baseUrl: 'http://${HOST}:${PORT}/v1' }\n")
    write(
      "a.json",
      '{ "providers": [{ "name": "openai", "apiKey": "${KEY}", "baseUrl": "http://${HOST}:${PORT}/v1" }] }'
    )
    write(
      "a.ts",
      'export default { providers: [{ name: "openai", apiKey: "${KEY}", baseUrl: "http://${HOST}:${PORT}/v1" }] }'
    )
    for (const file of ["a.yaml", "a.json", "a.ts"]) {
      const { config } = await loaded({ file, env })
      expect(config.providers[0]!.apiKeys.map(Redacted.value)).toEqual(["sk-1"])
      expect(config.providers[0]!.baseUrl).toBe("http://127.0.0.1:8080/v1")
    }
  })

  it("stand for numbers and flags where a field takes those", async () => {
    write("a.yaml", "server: { port: '${PORT}' }\ncache:\n  enabled: ${FLAG}\nretry: { budget: ${RATIO} }\n")
    const { config } = await loaded({ file: "a.yaml", env })
    expect([config.server.port, config.cache.enabled, config.retry.budget]).toEqual([8080, false, 0.5])
  })

  it("need no quotes in YAML, also inside of braces", async () => {
    write(
      "a.yaml",
      [
        "providers: [{name: openai, apiKey: ${KEY}, baseUrl: http://${HOST}:${PORT}/v1, model: $${KEY}}]",
        "# ${NOT_SET}",
        "server: { host: ${HOST}, port: ${PORT}, drain: 1 } # ${NOT_SET}"
      ].join("\n")
    )
    const { config } = await loaded({ file: "a.yaml", env })
    expect(config.providers[0]).toMatchObject({ baseUrl: "http://127.0.0.1:8080/v1", model: "${KEY}" })
    expect(config.server).toMatchObject({ host: "127.0.0.1", port: 8080, drainMs: 1 })
    expect(await errorsOf("b.yaml", "cache: { ttl: ${A}, ttl: ${B} }")).toEqual(["b.yaml:1:21: duplicate key"])
    expect(await errorsOf("b.yaml", "server: { ${A}: 1 }")).toEqual([
      expect.stringMatching(/^server\["\$\{A\}"\]: unknown key/)
    ])
  })

  it("stay texts where a field takes a text", async () => {
    write("a.yaml", "providers: [{ name: openai, apiKey: '${PORT}', model: '${PORT}' }]\n")
    const { config } = await loaded({ file: "a.yaml", env })
    expect(config.providers[0]!.model).toBe("8080")
    expect(config.providers[0]!.apiKeys.map(Redacted.value)).toEqual(["8080"])
  })

  it("are all reported by name and path when they are missing", async () => {
    const content = [
      "providers:",
      "  - { name: openai, apiKey: '${OPENAI_KEY}', baseUrl: 'http://${A}:${B}' }",
      "server: { adminToken: '${TOKEN}' }"
    ].join("\n")
    expect(await errorsOf("a.yaml", content, { env })).toEqual([
      "providers[0].apiKey: the environment variable OPENAI_KEY is not set",
      "providers[0].baseUrl: the environment variable A is not set",
      "providers[0].baseUrl: the environment variable B is not set",
      "server.adminToken: the environment variable TOKEN is not set"
    ])
    expect((await errorOf({ file: "a.yaml" })).file).toBe("a.yaml")
  })

  it("are not looked up on a prototype", async () => {
    expect(await errorsOf("a.yaml", "telemetry: { otlp: '${constructor}' }", { env })).toEqual([
      "telemetry.otlp: the environment variable constructor is not set"
    ])
  })

  it("are escaped by a second dollar sign", async () => {
    write("a.yaml", "providers: [{ name: openai, apiKey: 'a$${KEY}b${KEY}$', model: '$x$$' }]\n")
    const { config } = await loaded({ file: "a.yaml", env })
    expect(config.providers[0]!.apiKeys.map(Redacted.value)).toEqual(["a${KEY}bsk-1$"])
    expect(config.providers[0]!.model).toBe("$x$$")
  })

  it.each(["${}", "${A-B}", "${A:-default}", "${ A }", "${A", "${1A}"])("refuses %s", async (text) => {
    expect(await errorsOf("a.yaml", `telemetry: { otlp: "${text}" }`, { env })).toEqual([
      "telemetry.otlp: expected ${NAME} with the name of an environment variable; $${ stands for ${"
    ])
  })

  it("are not replaced inside of what they are replaced by", async () => {
    write("a.yaml", "providers: [{ name: openai, apiKey: '${NESTED}' }]\n")
    const { config } = await loaded({ file: "a.yaml", env: { ...env, NESTED: "${KEY}" } })
    expect(config.providers[0]!.apiKeys.map(Redacted.value)).toEqual(["${KEY}"])
  })

  it("are named in errors, their values are not", async () => {
    const content = [
      "providers:",
      "  - { name: '${CANARY}', kind: '${CANARY}', apiKey: '${EMPTY}', baseUrl: 'http://x/${CANARY}?${CANARY}' }",
      "server: { port: '${CANARY}', adminToken: '${PORT}', drain: '${PORT}x' }",
      "aliases: { fast: ['${CANARY}/x'] }"
    ].join("\n")
    const canary = "canary value/with-more"
    const found = await errorsOf("a.yaml", content, { env: { ...env, CANARY: canary } })
    expect(found.join("\n")).not.toContain(canary)
    expect(found).toEqual([
      "providers[0].name: expected a name of letters, digits, '.', '_' and '-', at most 64 characters, got the value of ${CANARY}",
      "providers[0].kind: expected one of openai, anthropic, google, openai-compatible, simulated, got the value of ${CANARY}",
      "providers[0].apiKey: expected a non-empty string of printable ASCII characters, got the value of ${EMPTY}",
      'providers[0].baseUrl: expected an http or https URL without credentials, query or fragment, got "http://x/${CANARY}?${CANARY}"',
      "server.port: expected an integer from 0 to 65535, got the value of ${CANARY}",
      "server.adminToken: expected at least 16 printable ASCII characters, got the value of ${PORT}",
      'server.drain: expected 0 or more milliseconds or a text such as "10 minutes", got "${PORT}x"',
      expect.stringMatching(/^aliases\.fast\[0\]: /)
    ])
  })
})

describe("secrets in a broken file", () => {
  const canary = "sk-canary-0123456789"

  it.each([
    ["a.yaml", `providers:\n  - apiKey: ${canary}: x\n`],
    ["a.yaml", `apiKey: "${canary}\n`],
    ["a.yaml", `apiKey: @${canary}\n`],
    ["a.yaml", `- a\nb: "${canary}"\n`],
    ["a.yaml", `a: |\n  x\n y: ${canary}\n`],
    ["a.yaml", `apiKey: 'x' ${canary}\n`],
    ["a.json", `{ "apiKey": "${canary}`],
    ["a.json", `{ "apiKey": ${canary} }`],
    ["a.json", `{ "apiKey": "${canary}" x }`],
    ["a.json", `{ "apiKey": "${canary}\n" }`],
    ["a.json", `{ "apiKey": "${canary}" } ${canary}`]
  ])("never appear in its errors: %s %j", async (name, content) => {
    expect((await errorsOf(name, content)).join("\n")).not.toContain(canary)
  })
})
