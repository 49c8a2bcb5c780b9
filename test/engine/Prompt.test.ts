import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { countTokens } from "gpt-tokenizer/encoding/o200k_base"
import { boundOf, promptOf } from "../../engine/src/Prompt.ts"
import type { ContentPart, Request, Tool } from "../../engine/src/Request.ts"
import { makeRequest } from "./requests.ts"

const openai = { family: "openai" } as const

const weather: Tool = {
  name: "get_weather",
  description: "Weather of a place",
  parameters: {
    type: "object",
    properties: {
      place: { type: "string", description: "City and country" },
      unit: { type: "string", enum: ["celsius", "fahrenheit"] },
      days: { type: "array", items: { type: "integer" } }
    },
    required: ["place"]
  }
}

const exact = (text: string): number => countTokens(text, { disallowedSpecial: new Set() })

const countOf = (request: Request, family: Parameters<typeof promptOf>[1], model: string): number => {
  const { overhead, texts } = promptOf(request, family, model)
  return overhead + texts.reduce((sum, text) => sum + exact(text), 0)
}

describe("promptOf", () => {
  it("frames as OpenAI documents: 3 and the role for a message, 1 for a name, 3 for the answer", () => {
    const request = makeRequest({
      messages: [
        { role: "system", content: "a" },
        { role: "user", content: "b", name: "ann" }
      ]
    })
    expect(promptOf(request, openai, "gpt-4o")).toEqual({
      texts: ["a", "ann", "b"],
      toolsFrom: 3,
      overhead: 4 + 4 + 1 + 3,
      guessed: 0,
      plain: true,
      complete: true
    })
  })

  it("reads every text of every kind of part", () => {
    const content: ReadonlyArray<ContentPart> = [
      { type: "text", text: "one" },
      { type: "reasoning", text: "two" },
      { type: "tool-call", id: "1", name: "three", arguments: "four" },
      { type: "tool-result", id: "1", content: "five" },
      { type: "tool-result", id: "2", content: [{ type: "text", text: "six" }] }
    ]
    const prompt = promptOf(makeRequest({ messages: [{ role: "user", content }] }), { family: "claude" }, "claude")
    expect(prompt.texts).toEqual(["one", "two", "three", "four", "five", "six"])
    expect(prompt.plain).toBe(false)
    expect(prompt.complete).toBe(true)
  })

  it("leaves out reasoning that OpenAI's models don't read again, and doesn't know that of the turn that goes on", () => {
    const thought: ContentPart = { type: "reasoning", text: "hm" }
    const messages: Request["messages"] = [
      { role: "user", content: "a" },
      { role: "assistant", content: [thought, { type: "text", text: "b" }] },
      { role: "user", content: "c" }
    ]
    const earlier = promptOf(makeRequest({ messages }), { family: "openai-reasoning" }, "gpt-5")
    expect(earlier).toMatchObject({ texts: ["a", "b", "c"], complete: true })
    const current = promptOf(makeRequest({ messages: messages.slice(0, 2) }), { family: "openai-reasoning" }, "gpt-5")
    expect(current).toMatchObject({ texts: ["a", "b"], complete: false })
  })

  it("guesses at documents and audio, beside what is known", () => {
    const pdf = Buffer.from("%PDF-1.7\n2 0 obj <</Type /Pages /Count 12>>").toString("base64")
    const part: ContentPart = { type: "file", data: pdf, mediaType: "application/pdf" }
    const request = makeRequest({ messages: [{ role: "user", content: [part] }] })
    const gemini = promptOf(request, { family: "gemini" }, "gemini-2.5-pro")
    expect(gemini).toMatchObject({ overhead: 0, guessed: 12 * 258, complete: false })
  })

  it("does not know what a body asks for that has no canonical form", () => {
    const wire = (needs: ReadonlyArray<string>) =>
      makeRequest({ wire: { dialect: "openai-responses", body: {}, needs } })
    const countable = (needs: ReadonlyArray<string>) => promptOf(wire(needs), openai, "gpt-4o")
    expect(countable(["several choices (n)", "background"])).toMatchObject({ plain: true, complete: true })
    expect(countable(["tools of type web_search"])).toMatchObject({ plain: false, complete: false })
    expect(countable(["previous_response_id of a response that is not known here"]).complete).toBe(false)
  })

  it("says when a part has tokens that can't be known", () => {
    const parts: ReadonlyArray<ContentPart> = [
      { type: "image", image: "https://example.com/cat.png" },
      { type: "file", data: "JVBERi0=", mediaType: "application/pdf" }
    ]
    for (const part of parts) {
      const request = makeRequest({ messages: [{ role: "user", content: [part] }] })
      expect(promptOf(request, openai, "gpt-4o").complete).toBe(false)
    }
  })

  it("shows tools to OpenAI's models in their own form, and to others as JSON", () => {
    const request = makeRequest({ tools: [weather] })
    expect(promptOf(request, openai, "gpt-4o").texts.at(-1)).toBe(
      [
        "namespace functions {",
        "",
        "// Weather of a place",
        "type get_weather = (_: {",
        "// City and country",
        "place: string,",
        'unit?: "celsius" | "fahrenheit",',
        "days?: number[],",
        "}) => any;",
        "",
        "} // namespace functions"
      ].join("\n")
    )
    expect(promptOf(request, { family: "claude" }, "claude-haiku-4-5").texts.at(-1)).toBe(JSON.stringify([weather]))
  })

  it("writes a tool on one line where nothing in it needs a comment", () => {
    const properties = { at: { type: "object", properties: { x: { type: "number" } } }, note: { type: "string" } }
    const tools: ReadonlyArray<Tool> = [
      { name: "ping" },
      { name: "mark", parameters: { type: "object", properties, required: ["note"] } },
      { name: "wait", parameters: { type: "object", properties: { ms: { type: "integer", minimum: 1 } } } }
    ]
    expect(promptOf(makeRequest({ tools }), openai, "gpt-4o").texts.at(-1)).toBe(
      [
        "namespace functions {",
        "",
        "type ping = () => any;",
        "",
        "type mark = (_: { at?: { x?: number }, note: string }) => any;",
        "",
        "type wait = (_: {",
        "ms?: number, // minimum: 1",
        "}) => any;",
        "",
        "} // namespace functions"
      ].join("\n")
    )
  })

  it("shows OpenAI's models a schema without what only a validator needs", () => {
    const schema = {
      $schema: "https://json-schema.org/draft/2020-12/schema",
      type: "object",
      additionalProperties: false,
      properties: { required: { type: "integer", minimum: 1, description: "how many" } },
      required: ["required"]
    }
    const responseFormat = { type: "json-schema" as const, name: "answer", schema }
    expect(promptOf(makeRequest({ responseFormat }), openai, "gpt-4o").texts.slice(-2)).toEqual([
      "answer",
      '{"type":"object","properties":{"required":{"type":"integer","description":"how many"}}}'
    ])
  })

  it("renders any JSON Schema, however strange, without throwing", () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), (schema) => {
        const parameters = {
          type: "object",
          properties: { field: schema, other: { anyOf: [schema, { type: "null" }] } }
        }
        const tools = [{ name: "t", parameters }] as ReadonlyArray<Tool>
        const request = makeRequest({ tools, responseFormat: { type: "json-schema", schema: parameters as never } })
        expect(promptOf(request, openai, "gpt-4o").texts.length).toBe(3)
      }),
      { numRuns: 50 }
    )
  })

  it("ends on a schema that is nested without end", () => {
    let schema: object = { type: "string" }
    for (let i = 0; i < 5000; i++) schema = { anyOf: [schema] }
    const tools = [{ name: "t", parameters: { type: "object", properties: { deep: schema } } }] as ReadonlyArray<Tool>
    expect(promptOf(makeRequest({ tools }), openai, "gpt-4o").texts.at(-1)).toContain("deep?: any")
  })
})

describe("boundOf", () => {
  it("is never below the count of any family", () => {
    const text = fc.string({ unit: "binary", maxLength: 60 })
    const part = fc.oneof(
      fc.record({ type: fc.constant("text" as const), text }),
      fc.record({ type: fc.constant("reasoning" as const), text }),
      fc.record({ type: fc.constant("tool-call" as const), id: text, name: text, arguments: text }),
      fc.record({ type: fc.constant("tool-result" as const), id: text, content: text })
    )
    const message = fc.record({
      role: fc.constantFrom("system" as const, "user" as const, "assistant" as const, "tool" as const),
      content: fc.oneof(text, fc.array(part, { maxLength: 4 })),
      name: fc.option(text, { nil: undefined })
    })
    const tools = fc.option(fc.constant([weather]), { nil: undefined })
    const family = fc.constantFrom("openai", "openai-reasoning", "claude", "gemini", "other" as const)
    fc.assert(
      fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), tools, family, (messages, tools, family) => {
        const request = makeRequest({ messages: messages as Request["messages"], tools })
        expect(countOf(request, { family: family as "openai" }, "gpt-4o")).toBeLessThanOrEqual(boundOf(request))
      })
    )
  })
})
