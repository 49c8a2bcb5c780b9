import { describe, expect, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as fc from "fast-check"
import { AIRequest } from "../../engine/src/Request.ts"
import { ChatBody } from "../../engine/src/gateway/ChatRequest.ts"
import { guardOf } from "../../engine/src/SchemaGuard.ts"

const requests: ReadonlyArray<unknown> = [
  { prompt: "x", temperature: 0.7, maxTokens: 100, stop: ["a"], seed: 1, metadata: { a: [1, null, { b: "c" }] } },
  {
    messages: [
      { role: "system", content: "be brief" },
      { role: "user", content: [{ type: "image", image: "https://x/y.png", detail: "low" }], name: "u" },
      { role: "tool", content: [{ type: "tool-result", id: "1", content: [{ type: "text", text: "t" }] }] }
    ],
    tools: [{ name: "f", parameters: { type: "object", properties: {} }, strict: true }],
    toolChoice: { name: "f" },
    responseFormat: { type: "json-schema", schema: {} },
    cache: { mode: "refresh", ttl: 5 },
    priority: "batch"
  }
]

const bodies: ReadonlyArray<unknown> = [
  { model: "m", messages: [{ role: "user", content: "x" }], n: 1, stop: null, logit_bias: { "5": -1 } },
  {
    messages: [
      { role: "developer", content: [{ type: "text", text: "t" }] },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "1", type: "function", function: { name: "f", arguments: "" } }]
      },
      { role: "tool", content: "r", tool_call_id: "1" }
    ],
    tools: [{ type: "function", function: { name: "f", parameters: { type: "object" } } }],
    tool_choice: "auto",
    response_format: { type: "json_object" }
  }
]

/** The same document with one value somewhere in it replaced, removed or added. */
const mutated = (documents: ReadonlyArray<unknown>) =>
  fc
    .tuple(fc.constantFrom(...documents), fc.array(fc.nat(30), { maxLength: 5 }), fc.string(), replacement)
    .map(([document, path, key, value]) => mutate(structuredClone(document), path, key, value))

const replacement = fc.oneof(
  fc.constantFrom(undefined, null, NaN, Infinity, -1, 0, 1.5, "", "user", "text", true, [], {}, new Date(0)),
  fc.jsonValue(),
  fc.constant(Object.create({ prompt: "inherited" })),
  fc.constant(new Map([["prompt", "x"]]))
)

const mutate = (document: unknown, path: ReadonlyArray<number>, key: string, value: unknown): unknown => {
  if (typeof document !== "object" || document === null || path.length === 0) return value
  const target = document as Record<string, unknown>
  const keys = Object.keys(target)
  const at = path[0]! % (keys.length + 1)
  const name = at < keys.length ? keys[at]! : Array.isArray(document) ? String(keys.length) : key
  const changed = path.length > 1 && at < keys.length ? mutate(target[name], path.slice(1), key, value) : value
  // As JSON.parse does: `__proto__` is a field like any other.
  Object.defineProperty(target, name, { value: changed, enumerable: true, configurable: true, writable: true })
  return document
}

describe("a guard", () => {
  for (const [name, schema, documents] of [
    ["AIRequest", AIRequest, requests],
    ["ChatBody", ChatBody, bodies]
  ] as const) {
    const guard = guardOf(schema, { exact: true })
    const parse = Schema.decodeUnknownResult(schema as Schema.Codec<unknown>, { onExcessProperty: "error" })

    it(`takes what ${name} takes as it is`, () => {
      for (const document of documents) expect(guard(document)).toBe(true)
    })

    it(`takes nothing that the parser of ${name} would refuse or change`, () => {
      fc.assert(
        fc.property(mutated(documents), (document) => {
          if (!guard(document)) return
          const parsed = parse(document)
          expect(Result.isSuccess(parsed)).toBe(true)
          expect(Result.getOrThrow(parsed)).toEqual(document)
        }),
        { numRuns: 3000 }
      )
    })
  }

  it("leaves transformations, declarations, tuples and classes to the parser", () => {
    expect(guardOf(Schema.NumberFromString)("1")).toBe(false)
    expect(guardOf(Schema.Date)(new Date())).toBe(false)
    expect(guardOf(Schema.Tuple([Schema.String]))(["a"])).toBe(false)
    class Prompt {
      prompt = "x"
    }
    expect(guardOf(AIRequest)(new Prompt())).toBe(false)
  })

  it("runs every check of a field", () => {
    const guard = guardOf(Schema.Struct({ n: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })) }))
    expect([0, 1, 3, 4, 1.5, NaN].map((n) => guard({ n }))).toEqual([false, true, true, false, false, false])
  })
})
