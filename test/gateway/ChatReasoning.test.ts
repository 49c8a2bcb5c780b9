/**
 * Signed reasoning through a caller of Chat Completions: what a caller gives back as it came is what the provider signed.
 */
import { Result } from "effect"
import { describe, expect, it } from "vitest"
import { type Call, makeCall } from "../../engine/src/Call.ts"
import { chatDialect } from "../../engine/src/gateway/ChatAnswer.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import type { Message } from "../../engine/src/Request.ts"
import * as Reply from "../../engine/src/Reply.ts"
import * as Usage from "../../engine/src/Usage.ts"
import { endpointOf, requestOf, sent } from "../engine/protocols/Samples.ts"
import { eventsOf } from "../support/client.ts"

const clock = { currentTimeMillisUnsafe: () => 1_760_000_000_000 } as Call["clock"]

const call = makeCall({ ...requestOf({ prompt: "hi", model: "m" }), stream: true, id: "req_sample" }, clock)

const completionOf = (content: ReadonlyArray<Reply.Block>): Reply.Completion => ({
  id: "1",
  model: "m",
  content,
  finishReason: "stop",
  rawFinishReason: "stop",
  usage: Usage.zero
})

const wholeMessage = (content: ReadonlyArray<Reply.Block>) =>
  (JSON.parse(chatDialect.encodeWhole(call, completionOf(content))) as any).choices[0].message

/** The message that a client adds up from a stream. */
const streamedMessage = (content: ReadonlyArray<Reply.Block>) => {
  const encoder = chatDialect.encodeStream!(call)
  const text =
    Reply.toParts(completionOf(content))
      .map((part) => encoder.part(part))
      .join("") + encoder.end()
  const message: any = { role: "assistant", content: null }
  for (const event of eventsOf(text)) {
    const delta = event.choices?.[0]?.delta ?? {}
    if (delta.content !== undefined) message.content = (message.content ?? "") + delta.content
    if (delta.reasoning_content !== undefined)
      message.reasoning_content = (message.reasoning_content ?? "") + delta.reasoning_content
    if (delta.reasoning_details !== undefined)
      message.reasoning_details = [...(message.reasoning_details ?? []), ...delta.reasoning_details]
    for (const { index: _, ...piece } of delta.tool_calls ?? [])
      message.tool_calls = [...(message.tool_calls ?? []), piece]
  }
  return message
}

const givenBack = (message: object): Message => {
  const body = { model: "m", messages: [{ role: "user", content: "hi" }, message] }
  return Result.getOrThrow(chatDialect.decode(body, "default")).messages[1]!
}

const callBlock: Reply.Block = { type: "tool-call", id: "c", name: "f", arguments: "{}" }
const text: Reply.Block = { type: "text", text: "so" }

const turns: ReadonlyArray<readonly [string, ReadonlyArray<Reply.Block>]> = [
  ["Anthropic's signature", [{ type: "reasoning", text: "thought", signature: "EqQB" }, text, callBlock]],
  [
    "Anthropic's redacted block",
    [{ type: "reasoning", text: "thought", signature: "EqQB" }, { type: "reasoning", text: "", redacted: "Em8B" }, text]
  ],
  [
    "OpenAI's encrypted item",
    [{ type: "reasoning", text: "sum", signature: "openai-responses:summary:rs_1:gA" }, text]
  ],
  ["Gemini's signature of a call", [{ type: "reasoning", text: "", signature: "gemini:CiQB" }, callBlock]],
  ["Gemini's thought and signature", [{ type: "reasoning", text: "thought", signature: "gemini:CiQB" }, callBlock]],
  [
    "Gemini's signatures of two calls",
    [
      { type: "reasoning", text: "", signature: "gemini:CiQB" },
      callBlock,
      { type: "reasoning", text: "", signature: "gemini:DiQB" },
      { ...callBlock, id: "d" }
    ]
  ],
  [
    "a router's encrypted detail",
    [{ type: "reasoning", text: "", redacted: '{"type":"reasoning.encrypted","data":"x"}' }, text]
  ],
  ["no signature at all", [{ type: "reasoning", text: "thought" }, text]]
]

describe("reasoning given back by a Chat caller", () => {
  it.each(turns)("%s", (_, content) => {
    expect(givenBack(wholeMessage(content)).content).toEqual(content)
    expect(givenBack(streamedMessage(content)).content).toEqual(content)
  })

  it("has a call's signature where Google's compatible endpoint has it", () => {
    const [, content] = turns[3]!
    expect(wholeMessage(content).tool_calls[0].extra_content).toEqual({ google: { thought_signature: "CiQB" } })
  })

  it("goes to that endpoint in the same place, and not to servers that refuse what they don't know", () => {
    const request = requestOf({
      messages: [
        { role: "user", content: "hi" },
        { role: "assistant", content: turns[3]![1] as never }
      ]
    })
    const google = endpointOf({
      baseUrl: "https://generativelanguage.googleapis.com/v1beta/openai",
      model: "gemini-3-pro"
    })
    expect((sent(openAiChat, request, google).body as any)["messages"][1].tool_calls[0].extra_content).toEqual({
      google: { thought_signature: "CiQB" }
    })
    const message = wholeMessage([{ type: "reasoning", text: "thought", signature: "EqQB" }, ...turns[3]![1], text])
    const body = { model: "m", messages: [{ role: "user", content: "hi" }, message] }
    const decoded = { ...requestOf({ prompt: "hi" }), ...Result.getOrThrow(chatDialect.decode(body, "default")) }
    const openai = sent(openAiChat, decoded, endpointOf({ baseUrl: "https://api.openai.com/v1", model: "gpt-5.4" }))
    expect(JSON.stringify(openai.body)).not.toMatch(/reasoning|extra_content|thought/)
    expect(openai.omitted).toEqual(["messages[1].reasoning", "messages[1].tool_calls[0].extra_content"])
    const vllm = sent(openAiChat, decoded, endpointOf({ baseUrl: "http://localhost:8000/v1", model: "m" }))
    expect((vllm.body as any)["messages"][1]).toEqual(message)
  })
})
