/**
 * The playground's form, and the code that it gives away: every snippet is type-checked and run against a gateway.
 */
import { spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { checked, draftOf, firstDraft, turn, type Draft } from "../../dashboard/features/playground/draft.ts"
import { replayed } from "../../dashboard/features/playground/replay.ts"
import { snippetKinds, snippetOf, type SnippetInput } from "../../dashboard/features/playground/snippets.ts"
import type { RequestDetail } from "../../engine/src/admin-api.ts"
import { scriptedProvider } from "../../engine/src/testing.ts"
import { startGateway, type TestGateway } from "../support/gateway.ts"

const draft = (part: Partial<Draft> = {}): Draft => ({ ...firstDraft, turns: [turn(1, "user", "hi")], ...part })
const problemsOf = (part: Partial<Draft>) => checked(draft(part)).problems

describe("the form", () => {
  it("leaves out what is empty, and names what is wrong at its field", () => {
    expect(checked(firstDraft)).toEqual({
      problems: {},
      body: { messages: [{ role: "user", content: "Write a haiku about programming" }] }
    })
    expect(checked(draft({ turns: [turn(1, "user", " ")] })).body).toBeUndefined()
    expect(Object.keys(problemsOf({ turns: [turn(1, "tool", "21")] }))).toEqual(["messages"])
    expect(
      Object.keys(problemsOf({ temperature: "hot", topP: "1.1", maxTokens: "0", seed: "1.5" })).toSorted()
    ).toEqual(["maxTokens", "seed", "temperature", "topP"])
    for (const tools of [
      "{",
      "{}",
      "[1]",
      '[{"name":"a b"}]',
      '[{"name":"a"},{"name":"a"}]',
      '[{"name":"a","parameters":1}]'
    ]) {
      expect(Object.keys(problemsOf({ tools })), tools).toEqual(["tools"])
    }
    for (const schema of ["", "[]", "{,"]) {
      expect(Object.keys(problemsOf({ format: "schema", schema })), schema).toEqual(["schema"])
    }
    expect(problemsOf({ format: "text", schema: "{," })).toEqual({})
  })

  it("becomes again what was logged of it", () => {
    const { body } = checked(full)
    const again = draftOf(JSON.parse(JSON.stringify(body)) as Record<string, unknown>, firstDraft)
    expect(checked(again).body).toEqual(body)
  })

  it("takes of a request without content what its record knows", () => {
    const record = { modelRequested: null, provider: "openai", model: "m", stream: false, content: null }
    const found = replayed(record as unknown as RequestDetail)
    expect(found).toMatchObject({ model: "openai/m", draft: { stream: false, cache: "bypass" } })
    expect(checked(found.draft).body).toBeUndefined()
    const texts = { ...record, content: { prompt: "user: hi", answer: "x", request: null } }
    expect(checked(replayed(texts as unknown as RequestDetail).draft).body?.messages).toEqual([
      { role: "user", content: "user: hi" }
    ])
  })
})

const call = { id: "call_1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } } as const

/** Everything that a call can have. */
const full = draft({
  turns: [
    turn(1, "system", `Be "terse", it's fine: $HOME \\ \`x\``),
    turn(2, "user", "It's raining?\nTell me."),
    { ...turn(3, "assistant"), toolCalls: [call] },
    { ...turn(4, "tool", "21"), toolCallId: "call_1" }
  ],
  tools: JSON.stringify([{ name: "weather", description: "Weather", parameters: { type: "object", "x-y": 1 } }]),
  format: "schema",
  schema: '{"type":"object","properties":{"ok":{"type":"boolean"}}}',
  temperature: "0.2",
  topP: "0.9",
  maxTokens: "50",
  seed: "4",
  stop: "END"
})

describe("code that is copied", () => {
  let gateway: TestGateway
  let folder: string
  const asked: Array<{ readonly messages: ReadonlyArray<unknown>; readonly stream: boolean }> = []

  beforeAll(async () => {
    const provider = scriptedProvider(
      "openai",
      ({ request }) => {
        asked.push(request)
        return "the answer"
      },
      { model: "m" }
    )
    gateway = await startGateway(
      {
        providers: [{ name: "openai", apiKey: "k", model: "m" }],
        cache: { enabled: false },
        logging: { level: "none" }
      },
      { providers: [provider] }
    )
    // Beside the tests, so that packages are found.
    folder = mkdtempSync(path.join(import.meta.dirname, "snippets-"))
  })
  afterAll(async () => {
    await gateway.close()
    rmSync(folder, { recursive: true, force: true })
  })

  const ran = (command: string, args: ReadonlyArray<string>) =>
    new Promise<{ readonly code: number | null; readonly out: string }>((resolve) => {
      const child = spawn(command, args, { cwd: folder, stdio: ["ignore", "pipe", "pipe"] })
      let out = ""
      for (const stream of [child.stdout, child.stderr]) stream.on("data", (text) => (out += String(text)))
      child.once("close", (code) => resolve({ code, out }))
    })

  it("type-checks and says what the call says, streamed and whole", { timeout: 120_000 }, async () => {
    const inputOf = (part: Draft): SnippetInput => ({
      url: gateway.url,
      model: "openai/m",
      body: checked(part).body!,
      cache: part.cache,
      stream: part.stream
    })
    const cases = {
      streamed: inputOf({ ...full, cache: "bypass" }),
      whole: inputOf(draft({ cache: "refresh", stream: false }))
    }
    const scripts: Array<string> = []
    const programs: Array<string> = []
    for (const [name, input] of Object.entries(cases)) {
      for (const kind of snippetKinds) {
        const file = `${name}-${kind}.${kind === "curl" ? "sh" : "ts"}`
        writeFileSync(path.join(folder, file), snippetOf(kind, input))
        ;(kind === "curl" ? scripts : programs).push(file)
      }
    }
    const base = path.join(import.meta.dirname, "../../tsconfig.base.json")
    writeFileSync(path.join(folder, "tsconfig.json"), JSON.stringify({ extends: base, include: ["*.ts"] }))
    expect(await ran("tsc", ["-p", "tsconfig.json", "--noEmit"])).toEqual({ code: 0, out: "" })

    // One process for all programs: most of the time goes into loading the engine.
    const all = programs.map((file) => `await import("./${file}"); console.log("\\n--")`).join("\n")
    writeFileSync(path.join(folder, "all.mjs"), all)
    const result = await ran(process.execPath, ["all.mjs"])
    expect(result.code, result.out).toBe(0)
    const said = result.out.split("\n--\n").slice(0, programs.length)
    expect(said.map((text) => text.replaceAll("\n", " ").includes("the answer"))).toEqual(programs.map(() => true))
    expect(asked.map(({ messages }) => messages.length)).toEqual([4, 4, 4, 1, 1, 1])

    asked.length = 0
    for (const file of scripts) {
      const { code, out } = await ran("bash", [file])
      expect(code, out).toBe(0)
      expect(out).toContain(file === "whole-curl.sh" ? "the answer" : "[DONE]")
    }
    expect(asked.map(({ messages }) => messages.length)).toEqual([4, 1])
  })
})
