import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { gemini } from "../../../engine/src/protocols/Gemini.ts"
import { endpointOf, requestOf, sent } from "./Samples.ts"

const google = endpointOf({ baseUrl: "https://generativelanguage.googleapis.com", model: "gemini-embedding-001" })

const asked = (input: ReadonlyArray<string>, dimensions?: number, rest: object = {}) => ({
  ...requestOf({ prompt: "x" }),
  messages: [],
  embed: { input, dimensions },
  ...rest
})

const decoded = (body: unknown, count = 1) =>
  gemini.decodeWhole(JSON.stringify(body), google, {
    embed: { input: Array.from({ length: count }, () => "x"), dimensions: undefined }
  })

describe("Gemini embeddings", () => {
  it("ask for one text by embedContent and for several by batchEmbedContents", () => {
    const model = "models/gemini-embedding-001"
    const at = "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001"
    const one = { model, content: { parts: [{ text: "a" }] }, outputDimensionality: 8, taskType: "CLUSTERING" }
    const providerOptions = { taskType: "CLUSTERING" }
    expect(sent(gemini, asked(["a"], 8, { providerOptions }), google)).toMatchObject({
      url: `${at}:embedContent`,
      headers: { "x-goog-api-key": "canary-5f1c9e7d" },
      body: one
    })
    const several = sent(gemini, asked(["a", "b"], 8, { providerOptions }), google)
    expect(several.url).toBe(`${at}:batchEmbedContents`)
    expect(several.body).toEqual({ requests: [one, { ...one, content: { parts: [{ text: "b" }] } }] })
  })

  it("keep what a caller of this dialect said of each text", () => {
    const requests = [
      { model: "models/ours", content: { parts: [{ text: "a" }] }, taskType: "RETRIEVAL_QUERY" },
      { model: "models/ours", content: { parts: [{ text: "b" }] }, title: "t" }
    ]
    const wire = { dialect: "gemini" as const, body: { requests }, needs: [] }
    expect(sent(gemini, asked(["a", "b"], undefined, { wire }), google).body).toEqual({
      requests: requests.map((request) => ({ ...request, model: "models/gemini-embedding-001" }))
    })
  })

  it("give a vector for each text; usage where it is reported", () => {
    expect(Result.getOrThrow(decoded({ embedding: { values: [1, 2] } }))).toMatchObject({
      model: "gemini-embedding-001",
      finishReason: "stop",
      embeddings: [[1, 2]],
      usage: { estimated: true }
    })
    const several = { embeddings: [{ values: [1] }, { values: [2] }], usageMetadata: { promptTokenCount: 5 } }
    expect(Result.getOrThrow(decoded(several, 2))).toMatchObject({
      embeddings: [[1], [2]],
      usage: { uncachedInput: 5, estimated: false }
    })
  })

  it("say what is missing, and turn an error inside a 200 into a failure", () => {
    expect(Result.getOrThrow(Result.flip(decoded({ embeddings: [{ values: [1] }] }, 2)))).toMatchObject({
      _tag: "ProviderInvalidResponse",
      detail: "1 embeddings for 2 texts"
    })
    expect(Result.getOrThrow(Result.flip(decoded({ error: { code: 503, message: "busy" } })))).toMatchObject({
      _tag: "ProviderOverloaded"
    })
    expect(Result.getOrThrow(Result.flip(decoded("x")))).toMatchObject({ _tag: "ProviderInvalidResponse" })
  })
})
