/**
 * `POST /v1/embeddings` and Gemini's `embedContent` and `batchEmbedContents`, over OpenAI, Gemini and the simulator.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { postTo } from "../support/dialects.ts"
import { startGateway, type TestGateway } from "../support/gateway.ts"
import { sendJson, startUpstream, type TestUpstream } from "../support/upstream.ts"

let gateway: TestGateway
let openai: TestUpstream
let google: TestUpstream

const vectors = [
  [0.5, -0.25, 0.125],
  [1, 0, -1]
]

beforeAll(async () => {
  openai = await startUpstream((response, request) => {
    const { input } = request.json as { readonly input: string | ReadonlyArray<string> }
    const data = [input].flat(input instanceof Array && typeof input[0] === "number" ? 0 : 1)
    void sendJson(200, {
      object: "list",
      data: data.map((_, index) => ({ object: "embedding", index, embedding: vectors[index] })).reverse(),
      model: "embed-up",
      usage: { prompt_tokens: 7, total_tokens: 7 }
    })(response, request)
  })
  google = await startUpstream((response, request) => {
    const found = vectors.map((values) => ({ values }))
    void sendJson(200, request.path.includes("batch") ? { embeddings: found } : { embedding: found[0] })(
      response,
      request
    )
  })
  const shared = { apiKey: "canary-key", model: "e" }
  gateway = await startGateway({
    providers: [
      { ...shared, name: "openai", baseUrl: `${openai.url}/v1` },
      { ...shared, name: "google", baseUrl: google.url },
      { ...shared, name: "anthropic", baseUrl: openai.url },
      { name: "simulated", kind: "simulated", simulated: { latency: 0, tokensPerSecond: 0 } }
    ],
    retry: { maxAttempts: 1 },
    cache: { enabled: true }
  })
})
afterAll(async () => {
  await gateway.close()
  await openai.close()
  await google.close()
})

const embed = (body: object) => postTo(`${gateway.url}/v1/embeddings`, body)
const last = (upstream: TestUpstream) => upstream.requests[upstream.requests.length - 1]!

const floats = (base64: string): ReadonlyArray<number> => {
  const bytes = Buffer.from(base64, "base64")
  return Array.from({ length: bytes.length / 4 }, (_, index) => bytes.readFloatLE(4 * index))
}

describe("OpenAI's dialect", () => {
  it("gives one vector for each text, in order, with usage and who answered", async () => {
    const { headers, json } = await embed({ model: "openai/e", input: ["one", "two"], user: "u", dimensions: 3 })
    expect(json).toEqual({
      object: "list",
      data: vectors.map((embedding, index) => ({ object: "embedding", index, embedding })),
      model: "embed-up",
      usage: { prompt_tokens: 7, total_tokens: 7 }
    })
    expect(headers.get("x-millrace-provider")).toBe("openai")
    expect(last(openai).path).toBe("/v1/embeddings")
    expect(last(openai).json).toMatchObject({ model: "e", input: ["one", "two"], user: "u", dimensions: 3 })
  })

  it("base64 is the same numbers as 32-bit floats", async () => {
    const { json } = await embed({ model: "openai/e", input: "one", encoding_format: "base64" })
    expect(floats(json.data[0].embedding as string)).toEqual(vectors[0])
  })

  it("the simulator and Gemini answer it too; what they can't take is said", async () => {
    const simulated = await embed({
      model: "simulated/simulated",
      input: ["the cat sat", "the cat sat", "quite another"]
    })
    const [one, same, other] = simulated.json.data as ReadonlyArray<{ readonly embedding: ReadonlyArray<number> }>
    expect(one!.embedding).toEqual(same!.embedding)
    expect(one!.embedding).not.toEqual(other!.embedding)
    const gemini = await embed({ model: "google/e", input: ["one", "two"], user: "u" })
    expect(gemini.json.data).toMatchObject(vectors.map((embedding, index) => ({ index, embedding })))
    expect(gemini.headers.get("x-millrace-omitted")).toBe("user")
    expect(gemini.json["x-millrace"]).toEqual({ usage_estimated: true })
    const unable = await embed({ model: "anthropic/e", input: "one" })
    expect(unable.status).toBe(400)
    expect(unable.json.error.message).toContain("embeddings")
  })

  it("lists of token ids go to OpenAI as they are, and nowhere else", async () => {
    const { json } = await embed({ model: "openai/e", input: [[1, 2, 3], [4]] })
    expect(last(openai).json).toMatchObject({ input: [[1, 2, 3], [4]] })
    expect(json.data).toHaveLength(2)
    const one = await embed({ model: "openai/e", input: [5, 6] })
    expect(last(openai).json).toMatchObject({ input: [5, 6] })
    expect(one.json.data).toHaveLength(1)
    const elsewhere = await embed({ model: "simulated/simulated", input: [[1, 2, 3]] })
    expect(elsewhere.status).toBe(400)
    expect(elsewhere.json.error.message).toContain("token ids")
  })

  it("the same texts are a cache hit; another encoding or length is not", async () => {
    const body = { model: "openai/e", input: "cached" }
    const ask = async (more: object = {}) => (await embed({ ...body, ...more })).headers.get("x-millrace-cache")
    expect([await ask(), await ask(), await ask({ dimensions: 2 }), await ask()]).toEqual([
      "miss",
      "hit",
      "miss",
      "hit"
    ])
    expect((await embed({ ...body, encoding_format: "base64" })).json.data[0].embedding).toBeTypeOf("string")
  })

  it.each([
    [{ input: "" }, "input"],
    [{ input: [] }, "input"],
    [{ input: [""] }, "input[0]"],
    [{}, "input"],
    [{ input: "x", dimensions: 0 }, "dimensions"],
    [{ input: "x", encoding_format: "hex" }, "encoding_format"]
  ])("%o is a 400 that names %s", async (body, field) => {
    const { json, status } = await embed({ model: "openai/e", ...body })
    expect(status).toBe(400)
    expect(json.error).toMatchObject({ type: "invalid_request_error", param: field })
  })
})

describe("Gemini's dialect", () => {
  const content = (text: string) => ({ content: { parts: [{ text }] } })
  const post = (path: string, body: object) => postTo(`${gateway.url}/v1beta/models/${path}`, body)

  it("embedContent gives one vector, from whoever answers", async () => {
    const own = await post("google/e:embedContent", { ...content("one"), taskType: "RETRIEVAL_QUERY" })
    expect(own.json).toEqual({ embedding: { values: vectors[0] } })
    expect(last(google).json).toMatchObject({ taskType: "RETRIEVAL_QUERY", content: { parts: [{ text: "one" }] } })
    const other = await post("openai/e:embedContent", { ...content("one"), taskType: "RETRIEVAL_QUERY" })
    expect(other.json).toEqual({ embedding: { values: vectors[0] } })
    expect(other.headers.get("x-millrace-omitted")).toBe("taskType")
  })

  it("batchEmbedContents gives one for each request", async () => {
    const requests = [
      { model: "models/e", ...content("one"), outputDimensionality: 3 },
      { model: "models/e", ...content("two"), output_dimensionality: 3 }
    ]
    expect((await post("openai/e:batchEmbedContents", { requests })).json).toEqual({
      embeddings: vectors.map((values) => ({ values }))
    })
    expect(last(openai).json).toMatchObject({ input: ["one", "two"], dimensions: 3 })
    const mixed = await post("openai/e:batchEmbedContents", {
      requests: [requests[0], { ...requests[1], output_dimensionality: 2 }]
    })
    expect([mixed.status, mixed.json.error.status]).toEqual([400, "INVALID_ARGUMENT"])
  })
})
