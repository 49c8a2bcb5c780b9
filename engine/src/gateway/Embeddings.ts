/**
 * `POST /v1/embeddings` and Gemini's `embedContent` and `batchEmbedContents`: vectors for texts.
 *
 * OpenAI's answer has numbers, or base64 of 32-bit little-endian floats when `encoding_format` asks for it. Lists of token
 * ids only an upstream of the same dialect can read; here they stand for a text of as many tokens. Gemini's content may
 * hold text alone.
 * Sources: the Embeddings reference of OpenAI and of the Gemini API.
 */
import { Result, Schema } from "effect"
import { InvalidRequest } from "../Errors.ts"
import type { EmbedInput } from "../Request.ts"
import { promptTokens, totalTokens } from "../Usage.ts"
import { bodyDecoder, name, optional, positive, text } from "./BodySchema.ts"
import type { DecodedBody, InboundDialect } from "./Dialect.ts"
import { encodeGoogleError } from "./GeminiAnswer.ts"
import { camelCased } from "./GeminiBody.ts"
import { type HintRules, hintsOf } from "./Hints.ts"
import { openAiError } from "./OpenAiErrors.ts"

const tokens = Schema.Array(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))).check(Schema.isMinLength(1))

export const EmbeddingsBody = Schema.Struct({
  model: optional(name),
  input: Schema.Union([
    Schema.NonEmptyString,
    Schema.Array(Schema.NonEmptyString).check(Schema.isMinLength(1)),
    tokens,
    Schema.Array(tokens).check(Schema.isMinLength(1))
  ]).annotate({ expected: "text, a list of texts, or lists of token ids" }),
  dimensions: optional(positive),
  encoding_format: optional(Schema.Literals(["float", "base64"])),
  user: optional(text)
})

const decodeEmbeddings = bodyDecoder(EmbeddingsBody)

export const embeddingsHints: HintRules = { hints: { user: undefined }, freeForm: new Set() }

export const embeddingsDialect: InboundDialect = {
  dialect: "openai-chat",
  decode: (body) =>
    Result.map(decodeEmbeddings(body), (read) => {
      const given = typeof read.input === "string" ? [read.input] : read.input
      const lists = given.every(Number.isInteger) ? [given as ReadonlyArray<number>] : given
      const input = lists.map((item) => (typeof item === "string" ? item : " a".repeat((item as Array<number>).length)))
      const isText = lists.some((item) => typeof item === "string")
      return {
        ...embedOnly(read.model ?? undefined, { input, dimensions: read.dimensions ?? undefined }),
        wire: {
          dialect: "openai-chat",
          body,
          needs: isText ? [] : ["token ids as input"],
          hints: () => hintsOf(body, decodeEmbeddings.known(body), embeddingsHints)
        }
      }
    }),
  encodeWhole: (call, completion) => {
    const asBase64 = call.request.wire?.body["encoding_format"] === "base64"
    return JSON.stringify({
      object: "list",
      data: (completion.embeddings ?? []).map((vector, index) => ({
        object: "embedding",
        index,
        embedding: asBase64 ? base64Of(vector) : vector
      })),
      model: completion.model === "" ? (call.journal.target?.model ?? "") : completion.model,
      usage: { prompt_tokens: promptTokens(completion.usage), total_tokens: totalTokens(completion.usage) },
      ...(completion.usage.estimated ? { "x-millrace": { usage_estimated: true } } : {})
    })
  },
  encodeError: (error) => JSON.stringify({ error: openAiError(error) })
}

const Embed = Schema.Struct({
  content: Schema.Struct({ parts: Schema.Array(Schema.Struct({ text })).check(Schema.isMinLength(1)) }),
  outputDimensionality: optional(positive),
  taskType: optional(text),
  title: optional(text)
})

const decodeEmbed = bodyDecoder(Embed)
const decodeBatch = bodyDecoder(Schema.Struct({ requests: Schema.Array(Embed).check(Schema.isMinLength(1)) }))

export const geminiEmbedHints: HintRules = {
  hints: { "*.taskType": undefined, "*.title": undefined },
  inert: new Set(["model"]),
  freeForm: new Set()
}

/** One text (`embedContent`) or several (`batchEmbedContents`). */
export const geminiEmbedDialect = (model: string, batch: boolean): InboundDialect => ({
  dialect: "gemini",
  decode: (raw) => {
    const body = camelCased(raw)
    const read = batch
      ? Result.map(decodeBatch(body), ({ requests }) => requests)
      : Result.map(decodeEmbed(body), (one) => [one])
    return Result.flatMap(read, (requests) => {
      const dimensions = requests[0]!.outputDimensionality ?? undefined
      if (requests.some((one) => (one.outputDimensionality ?? undefined) !== dimensions)) {
        const field = "requests[].outputDimensionality"
        return Result.fail(new InvalidRequest({ field, detail: "expected the same for all requests" }))
      }
      const input = requests.map(({ content }) => content.parts.map((part) => part.text).join(""))
      return Result.succeed({
        ...embedOnly(model, { input, dimensions }),
        wire: {
          dialect: "gemini" as const,
          body: raw,
          needs: [],
          hints: () => hintsOf(body, (batch ? decodeBatch : decodeEmbed).known(body), geminiEmbedHints)
        }
      })
    })
  },
  encodeWhole: (_, completion) => {
    const embeddings = (completion.embeddings ?? []).map((values) => ({ values }))
    return JSON.stringify(batch ? { embeddings } : { embedding: embeddings[0] })
  },
  encodeError: encodeGoogleError
})

const embedOnly = (model: string | undefined, embed: EmbedInput): Omit<DecodedBody, "wire"> => ({
  model,
  messages: [],
  temperature: undefined,
  topP: undefined,
  maxTokens: undefined,
  stop: undefined,
  seed: undefined,
  tools: undefined,
  toolChoice: undefined,
  responseFormat: undefined,
  reasoning: undefined,
  stream: false,
  embed
})

const base64Of = (vector: ReadonlyArray<number>): string => {
  const bytes = Buffer.alloc(4 * vector.length)
  vector.forEach((value, index) => bytes.writeFloatLE(value, 4 * index))
  return bytes.toString("base64")
}
