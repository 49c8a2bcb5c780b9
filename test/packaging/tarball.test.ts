/**
 * What a user gets from `npm install millrace`: the packed tarball, checked by publint and attw, installed in an empty
 * project and used there.
 */
import { spawn } from "node:child_process"
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"

const root = path.resolve(import.meta.dirname, "../..")
const bin = (folder: string, name: string) => path.join(root, folder, "node_modules/.bin", name)

interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a command with this very Node first on the path, and none of pnpm's or vitest's variables. */
const run = (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<Ran> =>
  new Promise((resolve, reject) => {
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(npm_|NODE_OPTIONS|VITEST|FORCE_COLOR)/.test(name))
    )
    const child = spawn(command, args, {
      cwd,
      env: {
        ...env,
        PATH: `${path.dirname(process.execPath)}:${env.PATH}`,
        NO_COLOR: "1",
        npm_config_update_notifier: "false",
        npm_config_fund: "false",
        npm_config_audit: "false"
      },
      stdio: ["ignore", "pipe", "pipe"]
    })
    let stdout = ""
    let stderr = ""
    child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()))
    child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()))
    child.on("error", reject)
    child.on("close", (code) => resolve({ code: code ?? 1, stdout, stderr }))
  })

const succeed = async (cwd: string, command: string, ...args: ReadonlyArray<string>): Promise<string> => {
  const ran = await run(cwd, command, ...args)
  if (ran.code !== 0) {
    throw new Error(`${command} ${args.join(" ")} ended with ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  }
  return ran.stdout
}

let folder: string
let tarball: string

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "millrace-pack-"))
  // `prepack` builds: the modules by tsc, the command by rolldown.
  await succeed(path.join(root, "engine"), "npx", "-y", "pnpm@12.21.0", "pack", "--pack-destination", folder)
  const packed = (await readdir(folder)).filter((file) => file.endsWith(".tgz"))
  expect(packed).toHaveLength(1)
  tarball = path.join(folder, packed[0]!)
})

afterAll(() => rm(folder, { recursive: true, force: true }))

describe("the packed tarball", () => {
  it("holds the built files and the sources they map to, and no tests, databases or secrets", async () => {
    const files = (await succeed(folder, "tar", "-tzf", tarball)).trim().split("\n")
    expect(files).toEqual(
      expect.arrayContaining([
        "package/package.json",
        "package/LICENSE",
        "package/dist/index.js",
        "package/dist/index.d.ts",
        "package/dist/ai-sdk.js",
        "package/dist/effect-ai.js",
        "package/bundle/main.js",
        "package/bundle/UsageSqliteWorker.js",
        "package/src/index.ts"
      ])
    )
    expect(files.filter((file) => /(\.test\.|\.db|\.env|\.tsbuildinfo|tsconfig)/.test(file))).toEqual([])
  })

  it("is clean for publint", async () => {
    const ran = await run(folder, bin("test", "publint"), "run", "--strict", tarball)
    expect(ran, ran.stdout).toMatchObject({ code: 0 })
  })

  it("is clean for attw as an ESM package", async () => {
    const ran = await run(folder, bin("test", "attw"), "--profile", "esm-only", tarball)
    expect(ran, ran.stdout).toMatchObject({ code: 0 })
  })
})

const offline = "the npm registry can't be reached from here"

describe("in an empty project", () => {
  let project: string
  let installed = false

  beforeAll(async () => {
    project = await mkdtemp(path.join(tmpdir(), "millrace-use-"))
    await writeFile(path.join(project, "package.json"), JSON.stringify({ name: "uses-millrace", type: "module" }))
    if ((await run(project, "npm", "view", "effect", "version", "--fetch-retries=1")).code !== 0) return
    await succeed(project, "npm", "install", tarball)
    installed = true
  })

  afterAll(() => rm(project, { recursive: true, force: true }))

  it("shares one copy of effect with the application", async (context) => {
    if (!installed) context.skip(offline)
    const listed = await succeed(project, "npm", "ls", "effect", "--all", "--parseable")
    expect(listed.trim().split("\n")).toEqual([path.join(project, "node_modules/effect")])
  })

  it("answers a prompt with the simulated provider", async (context) => {
    if (!installed) context.skip(offline)
    await writeFile(
      path.join(project, "answer.mjs"),
      `import { AIEngine } from "millrace"
       await using engine = new AIEngine({ providers: [{ name: "simulated", simulated: { latency: 0 } }] })
       const answer = await engine.generateText({ prompt: "Say hello" })
       console.log(JSON.stringify({ content: answer.content, provider: answer.provider, cached: answer.cached }))`
    )
    const answer: unknown = JSON.parse(await succeed(project, process.execPath, "answer.mjs"))
    expect(answer).toEqual({ content: expect.stringMatching(/\S/), provider: "simulated", cached: false })
  })

  it("loads its adapters where neither the AI SDK nor its types are installed", async (context) => {
    if (!installed) context.skip(offline)
    await writeFile(
      path.join(project, "adapters.mjs"),
      `import { AIEngine } from "millrace"
       import { createMillrace } from "millrace/ai-sdk"
       import { layer, provider } from "millrace/effect-ai"
       await using engine = new AIEngine({ providers: [{ name: "simulated", simulated: { latency: 0 } }] })
       const model = createMillrace(engine)("simulated")
       const prompt = [{ role: "user", content: [{ type: "text", text: "Say hello" }] }]
       const { finishReason } = await model.doGenerate({ prompt })
       console.log(finishReason.unified, typeof layer, typeof provider)`
    )
    expect((await succeed(project, process.execPath, "adapters.mjs")).trim()).toBe("stop function function")
    expect((await run(project, "npm", "ls", "@ai-sdk/provider", "--parseable")).stdout.trim()).toBe("")
  })

  it("has types that a strict program compiles against", async (context) => {
    if (!installed) context.skip(offline)
    await writeFile(
      path.join(project, "typed.mts"),
      `import { AIEngine } from "millrace"
       const engine = new AIEngine({ providers: [{ name: "simulated" }] })
       export const answer: Promise<string> = engine.generateText({ prompt: "Say hello" }).then((r) => r.content)
       // @ts-expect-error a request is no number
       void engine.generateText(1)`
    )
    await succeed(
      project,
      bin(".", "tsc"),
      ..."--noEmit --strict --skipLibCheck --target es2024 --module nodenext --types".split(" "),
      "",
      "typed.mts"
    )
  })

  it("runs its command line: version, check, and a bad configuration", async (context) => {
    if (!installed) context.skip(offline)
    const { version } = (await import(path.join(root, "engine/package.json"), { with: { type: "json" } })).default as {
      version: string
    }
    expect(await succeed(project, "npx", "--no-install", "millrace", "--version")).toContain(version)
    expect(await succeed(project, "npx", "--no-install", "millrace", "check")).toContain("simulated")
    await writeFile(path.join(project, "bad.json"), JSON.stringify({ providers: [{ name: "openai", maxTokens: -1 }] }))
    const bad = await run(project, "npx", "--no-install", "millrace", "check", "--config", "bad.json")
    expect(bad.code).toBe(2)
    expect(bad.stderr).toContain("providers[0].maxTokens")
  })
})
