import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../../engine/src/protocols/AnthropicMessages.ts"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../../engine/src/protocols/OpenAiResponses.ts"
import { endpointOf, refusal, requestOf, sent } from "./Samples.ts"

const embedOf = (...input: ReadonlyArray<string>) => ({ input, dimensions: undefined })

const asked = (input: ReadonlyArray<string>, rest: object = {}) => ({
  ...requestOf({ prompt: "x" }),
  messages: [],
  embed: embedOf(...input),
  ...rest
})

const decoded = (body: unknown, count = 1, endpoint = endpointOf()) =>
  openAiChat.decodeWhole(typeof body === "string" ? body : JSON.stringify(body), endpoint, {
    embed: embedOf(...Array.from({ length: count }, () => "x"))
  })

const vectorsOf = (...data: ReadonlyArray<unknown>) =>
  Result.getOrThrow(decoded({ data }, data.length)).embeddings as ReadonlyArray<ReadonlyArray<number>>

const base64Of = (array: Float32Array | Float64Array | Int8Array): string =>
  Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString("base64")

describe("OpenAI embeddings requests", () => {
  it("go to /embeddings, through the Responses API's protocol as well", () => {
    for (const protocol of [openAiChat, openAiResponses]) {
      const request = asked(["a", "b"], { providerOptions: { user: "u" } })
      expect(sent(protocol, request)).toEqual({
        url: "http://127.0.0.1:9/v1/embeddings",
        headers: {
          "content-type": "application/json",
          accept: "application/json",
          authorization: "Bearer canary-5f1c9e7d"
        },
        omitted: [],
        body: { input: ["a", "b"], model: "sample-model", user: "u" }
      })
    }
  })

  it("name the length of the vectors as the server calls it, and ask OpenAI for base64", () => {
    const bodyAt = (baseUrl: string) => {
      const embed = { input: ["a"], dimensions: 8 }
      return sent(openAiChat, { ...asked([]), embed }, endpointOf({ baseUrl })).body
    }
    const model = "sample-model"
    expect(bodyAt("http://127.0.0.1:9")).toEqual({ input: ["a"], model, dimensions: 8 })
    expect(bodyAt("https://api.openai.com/v1")).toEqual({
      input: ["a"],
      model,
      dimensions: 8,
      encoding_format: "base64"
    })
    expect(bodyAt("https://api.voyageai.com/v1")).toEqual({ input: ["a"], model, output_dimension: 8 })
  })

  it("pass fields of a caller of the same dialect on, token ids too", () => {
    const wire = {
      dialect: "openai-chat" as const,
      body: { model: "ours", input: [[1, 2]], encoding_format: "base64", input_type: "query" },
      needs: []
    }
    expect(sent(openAiChat, asked([" a a"], { wire })).body).toEqual({
      model: "sample-model",
      input: [[1, 2]],
      input_type: "query"
    })
  })

  it("are refused where the provider has none", () => {
    expect(refusal(anthropicMessages, asked(["a"]))).toMatchObject({
      _tag: "UnsupportedAbility",
      ability: "embeddings"
    })
  })
})

describe("OpenAI embeddings answers", () => {
  it("give a vector for each text, in the order of the texts", () => {
    const answer = {
      model: "m",
      data: [
        { index: 1, embedding: [3, 4] },
        { index: 0, embedding: [1, 2] }
      ],
      usage: { prompt_tokens: 7, total_tokens: 7 }
    }
    expect(Result.getOrThrow(decoded(answer, 2))).toEqual({
      id: "",
      model: "m",
      content: [],
      finishReason: "stop",
      rawFinishReason: undefined,
      usage: { uncachedInput: 7, cacheReadInput: 0, cacheWriteInput: 0, output: 0, reasoning: 0, estimated: false },
      embeddings: [
        [1, 2],
        [3, 4]
      ]
    })
  })

  it("give usage by its total where there is nothing else, and say when there is none", () => {
    const usageOf = (usage: unknown) => Result.getOrThrow(decoded({ data: [{ embedding: [1] }], usage })).usage
    expect(usageOf({ total_tokens: 3 })).toMatchObject({ uncachedInput: 3, estimated: false })
    expect(usageOf(undefined)).toMatchObject({ uncachedInput: 0, estimated: true })
  })

  it("read base64 of floats as the numbers they are", () => {
    const unit = fc.float({ min: -1, max: 1, noNaN: true })
    fc.assert(
      fc.property(fc.array(unit, { minLength: 1, maxLength: 40 }), (values) => {
        fc.pre(!values.every((value, index) => index % 2 === 1 || value === 0))
        expect(vectorsOf({ embedding: base64Of(new Float32Array(values)) })).toEqual([values])
      })
    )
  })

  it("read base64 of doubles, which old vLLM servers send", () => {
    const components = Array.from({ length: 64 }, (_, index) => Math.sin(index + 1) / 8)
    expect(vectorsOf({ embedding: base64Of(new Float64Array(components)) })).toEqual([components])
    const coarse = components.map((value) => Math.round(value * 256) / 256)
    expect(vectorsOf({ embedding: base64Of(new Float64Array(coarse)) })).toEqual([coarse])
  })

  it("read base64 of 8-bit integers from the server that sends them", () => {
    const perplexity = endpointOf({ baseUrl: "https://api.perplexity.ai" })
    const body = { data: [{ embedding: base64Of(new Int8Array([-128, 0, 127])) }] }
    expect(Result.getOrThrow(decoded(body, 1, perplexity)).embeddings).toEqual([[-128, 0, 127]])
  })

  it.each([
    ["", "an empty body"],
    ["<!doctype html>", "an HTML page instead of JSON"],
    ['{"object":"list"}', "JSON without embeddings"],
    ['{"data":[]}', "0 embeddings for 1 texts"],
    ['{"data":[{"embedding":[1]},{"embedding":[2]}]}', "2 embeddings for 1 texts"],
    ['{"data":[{"embedding":[]}]}', "0 embeddings for 1 texts"],
    ['{"data":[{"embedding":[[1]]}]}', "0 embeddings for 1 texts"],
    ['{"data":[{"embedding":[null]}]}', "0 embeddings for 1 texts"],
    ['{"data":[{"embedding":"AAA="}]}', "0 embeddings for 1 texts"],
    ['{"data":[{"index":0,"embedding":[1]},null]}', undefined]
  ])("of %j are told apart from vectors", (body, detail) => {
    const result = decoded(body)
    if (detail === undefined) expect(Result.isSuccess(result)).toBe(true)
    else expect(Result.getOrThrow(Result.flip(result))).toMatchObject({ _tag: "ProviderInvalidResponse", detail })
  })

  it("turn an error inside a 200 into a failure", () => {
    const body = { error: { message: "x", type: "server_error" } }
    expect(Result.getOrThrow(Result.flip(decoded(body)))).toMatchObject({
      _tag: "ProviderServerError",
      upstreamStatus: 200
    })
  })

  it("never throw, whatever comes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(3), (value, count) => {
        decoded(JSON.stringify({ data: value }), count)
        decoded(JSON.stringify({ data: [{ index: value, embedding: value }] }), count)
      })
    )
  })
})
