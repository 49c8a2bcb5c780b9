import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../../engine/src/protocols/AnthropicMessages.ts"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { labelled, ownSignature } from "../../../engine/src/protocols/Signatures.ts"
import { endpointOf, requestOf, sent } from "./Samples.ts"

const dialects = ["openai-responses", "gemini", "anthropic-messages"] as const

describe("signatures", () => {
  it("come back to the provider that made them as they were, and to no other", () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1 }),
        fc.constantFrom(...dialects),
        fc.constantFrom(...dialects),
        (raw, made, read) => {
          fc.pre(!raw.startsWith("gemini:") && !raw.startsWith("openai-responses:"))
          const signature = labelled(made, raw)
          expect(ownSignature(read, signature)).toBe(made === read ? raw : undefined)
          expect(labelled(read === "anthropic-messages" ? made : read, labelled("gemini", raw))).toBe(
            labelled("gemini", raw)
          )
        }
      )
    )
    expect(ownSignature("gemini", undefined)).toBeUndefined()
    expect(ownSignature("anthropic-messages", "")).toBeUndefined()
  })

  it("of other providers are left out of what Anthropic and routers get", () => {
    const request = requestOf({
      messages: [
        {
          role: "assistant",
          content: [
            { type: "reasoning", text: "theirs", signature: "gemini:CiQ=" },
            { type: "reasoning", text: "ours", signature: "Er4B" },
            { type: "reasoning", text: "", redacted: '{"millrace":{"metadata":{}}}' },
            { type: "text", text: "yes" }
          ]
        },
        { role: "user", content: "go on" }
      ]
    })
    expect(sent(anthropicMessages, request)).toMatchObject({
      omitted: ["messages[0].content[0]", "messages[0].content[2]"],
      body: {
        messages: [
          {
            content: [
              { type: "thinking", thinking: "ours", signature: "Er4B" },
              { type: "text", text: "yes" }
            ]
          },
          {}
        ]
      }
    })
    const router = endpointOf({ baseUrl: "https://openrouter.ai/api/v1" })
    expect(sent(openAiChat, request, router).body["messages"]).toMatchObject([
      { reasoning_details: [{ type: "reasoning.text", text: "ours", signature: "Er4B" }] },
      {}
    ])
  })
})
