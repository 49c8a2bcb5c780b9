/**
 * Recorded answers of real providers, replayed by a server behind the gateway and asked for through it: whoever asks in
 * OpenAI's dialect gets the text, tool calls, finish reason, usage and errors that the references read, streamed or whole,
 * whatever the provider sent and however the network cut it.
 *
 * What differs on purpose. An OpenAI-compatible provider's own body and events are handed on as they came, with its own
 * figures. Everything that is written anew has the fields that OpenAI documents: reasons to finish that OpenAI has no word
 * for are `stop`, reasoning is `reasoning_content`, and ids and names of models are those of the provider only in streams.
 * A stream without its end is an error, where the references return what came.
 */
import type { ServerResponse } from "node:http"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { type Answer, ask, user } from "../support/client.ts"
import { idle, startGateway, type TestGateway } from "../support/gateway.ts"
import { startUpstream, type TestUpstream, type UpstreamRequest } from "../support/upstream.ts"
import { dataOf, type ReadAnswer, readStream, readWhole } from "./ChatReader.ts"
import { casesOf, compare, type Expected, hasCorpus, type RecordedCase, statusOfKind } from "./Recorded.ts"
import { replay } from "./Replay.ts"

const endpoints = ["openai-chat", "anthropic-messages"] as const
type Endpoint = (typeof endpoints)[number]

const cases = new Map<Endpoint, ReadonlyArray<RecordedCase>>(
  endpoints.map((endpoint) => [endpoint, hasCorpus ? casesOf(endpoint) : []])
)
const byId = new Map([...cases.values()].flat().map((recorded) => [recorded.id, recorded]))

/** Bytes of each write of the provider's server; 0 writes everything at once. */
let pieceBytes = 0

const serve = async (response: ServerResponse, request: UpstreamRequest): Promise<void> => {
  const { response: answer, streaming } = byId.get(request.json["model"] as string)!
  const { body, headers, status } = answer
  // Some recordings kept no headers.
  response.writeHead(status, streaming ? { ...headers, "content-type": "text/event-stream" } : headers)
  const bytes = Buffer.from(body)
  for (let at = 0; pieceBytes > 0 && at < bytes.length; at += pieceBytes) {
    response.write(bytes.subarray(at, at + pieceBytes))
    if (at % (64 * pieceBytes) === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  response.end(pieceBytes > 0 ? undefined : bytes)
}

const suite = hasCorpus
  ? "recorded payloads through the gateway"
  : "recorded payloads through the gateway (skipped: ../shared/fixtures is not here)"

describe.skipIf(!hasCorpus)(suite, () => {
  let upstream: TestUpstream
  let gateway: TestGateway
  beforeAll(async () => {
    upstream = await startUpstream(serve)
    // Recordings report the limits of a thousand accounts; nothing is to be learned from them.
    const rateLimits = { learn: false }
    const shared = { apiKey: "recorded-key-0123456789", baseUrl: upstream.url, model: "unused", rateLimits }
    gateway = await startGateway(
      {
        providers: [
          { ...shared, name: "openai-chat", kind: "openai-compatible" },
          { ...shared, name: "anthropic-messages", kind: "anthropic", maxTokens: 1000 }
        ],
        cache: { enabled: false },
        retry: { maxAttempts: 1, maxDelay: 1 },
        breaker: { minimumCalls: 1_000_000 }
      },
      { virtual: true }
    )
  })
  afterAll(async () => {
    const { providers } = await idle(gateway)
    expect(providers.map(({ active }) => active)).toEqual([0, 0])
    await gateway.close()
    await upstream.close()
  })

  const fetchCase = (recorded: RecordedCase, stream: boolean): Promise<Answer> =>
    ask(gateway.url, {
      ...user("What was recorded?"),
      model: `${recorded.endpoint}/${recorded.id}`,
      ...(stream ? { stream, stream_options: { include_usage: true } } : {})
    })

  /** Asks for each case and gives back what is wrong with the answers, a line for each. */
  const wrongIn = async (
    concerned: ReadonlyArray<RecordedCase>,
    streamed: (recorded: RecordedCase) => boolean,
    judge: (recorded: RecordedCase, answer: Answer) => ReadonlyArray<string>
  ): Promise<ReadonlyArray<string>> => {
    const wrong: Array<string> = []
    expect(concerned.length).toBeGreaterThan(0)
    for (const recorded of concerned) {
      const answer = await fetchCase(recorded, streamed(recorded))
      wrong.push(...judge(recorded, answer).map((line) => `${recorded.id} ${line}`))
      // A provider that asked for a pause is ready again for the next case.
      if (answer.status === 429) await gateway.later("1 day")
    }
    return wrong
  }

  const isAnswer = ({ expected }: RecordedCase) => expected.outcome === "success"
  const asRecorded = ({ streaming }: RecordedCase) => streaming
  const theOther = ({ streaming }: RecordedCase) => !streaming

  it("openai-chat, asked as recorded: bodies and events come through as they were", async () => {
    const concerned = cases.get("openai-chat")!.filter(isAnswer)
    expect(await wrongIn(concerned, asRecorded, judgePassed)).toEqual([])
  })

  it("anthropic-messages, asked as recorded: every answer says what the references read", async () => {
    const concerned = cases.get("anthropic-messages")!.filter(isAnswer)
    expect(await wrongIn(concerned, asRecorded, judgeWritten)).toEqual([])
  })

  it.each(endpoints)("%s, asked the other way: a stream is collected, a whole answer is streamed", async (endpoint) => {
    expect(await wrongIn(cases.get(endpoint)!.filter(isAnswer), theOther, judgeWritten)).toEqual([])
  })

  it.each(endpoints)("%s: failures have the right status, shape and Retry-After, streamed or not", async (endpoint) => {
    const concerned = cases.get(endpoint)!.filter((recorded) => !isAnswer(recorded))
    expect(await wrongIn(concerned, asRecorded, judgeFailure)).toEqual([])
    const whole = concerned.filter(({ expected }) => expected.outcome === "http-error")
    expect(await wrongIn(whole, theOther, judgeFailure)).toEqual([])
  })

  it.each([1, 7])(
    "a sample, cut into pieces of %i bytes: nothing changes",
    async (bytes) => {
      const small = endpoints.flatMap((endpoint) =>
        cases
          .get(endpoint)!
          .filter(({ id, response }, index) => id.startsWith("mut") || (response.body.length < 3000 && index % 6 === 0))
      )
      pieceBytes = bytes
      const judge = (recorded: RecordedCase, answer: Answer) =>
        !isAnswer(recorded)
          ? judgeFailure(recorded, answer)
          : recorded.endpoint === "openai-chat"
            ? judgePassed(recorded, answer)
            : judgeWritten(recorded, answer)
      try {
        expect(await wrongIn(small, asRecorded, judge)).toEqual([])
      } finally {
        pieceBytes = 0
      }
    },
    60_000
  )
})

const read = (answer: Answer): ReadAnswer =>
  answer.headers.get("content-type")!.startsWith("text/event-stream")
    ? readStream(dataOf(answer.text))
    : readWhole(answer.json)

/** For answers in the provider's own words: the same JSON, and the same to a tolerant reader. */
const judgePassed = (recorded: RecordedCase, answer: Answer): ReadonlyArray<string> => {
  const wrong = new Differences(recorded)
  wrong.equal("status", answer.status, 200)
  const { response, streaming } = recorded
  if (!streaming) {
    const { usage, "x-millrace": mark, ...rest } = answer.json
    const { usage: stated, ...own } = JSON.parse(response.body)
    wrong.equal("body", rest, own)
    if (recorded.expected.usage == null) wrong.equal("usage", mark, { usage_estimated: true })
    else wrong.equal("usage", usage, stated)
  } else {
    const sent = dataOf(response.body)
    const came = dataOf(answer.text)
    if (isUnfinished(recorded)) {
      wrong.equal("events", came.slice(0, -1), sent)
      wrong.equal("error", came.at(-1).error.code, "stream_truncated")
      return wrong.lines
    }
    const ended = sent.includes("[DONE]") ? sent.slice(0, sent.indexOf("[DONE]")) : sent
    const estimated = came.filter((event: any) => event["x-millrace"] !== undefined)
    wrong.equal("events", came.slice(0, ended.length), ended)
    wrong.equal("end", came.slice(ended.length), [...estimated, "[DONE]"])
    wrong.equal("estimates", estimated.length, recorded.expected.usage == null ? 1 : 0)
  }
  if (recorded.expected.usage == null) return wrong.lines
  const decoded = replay(openAiChat, { ...recorded, response: { ...response, body: answer.text } })
  return [...wrong.lines, ...compare(recorded, decoded).wrong]
}

/** For answers that are written anew: by the letter of OpenAI's reference. */
const judgeWritten = (recorded: RecordedCase, answer: Answer): ReadonlyArray<string> => {
  const { expected } = recorded
  const wrong = new Differences(recorded)
  const found = read(answer)
  if (isUnfinished(recorded)) {
    wrong.equal("error", found.error?.code, "stream_truncated")
    return wrong.lines
  }
  wrong.equal("status", answer.status, 200)
  wrong.equal("error", found.error, undefined)
  wrong.equal("done", found.done, true)
  wrong.equal("text", found.text, expected.text ?? "")
  if (!/"reasoning_details"/.test(recorded.response.body))
    wrong.equal("reasoning", found.reasoning, expected.reasoning ?? "")
  wrong.equal("refusal", found.refusal, expected.refusal ?? "")
  wrong.equal(
    "toolCalls",
    found.toolCalls.map(({ arguments: args, id, name }) => ({ id, name, arguments: parsed(args) })),
    toolCallsOf(expected)
  )
  wrong.equal("finishReason", found.finishReason, finishReasonOf(expected))
  wrong.equal("estimated", found.estimated, expected.usage == null)
  if (expected.usage != null) {
    const input = expected.usage.inputTokens ?? 0
    const output = Math.max((expected.usage.totalTokens ?? 0) - input, expected.usage.outputTokens ?? 0)
    wrong.equal("usage.inputTokens", found.usage?.prompt_tokens, input)
    wrong.equal("usage.outputTokens", found.usage?.completion_tokens, output)
    wrong.equal("usage.totalTokens", found.usage?.total_tokens, input + output)
    const cached = Math.min(expected.usage.cachedInputTokens ?? 0, input)
    const read = found.usage?.prompt_tokens_details?.cached_tokens
    if (cached > 0 || !new RegExp(`"cached_tokens": ?${read}\\b`).test(recorded.response.body)) {
      wrong.equal("usage.cachedInputTokens", read, cached)
    }
    const reasoning = Math.min(expected.usage.reasoningTokens ?? 0, output)
    wrong.equal("usage.reasoningTokens", found.usage?.completion_tokens_details?.reasoning_tokens, reasoning)
  }
  return wrong.lines
}

const judgeFailure = (recorded: RecordedCase, answer: Answer): ReadonlyArray<string> => {
  const { expected } = recorded
  const wrong = new Differences(recorded)
  const found = read(answer)
  const begun = (expected.text ?? "") + (expected.reasoning ?? "") + (expected.textPrefixOf ?? "") !== ""
  if (expected.outcome === "truncated" || (expected.outcome === "stream-error" && begun)) {
    wrong.equal("status", answer.status, 200)
    wrong.equal("text", found.text, (expected.textPrefixOf ?? expected.text ?? "").slice(0, found.text.length))
    wrong.equal("end", [found.done, found.finishReason], [false, expected.rawFinishReason ?? null])
    wrong.equal("error", found.error?.code, expected.outcome === "truncated" ? "stream_truncated" : found.error?.code)
    wrong.equal("error", Object.keys(found.error ?? {}).toSorted(), ["code", "message", "param", "type"])
    return wrong.lines
  }
  const { error } = expected
  const status = statusOfKind(expected.error!.kind, recorded.response.status)
  if (status !== undefined) wrong.equal("status", answer.status, status)
  wrong.equal("error", Object.keys(found.error ?? {}).toSorted(), ["code", "message", "param", "type"])
  wrong.equal(
    "fault",
    answer.headers.get("x-millrace-fault"),
    answer.status < 500 && answer.status !== 429 ? "caller" : "provider"
  )
  wrong.equal("error.message", found.error!.message.includes(recorded.endpoint), true)
  const retryAfterMs = error!.retryAfterMs ?? (error!.retryAfterHttpDate === undefined ? undefined : 0)
  if (answer.status === 429 && retryAfterMs != null && retryAfterMs > 0) {
    wrong.equal("retry-after", answer.headers.get("retry-after"), String(Math.max(1, Math.ceil(retryAfterMs / 1000))))
  }
  return wrong.lines
}

const finishReasonOf = ({ finishReason, toolCalls = [] }: Expected): string => {
  switch (finishReason) {
    case "length":
    case "stop":
    case "error":
      return finishReason
    case "content-filter":
      return "content_filter"
    case "tool-calls":
      return "tool_calls"
    default:
      return toolCalls.length > 0 ? "tool_calls" : "stop"
  }
}

const toolCallsOf = ({ toolCalls = [] }: Expected) =>
  toolCalls.map(({ arguments: args, id, name }) => ({ id, name, arguments: args }))

/** The corpus marks arguments that are no JSON. */
const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text === "" ? "{}" : text)
  } catch {
    return { __unparsed: text }
  }
}

/** A stream that stops without a finish reason or `[DONE]`: the references return what came, the gateway says so. */
const isUnfinished = ({ endpoint, expected, response, streaming }: RecordedCase): boolean =>
  streaming &&
  expected.finishReason === "interrupted" &&
  (endpoint === "anthropic-messages" || !/^data: ?\[DONE\]/m.test(response.body))

/** Lines for fields that differ; disputed ones are skipped. */
class Differences {
  readonly lines: Array<string> = []
  private readonly recorded: RecordedCase

  constructor(recorded: RecordedCase) {
    this.recorded = recorded
  }

  equal(field: string, actual: unknown, expected: unknown): void {
    if (this.recorded.expected.disputed?.[field] !== undefined) return
    const [left, right] = [JSON.stringify(actual), JSON.stringify(expected)]
    if (left !== right) this.lines.push(`${field}: expected ${clip(right)}, got ${clip(left)}`)
  }
}

const clip = (text: string | undefined): string => (text === undefined ? "nothing" : text.slice(0, 300))
