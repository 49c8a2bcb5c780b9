import { Result } from "effect"
import { describe, expect, it } from "vitest"
import type { AIRequest } from "../../../engine/src/Request.ts"
import { openAiCompletions } from "../../../engine/src/protocols/OpenAiCompletions.ts"
import { endpointOf, readText, refusal, requestOf, sent, sse } from "./Samples.ts"

const chunk = (text: string, finish_reason: string | null = null) => ({
  id: "cmpl_1",
  object: "text_completion",
  model: "m",
  choices: [{ index: 0, text, logprobs: null, finish_reason }]
})

describe("legacy completions", () => {
  it("send one message as the prompt and a conversation as a transcript", () => {
    const request = requestOf({
      prompt: "Once upon",
      maxTokens: 9,
      temperature: 0.5,
      topP: 0.9,
      stop: ["END"],
      seed: 7
    })
    expect(sent(openAiCompletions, request)).toMatchObject({
      url: "http://127.0.0.1:9/v1/completions",
      body: {
        model: "sample-model",
        prompt: "Once upon",
        max_tokens: 9,
        temperature: 0.5,
        top_p: 0.9,
        stop: ["END"],
        seed: 7,
        stream: false
      }
    })
    const conversation = requestOf({
      system: "be brief",
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: [{ type: "text", text: "hello" }] },
        { role: "user", content: "bye" }
      ],
      stream: true
    })
    expect(sent(openAiCompletions, conversation).body).toMatchObject({
      prompt: "System: be brief\n\nUser: hi\n\nAssistant: hello\n\nUser: bye\n\nAssistant:",
      stream: true,
      stream_options: { include_usage: true }
    })
  })

  it("send a body of this dialect on as it came", () => {
    const wire = {
      dialect: "openai-completions" as const,
      body: { prompt: ["a"], suffix: "z", max_tokens: 3 },
      needs: []
    }
    expect(sent(openAiCompletions, { ...requestOf({ prompt: "x" }), wire }).body).toEqual({
      prompt: ["a"],
      suffix: "z",
      max_tokens: 3,
      model: "sample-model",
      stream: false
    })
  })

  it("fail with what they have no place for", () => {
    const cases: ReadonlyArray<readonly [AIRequest, string]> = [
      [{ prompt: "x", tools: [{ name: "f" }] }, "tools"],
      [{ prompt: "x", responseFormat: { type: "json" } }, "structured output"],
      [{ prompt: "x", reasoning: { effort: "low" } }, "reasoning options"],
      [{ messages: [{ role: "user", content: [{ type: "image", image: "https://example.com" }] }] }, "image parts"]
    ]
    for (const [request, ability] of cases) {
      expect(refusal(openAiCompletions, requestOf(request))).toMatchObject({ _tag: "UnsupportedAbility", ability })
    }
  })

  it("read whole answers and streams, with their wire form", () => {
    const body = JSON.stringify({ ...chunk("Hello", "stop"), usage: { prompt_tokens: 3, completion_tokens: 1 } })
    expect(Result.getOrThrow(openAiCompletions.decodeWhole(body, endpointOf(), { wire: true }))).toMatchObject({
      id: "cmpl_1",
      content: [{ type: "text", text: "Hello" }],
      finishReason: "stop",
      usage: { uncachedInput: 3, output: 1 },
      wire: { dialect: "openai-completions", body }
    })
    const text = sse(chunk("Hel"), chunk("lo"), chunk("", "length"), "[DONE]")
    const { completion, parts } = readText(openAiCompletions, text, { wire: true })
    expect(completion).toMatchObject({ content: [{ type: "text", text: "Hello" }], finishReason: "length" })
    expect(parts.flatMap((part) => (part.type === "wire" ? [part.dialect] : []))).toEqual(
      Array.from({ length: 3 }, () => "openai-completions")
    )
    expect(readText(openAiCompletions, sse(chunk("Hel"))).error).toMatchObject({ _tag: "StreamTruncated" })
  })
})
