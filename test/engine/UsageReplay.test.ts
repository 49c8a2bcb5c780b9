import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { chatDialect } from "../../engine/src/gateway/ChatAnswer.ts"
import { replayLengthMax, replayOf } from "../../engine/src/UsageReplay.ts"

const decoded = (body: object) => Result.getOrThrow(chatDialect.decode(body as never, "default"))

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 }).filter((said) => said.isWellFormed())
const call = fc.record({
  id: fc.stringMatching(/^call_[a-z]{4}$/),
  type: fc.constant("function"),
  function: fc.record({ name: fc.constantFrom("find", "sum"), arguments: fc.constantFrom("{}", '{"a":1}') })
})
const turn = fc.oneof(
  fc.record({ role: fc.constantFrom("system", "user", "assistant"), content: text }),
  fc.record({ role: fc.constant("assistant"), content: text, tool_calls: fc.tuple(call) }),
  fc.record({ role: fc.constant("tool"), tool_call_id: fc.constant("call_abcd"), content: text })
)
const tool = fc.record({
  type: fc.constant("function"),
  function: fc.record(
    { name: fc.constantFrom("find", "sum"), description: text, parameters: fc.constant({ type: "object" }) },
    { requiredKeys: ["name"] }
  )
})
const body = fc.record(
  {
    messages: fc.array(turn, { minLength: 1, maxLength: 5 }),
    temperature: fc.constantFrom(0, 0.7, 2),
    top_p: fc.constantFrom(0.1, 1),
    max_tokens: fc.integer({ min: 1, max: 1000 }),
    stop: fc.array(text, { minLength: 1, maxLength: 3 }),
    seed: fc.integer({ min: 0, max: 9 }),
    tools: fc.tuple(tool),
    tool_choice: fc.constantFrom("auto", "none", "required"),
    response_format: fc.constantFrom(
      { type: "json_object" },
      { type: "json_schema", json_schema: { name: "n", schema: { type: "object" }, strict: true } }
    )
  },
  { requiredKeys: ["messages"] }
)

describe("replayOf", () => {
  it("gives a body that asks for what the request asked for", () => {
    fc.assert(
      fc.property(body, (sent) => {
        const { wire: _, ...asked } = decoded(sent)
        const { wire: __, ...again } = decoded(replayOf({ ...asked, embed: undefined })!)
        expect(again).toEqual(asked)
      })
    )
  })

  it("names pictures and files, keeps nothing of too long a request, and knows no embeddings", () => {
    const { messages } = replayOf(
      decoded({
        messages: [
          {
            role: "user",
            content: [
              { type: "text", text: "look" },
              { type: "image_url", image_url: { url: "data:image/png;base64,iVBORw0KGgo=" } }
            ]
          }
        ]
      })
    )!
    expect(messages).toEqual([{ role: "user", content: "look\n[image]" }])
    const long = decoded({ messages: [{ role: "user", content: "x".repeat(replayLengthMax + 1) }] })
    expect(replayOf(long)).toBeNull()
    const quoted = decoded({ messages: [{ role: "user", content: '"'.repeat(replayLengthMax - 1000) }] })
    expect(replayOf(quoted)).toBeNull()
    expect(
      replayOf({ ...decoded({ messages: [{ role: "user", content: "x" }] }), embed: { input: [] } as never })
    ).toBeNull()
  })
})
