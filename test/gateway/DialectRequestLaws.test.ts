/**
 * What holds for the bodies of every inbound dialect: a request says the same after a way to the upstream's form and back, and
 * no body makes a dialect throw.
 */
import { Result } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { chatDialect } from "../../engine/src/gateway/ChatAnswer.ts"
import type { InboundDialect } from "../../engine/src/gateway/Dialect.ts"
import { geminiDialect } from "../../engine/src/gateway/GeminiAnswer.ts"
import { messagesDialect } from "../../engine/src/gateway/MessagesAnswer.ts"
import { ResponseMemory } from "../../engine/src/gateway/ResponseMemory.ts"
import { responsesDialect } from "../../engine/src/gateway/ResponsesAnswer.ts"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../engine/src/protocols/Protocol.ts"
import type { Request } from "../../engine/src/Request.ts"
import { endpointOf, requestOf, sent } from "../engine/protocols/Samples.ts"

interface Sample {
  readonly dialect: InboundDialect
  readonly protocol: Protocol
  /** A model that takes efforts as they are. */
  readonly model: string
  /** A signature that the dialect's own provider writes, where it signs. */
  readonly signature?: string
}

const text = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 })
const json = fc.jsonValue({ maxDepth: 2 }) as fc.Arbitrary<never>
const names = fc.stringMatching(/^[a-z_]{1,12}$/)
const schema = fc.record({
  type: fc.constant("object"),
  properties: fc.dictionary(names, fc.constant({ type: "string" }))
})

const conversations = (signature: string | undefined): fc.Arbitrary<Request["messages"]> =>
  fc
    .array(
      fc.record({
        user: text,
        thought: fc.option(text, { nil: undefined }),
        says: fc.option(text, { nil: undefined }),
        calls: fc.array(fc.record({ name: names, input: fc.dictionary(names, json), result: text }), { maxLength: 2 })
      }),
      { minLength: 1, maxLength: 3 }
    )
    .map((turns) =>
      turns.flatMap(({ calls, says, thought, user }, turn): Request["messages"] => {
        const said = [
          ...(thought === undefined || signature === undefined
            ? []
            : [{ type: "reasoning" as const, text: thought, signature }]),
          ...(says === undefined ? [] : [{ type: "text" as const, text: says }]),
          ...calls.map(({ input, name }, index) => ({
            type: "tool-call" as const,
            id: `call_${turn}_${index}`,
            name,
            arguments: JSON.stringify(input)
          }))
        ]
        const results = calls.map(({ name, result }, index) => ({
          type: "tool-result" as const,
          id: `call_${turn}_${index}`,
          name,
          content: result
        }))
        return [
          { role: "user", content: user },
          ...(said.length === 0 ? [] : [{ role: "assistant" as const, content: said }]),
          ...(results.length === 0 ? [] : [{ role: "tool" as const, content: results }])
        ]
      })
    )

const requests = (sample: { readonly protocol: Protocol; readonly signature?: string }): fc.Arbitrary<Request> => {
  const is = (...dialects: ReadonlyArray<string>) => dialects.includes(sample.protocol.dialect)
  const maybe = <A>(arbitrary: fc.Arbitrary<A>): fc.Arbitrary<A | undefined> => fc.option(arbitrary, { nil: undefined })
  return fc
    .record({
      system: maybe(text),
      messages: conversations(sample.signature),
      temperature: maybe(fc.constantFrom(0, 0.5, 1)),
      topP: maybe(fc.constantFrom(0.1, 1)),
      maxTokens: fc.integer({ min: 1, max: 9999 }),
      stop: is("openai-responses") ? fc.constant(undefined) : maybe(fc.array(text, { minLength: 1, maxLength: 2 })),
      seed: is("openai-chat", "gemini") ? maybe(fc.nat(99)) : fc.constant(undefined),
      tools: maybe(
        fc.array(fc.record({ name: names, description: text, parameters: schema }), { minLength: 1, maxLength: 2 })
      ),
      toolChoice: maybe(fc.constantFrom("auto" as const, "none" as const, "required" as const, { name: "look" })),
      responseFormat: maybe(fc.record({ type: fc.constant("json-schema" as const), schema })),
      parallel: is("gemini") ? fc.constant(undefined) : maybe(fc.constant(false)),
      effort: maybe(fc.constantFrom("low" as const, "medium" as const, "high" as const))
    })
    .map(({ effort, messages, parallel, system, ...rest }) => ({
      ...requestOf({ prompt: "hi" }),
      ...rest,
      // A wish for one call at a time is worth nothing without tools, or when none may be called.
      parallelToolCalls: rest.tools === undefined || rest.toolChoice === "none" ? undefined : parallel,
      messages: system === undefined ? messages : [{ role: "system", content: system }, ...messages],
      reasoning: effort === undefined ? undefined : { effort }
    }))
}

const partsOf = ({ content }: Pick<Request["messages"][number], "content">) =>
  typeof content === "string" ? [{ type: "text" as const, text: content }] : content

/** A request as a model would understand it: neighbours of one role together, names that calls imply left out. */
const meaning = (request: Omit<Request, "wire" | "embed" | "id"> | object) => {
  const {
    maxTokens,
    messages,
    parallelToolCalls,
    reasoning,
    responseFormat,
    seed,
    stop,
    temperature,
    toolChoice,
    tools,
    topP
  } = request as Request
  const turns: Array<Request["messages"][number]> = []
  for (const message of messages) {
    const last = turns[turns.length - 1]
    if (message.role === last?.role) {
      turns[turns.length - 1] = { role: message.role, content: [...partsOf(last), ...partsOf(message)] }
    } else turns.push(message)
  }
  return JSON.parse(
    JSON.stringify({
      messages: turns.map(({ content, role }) => ({
        role,
        content: partsOf({ content }).map((part) => {
          if (part.type === "tool-call") return { ...part, arguments: JSON.parse(part.arguments) as unknown }
          if (part.type !== "tool-result") return part
          return { type: part.type, id: part.id, content: part.content }
        })
      })),
      settings: { maxTokens, temperature, topP, stop, seed, reasoning },
      tools: tools?.map(({ description, name, parameters }) => ({ description, name, parameters })),
      toolChoice: toolChoice ?? (parallelToolCalls === undefined ? undefined : "auto"),
      parallelToolCalls,
      schema: responseFormat?.type === "json-schema" ? responseFormat.schema : undefined
    })
  ) as unknown
}

const all: ReadonlyArray<Sample> = [
  { dialect: messagesDialect, protocol: anthropicMessages, model: "claude-opus-4-7", signature: "EqQB" },
  {
    dialect: responsesDialect(new ResponseMemory(() => 0)),
    protocol: openAiResponses,
    model: "gpt-5.4",
    signature: "openai-responses:summary:rs_1:gAAA"
  },
  {
    dialect: geminiDialect({ model: "m", stream: true, sse: true }),
    protocol: gemini,
    model: "gemini-3-flash",
    signature: "gemini:CiQB"
  },
  { dialect: chatDialect, protocol: openAiChat, model: "gpt-5.4" }
]

describe.each(all.map((sample) => [sample.dialect.dialect, sample] as const))("requests in %s", (_, sample) => {
  it("say the same after a way to the upstream's form and back", () => {
    fc.assert(
      fc.property(requests(sample), (request) => {
        const { body } = sent(sample.protocol, request, endpointOf({ model: sample.model }))
        const back = Result.getOrThrow(sample.dialect.decode(body, "default"))
        expect(meaning(back)).toEqual(meaning(request))
        expect(back.wire?.needs).toEqual([])
      })
    )
  })

  it("never throw, whatever a body holds: each is read or refused by the name of a field", () => {
    const bodies = requests(sample).chain((request) => {
      const { body } = sent(sample.protocol, request, endpointOf({ model: sample.model }))
      return fc.tuple(fc.constant(body), fc.array(fc.tuple(fc.nat(30), fc.jsonValue()), { maxLength: 3 }))
    })
    fc.assert(
      fc.property(bodies, ([body, changes]) => {
        let place = 0
        const changed = (value: unknown): unknown => {
          const change = changes.find(([at]) => at === place++)
          if (change !== undefined) return change[1]
          if (Array.isArray(value)) return value.map(changed)
          if (typeof value !== "object" || value === null) return value
          return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, changed(inner)]))
        }
        const mutated = Object.fromEntries(Object.entries(body).map(([key, value]) => [key, changed(value)]))
        const decoded = sample.dialect.decode(mutated, "default")
        if (Result.isFailure(decoded)) expect(decoded.failure._tag).toBe("InvalidRequest")
        else decoded.success.wire?.hints?.()
      })
    )
  })
})
