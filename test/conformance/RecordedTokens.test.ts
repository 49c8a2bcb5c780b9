/**
 * Our counts of prompts against what OpenAI reported for the recorded calls of `../shared/fixtures`. Each guarantee is a
 * share of calls of one kind that are equal to the token; the table says by how much the others differ.
 */
import { describe, expect, it } from "@effect/vitest"
import { Effect, Result } from "effect"
import { readdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { decodeChat } from "../../engine/src/gateway/ChatRequest.ts"
import type { DecodedBody } from "../../engine/src/gateway/Dialect.ts"
import { decodeMessages } from "../../engine/src/gateway/MessagesRequest.ts"
import { decodeResponses } from "../../engine/src/gateway/ResponsesRequest.ts"
import { promptOf } from "../../engine/src/Prompt.ts"
import { lookup } from "../../engine/src/ModelCatalog.ts"
import type { Request } from "../../engine/src/Request.ts"
import { Tokenizer } from "../../engine/src/Tokenizer.ts"
import { makeRequest } from "../engine/requests.ts"
import { hasCorpus } from "./Recorded.ts"

const corpus = path.resolve(import.meta.dirname, "../../../shared/fixtures/dev")

interface Recorded {
  readonly provider: string
  readonly request: { readonly body: { readonly [key: string]: unknown } | null; readonly elidedBlobs?: number } | null
  readonly expected: { readonly usage?: { readonly inputTokens: number | null } | null }
}

interface Counted {
  readonly file: string
  readonly kind: string
  readonly difference: number
  readonly relative: number
}

type Decode = (body: { readonly [key: string]: unknown }) => Result.Result<DecodedBody, unknown>

/** Recorded with another prompt than the file has, or answered by gpt-3.5-turbo-0301, which took a token more a message. */
const artefacts = new Set([
  "chat-openai-s-chat-completion-tool-call-streamed-d08557.json",
  "chat-openai-j-chat-completion-f2c710.json",
  "resp-openai-s-five-turn-streaming-metadata-roundtrip-9d74ff.json"
])

const kindOf = ({ messages, responseFormat, tools }: Request): string => {
  const calls = messages.some(
    ({ content }) => typeof content !== "string" && content.some(({ type }) => type === "tool-call")
  )
  if (calls) return "calls"
  const schema = responseFormat?.type === "json-schema"
  return tools !== undefined && tools.length > 0 ? (schema ? "tools and schema" : "tools") : schema ? "schema" : "text"
}

/** Every recorded call whose prompt is known: those with blobs left out, images behind URLs and hosted tools are not. */
const countedOf = (folder: string, providers: ReadonlyArray<string>, kind: string, decode: Decode) =>
  Effect.gen(function* () {
    const tokenizer = yield* Tokenizer
    const counted: Array<Counted> = []
    for (const file of readdirSync(path.join(corpus, folder))) {
      const { expected, provider, request } = JSON.parse(
        readFileSync(path.join(corpus, folder, file), "utf8")
      ) as Recorded
      const reported = expected.usage?.inputTokens ?? 0
      if (!providers.includes(provider) || artefacts.has(file) || reported === 0) continue
      if (request === null || request.body === null || (request.elidedBlobs ?? 0) > 0) continue
      const model = request.body["model"]
      const decoded = decode(request.body)
      if (typeof model !== "string" || Result.isFailure(decoded)) continue
      const prompt = makeRequest(decoded.success)
      if (!promptOf(prompt, lookup({ kind, model }), model).complete) continue
      const { tokens } = yield* tokenizer.countPrompt(prompt, { kind, model })
      const difference = tokens - reported
      counted.push({ file, kind: kindOf(prompt), difference, relative: Math.abs(difference / reported) })
    }
    return counted
  }).pipe(Effect.provide(Tokenizer.layer({ limits: () => ({ kind, contextWindow: undefined, maxTokens: undefined }) })))

const medianOf = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

const tableOf = (counted: ReadonlyArray<Counted>) =>
  Object.fromEntries(
    Object.entries(Object.groupBy(counted, ({ kind }) => kind)).map(([kind, calls = []]) => [
      kind,
      {
        calls: calls.length,
        equal: calls.filter(({ difference }) => difference === 0).length,
        "within 3": calls.filter(({ difference }) => Math.abs(difference) <= 3).length,
        "median error %": Math.round(1000 * medianOf(calls.map(({ relative }) => relative))) / 10
      }
    ])
  )

const own = ["openai", "copilot", "chatgpt"]

describe.skipIf(!hasCorpus)("prompts of recorded calls (../shared/fixtures)", () => {
  it.effect("are counted as Chat Completions bills them", () =>
    Effect.gen(function* () {
      const table = tableOf(yield* countedOf("openai-chat", own, "openai", decodeChat))
      console.table(table)
      expect(table["text"]!.equal / table["text"]!.calls).toBe(1)
      expect(table["tools"]!.equal / table["tools"]!.calls).toBeGreaterThanOrEqual(0.9)
      expect(table["schema"]!.equal / table["schema"]!.calls).toBeGreaterThanOrEqual(0.9)
      expect(table["calls"]!["within 3"] / table["calls"]!.calls).toBeGreaterThanOrEqual(0.75)
      expect(table["calls"]!["median error %"]).toBeLessThan(1)
    })
  )

  it.effect("are counted as Responses bills them", () =>
    Effect.gen(function* () {
      const table = tableOf(yield* countedOf("openai-responses", own, "openai", decodeResponses))
      console.table(table)
      expect(table["text"]!.equal / table["text"]!.calls).toBe(1)
      expect(table["tools"]!.equal / table["tools"]!.calls).toBeGreaterThanOrEqual(0.9)
      expect(table["schema"]!.equal / table["schema"]!.calls).toBeGreaterThanOrEqual(0.85)
      expect(table["calls"]!["median error %"]).toBeLessThan(1)
    })
  )

  it.effect("are estimated near what Anthropic bills, before anything is learned", () =>
    Effect.gen(function* () {
      const decode: Decode = (body) => decodeMessages(body)
      const counted = yield* countedOf("anthropic-messages", ["anthropic"], "anthropic", decode)
      console.table(tableOf(counted))
      expect(counted.length).toBeGreaterThan(80)
      expect(medianOf(counted.map(({ relative }) => relative))).toBeLessThan(0.08)
    })
  )
})
