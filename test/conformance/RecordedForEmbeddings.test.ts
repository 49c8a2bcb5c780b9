/**
 * Recorded embeddings of every provider, asked for through the gateway and read by OpenAI's SDK, as base64 (which it asks
 * for by itself) and as numbers.
 */
import OpenAI from "openai"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Stage, startStage } from "./Matrix.ts"
import { casesOf, hasCorpus, type RecordedCase } from "./Recorded.ts"

const where = hasCorpus ? "" : " (skipped: ../shared/fixtures is not here)"

describe.skipIf(!hasCorpus)(`recorded embeddings${where}`, () => {
  let stage: Stage
  let client: OpenAI
  beforeAll(async () => {
    stage = await startStage()
    client = new OpenAI({ baseURL: `${stage.gateway.url}/v1`, apiKey: "any", maxRetries: 0 })
  })
  afterAll(() => stage.close())

  const cases = hasCorpus ? casesOf("openai-embeddings") : []

  const ask = ({ expected, id }: RecordedCase, encoding: "float" | undefined) =>
    client.embeddings.create({
      model: `openai-embeddings/${id}`,
      input: Array.from({ length: expected.embeddings?.count ?? 1 }, (_, index) => `text ${index}`),
      ...(encoding === undefined ? {} : { encoding_format: encoding })
    })

  it.each(["base64", "float"] as const)("vectors come as they were sent, as %s", async (encoding) => {
    const answered = cases.filter(({ expected }) => expected.outcome === "success")
    expect(answered.length).toBeGreaterThan(0)
    for (const recorded of answered) {
      const { base64, count, dims } = recorded.expected.embeddings!
      const answer = await ask(recorded, encoding === "float" ? encoding : undefined)
      expect(answer.data.map(({ index }) => index)).toEqual(Array.from({ length: count }, (_, index) => index))
      const sent = JSON.parse(recorded.response.body).data as ReadonlyArray<{ readonly embedding: unknown }>
      answer.data.forEach(({ embedding }, index) => {
        if (base64) {
          const sizes = [1, 4, 8].map((bytes) => 4 * Math.ceil((bytes * embedding.length) / 3))
          return expect(sizes).toContain(dims)
        }
        const own = sent[index]!.embedding as ReadonlyArray<number>
        expect(embedding.map(Math.fround), recorded.id).toEqual(own.map(Math.fround))
      })
      const { inputTokens, totalTokens } = recorded.expected.usage!
      expect(answer.usage.prompt_tokens, recorded.id).toBe(inputTokens ?? totalTokens)
    }
  })

  it("failures have the right status, as the SDK tells them apart", async () => {
    const failed = cases.filter(({ expected }) => expected.outcome !== "success")
    expect(failed.length).toBeGreaterThan(0)
    for (const recorded of failed) {
      const error = await ask(recorded, undefined).then(
        () => undefined,
        (failure: unknown) => failure as InstanceType<typeof OpenAI.APIError>
      )
      expect(error, recorded.id).toBeInstanceOf(OpenAI.APIError)
      expect(error!.message).toContain("openai-embeddings")
      const { kind } = recorded.expected.error!
      const statuses = { invalid_request: 400, authentication: 502, permission: 502, not_found: 404, server: 502 }
      const status = statuses[kind as keyof typeof statuses] as number | undefined
      if (status !== undefined) expect(error!.status, recorded.id).toBe(status)
      await stage.gateway.later("1 day")
    }
  })
})
