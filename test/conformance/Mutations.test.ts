/**
 * Recorded answers, changed as servers differ from each other: what is read stays the same. Fields that are null are left
 * out, unknown ones and unknown events come in, usage moves, calls lose their index or repeat their id, whole kinds of
 * events are missing where others say the same; bodies hold errors that say nothing and choices counted from 1.
 */
import { describe, expect, it } from "vitest"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../engine/src/protocols/Protocol.ts"
import { artefacts, casesOf, compare, hasCorpus, type RecordedCase, type RecordedEndpoint } from "./Recorded.ts"
import { replay } from "./Replay.ts"

interface Event {
  readonly event: string | undefined
  /** `[DONE]`, or JSON. */
  readonly data: any
}

/** The events that a server of another make would send; undefined where the recording has nothing to change. */
type Mutation = (events: ReadonlyArray<Event>) => ReadonlyArray<Event> | undefined

const eventsOf = (body: string): ReadonlyArray<Event> =>
  body
    .replace(/^\uFEFF/, "")
    .split(/\r\n\r\n|\n\n|\r\r/)
    .flatMap((block) => {
      const lines = block.split(/\r\n|\n|\r/)
      const data = lines
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).replace(/^ /, ""))
        .join("\n")
      const event = lines
        .find((line) => line.startsWith("event:"))
        ?.slice(6)
        .trim()
      if (data === "") return []
      return [{ event, data: data.startsWith("[DONE]") ? "[DONE]" : (JSON.parse(data) as unknown) }]
    })

const written = (events: ReadonlyArray<Event>): string =>
  events
    .map(({ data, event }) => {
      const name = event === undefined ? "" : `event: ${event}\n`
      return `${name}data: ${data === "[DONE]" ? data : JSON.stringify(data)}\n\n`
    })
    .join("")

/** Changes the data of each event, which is a copy. */
const each =
  (change: (data: any) => void): Mutation =>
  (events) =>
    events.map((event) => {
      if (event.data === "[DONE]") return event
      const data = structuredClone(event.data)
      change(data)
      return { ...event, data }
    })

/** Does something with every object inside. */
const walk = (value: unknown, visit: (object: Record<string, unknown>) => void): void => {
  if (Array.isArray(value)) for (const item of value) walk(item, visit)
  else if (typeof value === "object" && value !== null) {
    visit(value as Record<string, unknown>)
    for (const inner of Object.values(value)) walk(inner, visit)
  }
}

const without =
  (type: RegExp): Mutation =>
  (events) =>
    events.filter(({ data }) => !type.test(data.type ?? ""))

const before =
  (made: (event: Event) => ReadonlyArray<Event>): Mutation =>
  (events) =>
    events.flatMap((event) => [...made(event), event])

const callsIn = (data: any): ReadonlyArray<any> =>
  (data.choices ?? []).flatMap((choice: any) => choice.delta?.tool_calls ?? [])

const beforeChoice = (delta: unknown, more: object = {}): Mutation =>
  before(({ data }) =>
    data.choices?.[0] === undefined
      ? []
      : [
          {
            event: undefined,
            data: { ...data, usage: undefined, choices: [{ index: 0, delta, finish_reason: null, ...more }] }
          }
        ]
  )

const common: { readonly [name: string]: Mutation } = {
  "events without names": (events) => events.map(({ data }) => ({ event: undefined, data })),
  "fields that nobody knows": each((data) => Object.assign(data, { new_field: { a: [1] }, another: null })),
  "null left out": each((data) =>
    walk(data, (object) => {
      for (const key of Object.keys(object)) if (object[key] === null) delete object[key]
    })
  ),
  "names of objects left out": each((data) =>
    walk(data, (object) => {
      for (const key of ["object", "created", "created_at", "service_tier", "system_fingerprint", "sequence_number"]) {
        delete object[key]
      }
    })
  ),
  "pings between events": before(() => [{ event: "ping", data: { type: "ping" } }])
}

const unknownEvents: Mutation = before(() => [{ event: "something.new", data: { type: "something.new", a: { b: 1 } } }])

const mutations: { readonly [endpoint: string]: { readonly [name: string]: Mutation } } = {
  "openai-chat": {
    "no [DONE] after a finish reason": (events) =>
      events.some(({ data }) => data.choices?.[0]?.finish_reason)
        ? events.filter(({ data }) => data !== "[DONE]")
        : undefined,
    "empty deltas": beforeChoice({ content: "", tool_calls: [], reasoning_content: null }),
    "deltas that are null": beforeChoice(null, { finish_reason: "" }),
    "choices without index": each((data) => {
      for (const choice of data.choices ?? []) delete choice.index
    }),
    "the role in every delta": each((data) => {
      for (const choice of data.choices ?? []) if (choice.delta) choice.delta.role = "assistant"
    }),
    "calls without index": each((data) => {
      for (const call of callsIn(data)) delete call.index
    }),
    "calls with an index that is text": each((data) => {
      for (const call of callsIn(data)) call.index = String(call.index)
    }),
    "calls with empty ids after the first piece": each((data) => {
      for (const call of callsIn(data)) if (!call.id) Object.assign(call, { id: "", type: null })
    }),
    "calls that repeat id and name": (events) => {
      const known = new Map<unknown, { readonly id: string; readonly name: string }>()
      return each((data) => {
        for (const call of callsIn(data)) {
          if (call.id) known.set(call.index, { id: call.id, name: call.function?.name })
          else if (known.has(call.index)) {
            call.id = known.get(call.index)!.id
            if (call.function) call.function.name = known.get(call.index)!.name
          }
        }
      })(events)
    },
    "usage in every chunk": (events) => {
      const usage = events.findLast(({ data }) => data.usage)?.data.usage
      return usage === undefined ? undefined : each((data) => void (data.usage = usage))(events)
    },
    "usage before the finish reason": (events) => {
      const usage = events.find(({ data }) => data.usage && data.choices?.length === 0)
      const rest = events.filter((event) => event !== usage)
      const end = rest.findIndex(({ data }) => data.choices?.[0]?.finish_reason)
      return usage === undefined || end < 0 ? undefined : [...rest.slice(0, end), usage, ...rest.slice(end)]
    },
    "content as parts": each((data) => {
      for (const { delta } of data.choices ?? []) {
        if (typeof delta?.content === "string") delta.content = [{ type: "text", text: delta.content }]
      }
    }),
    "a second choice": beforeChoice({ content: "other" }, { index: 1 })
  },
  "openai-responses": {
    "events that nobody knows": unknownEvents,
    "no item ids": each((data) => void delete data.item_id),
    "no added events": without(/added$/),
    "no done events": without(/\.done$/),
    "no deltas": without(/\.delta$/),
    "no output at the end": (events) =>
      events.some(({ data }) => String(data.type).endsWith(".delta"))
        ? each((data) => {
            if (data.response?.output) data.response.output = []
          })(events)
        : undefined,
    "calls at the end only": (events) =>
      events.some(({ data }) => data.response?.output?.length > 0)
        ? events.filter(({ data }) => !/function_call/.test(data.type ?? "") && data.item?.type !== "function_call")
        : undefined
  },
  "anthropic-messages": {
    "events that nobody knows": unknownEvents,
    "no content_block_stop": without(/^content_block_stop$/),
    "message_delta without a reason after the last": (events) =>
      events.flatMap((event) =>
        event.data.type === "message_delta"
          ? [
              event,
              { event: "message_delta", data: { type: "message_delta", delta: { stop_reason: null }, usage: null } }
            ]
          : [event]
      )
  },
  gemini: {
    "events that nobody knows": unknownEvents,
    "chunks in lists": (events) => events.map((event) => ({ ...event, data: [event.data] })),
    "contents without a role": each((data) => walk(data, (object) => void (object["parts"] && delete object["role"]))),
    "counts as text": each((data) => {
      const usage = data.usageMetadata ?? {}
      for (const key of Object.keys(usage)) if (typeof usage[key] === "number") usage[key] = String(usage[key])
    }),
    "empty chunks after the end": (events) =>
      events.some(({ data }) => data.candidates?.[0]?.finishReason)
        ? [
            ...events,
            { event: undefined, data: { candidates: [{ content: {}, index: 0 }] } },
            { event: undefined, data: { candidates: [] } }
          ]
        : undefined
  }
}

/** Changes a whole answer, which is a copy; undefined where there is nothing to change. */
type Change = (body: any) => unknown

const messages =
  (change: (choice: any) => void): Change =>
  (body) => {
    for (const choice of body.choices ?? []) change(choice)
    return body
  }

const commonBodies: { readonly [name: string]: Change } = {
  "null left out": (body) => {
    walk(body, (object) => {
      for (const key of Object.keys(object)) if (object[key] === null) delete object[key]
    })
    return body
  },
  "fields that nobody knows": (body) => {
    walk(body, (object) => {
      if ("type" in object || "role" in object || "choices" in object) object["new_field"] = { a: [1] }
    })
    return body
  },
  "counts as text": (body) => {
    walk(body, (object) => {
      for (const [key, value] of Object.entries(object)) {
        if (/okens?$|okenCount$/.test(key) && typeof value === "number") object[key] = String(value)
      }
    })
    return body
  },
  "an error that says nothing": (body) => (Array.isArray(body) ? undefined : { ...body, error: {} }),
  "an error that is null": (body) => (Array.isArray(body) ? undefined : { ...body, error: null })
}

const bodies: { readonly [endpoint: string]: { readonly [name: string]: Change } } = {
  "openai-chat": {
    "lists that are null": messages(({ message }) => {
      for (const list of ["tool_calls", "annotations", "reasoning_details"]) if (message) message[list] ??= null
    }),
    "content as parts": messages(({ message }) => {
      if (message?.content && typeof message.content === "string") {
        message.content = [{ type: "text", text: message.content }]
      }
    }),
    "another choice first": (body) =>
      body.choices?.length === 1
        ? {
            ...body,
            choices: [
              { index: 1, message: { content: "other" } },
              { ...body.choices[0], index: 0 }
            ]
          }
        : undefined,
    "choices without index": messages((choice) => void delete choice.index),
    "choices counted from 1": (body) =>
      body.choices?.length === 1 ? { ...body, choices: [{ ...body.choices[0], index: 1 }] } : undefined,
    "a delta for a message": messages((choice) => {
      choice.delta = choice.message
      delete choice.message
    })
  },
  "openai-responses": {
    "items that nobody knows": (body) =>
      Array.isArray(body.output)
        ? { ...body, output: [{ type: "new_item", content: [{ type: "output_text", text: "?" }] }, ...body.output] }
        : undefined
  },
  "anthropic-messages": {
    "blocks that nobody knows": (body) =>
      Array.isArray(body.content)
        ? { ...body, content: [{ type: "new_block", text: "?" }, ...body.content] }
        : undefined
  },
  gemini: { "an answer in a list": (body) => (Array.isArray(body) ? undefined : [body]) }
}

const protocols: { readonly [endpoint: string]: Protocol } = {
  "openai-chat": openAiChat,
  "openai-responses": openAiResponses,
  "anthropic-messages": anthropicMessages,
  gemini
}

const where = hasCorpus ? "" : " (skipped: ../shared/fixtures is not here)"

describe.skipIf(!hasCorpus)(
  `recorded bodies of another make${hasCorpus ? "" : " (skipped: no ../shared/fixtures)"}`,
  () => {
    describe.each(Object.keys(protocols))("%s", (endpoint) => {
      const cases = (hasCorpus ? casesOf(endpoint as RecordedEndpoint) : []).filter(
        ({ expected, streaming }) => !streaming && expected.outcome === "success"
      )

      it.each(Object.entries({ ...commonBodies, ...bodies[endpoint] }))("%s", { timeout: 60_000 }, (_, change) => {
        const wrong: Array<string> = []
        let changed = 0
        for (const recorded of cases) {
          const made = change(JSON.parse(recorded.response.body))
          if (made === undefined) continue
          changed++
          const response = { ...recorded.response, body: JSON.stringify(made) }
          const comparison = compare(recorded, replay(protocols[endpoint]!, { ...recorded, response }))
          wrong.push(...comparison.wrong.map((line) => `${recorded.id} ${line.slice(0, 300)}`))
        }
        expect(changed).toBeGreaterThan(0)
        expect(wrong).toEqual([])
      })
    })
  }
)

describe.skipIf(!hasCorpus)(`recorded streams of another make${where}`, () => {
  describe.each(Object.keys(protocols))("%s", (endpoint) => {
    const cases = (hasCorpus ? casesOf(endpoint as RecordedEndpoint) : []).filter(
      ({ expected, id, streaming }) =>
        streaming && expected.outcome === "success" && !(id in artefacts) && !id.startsWith("mut")
    )

    it.each(Object.entries({ ...common, ...mutations[endpoint] }))("%s", { timeout: 60_000 }, (_, mutation) => {
      const wrong: Array<string> = []
      let changed = 0
      for (const recorded of cases) {
        const events = mutation(eventsOf(recorded.response.body))
        if (events === undefined) continue
        changed++
        const response = { ...recorded.response, body: written(events) }
        const comparison = compare(recorded, replay(protocols[endpoint]!, { ...recorded, response } as RecordedCase))
        wrong.push(...comparison.wrong.map((line) => `${recorded.id} ${line.slice(0, 300)}`))
      }
      expect(changed).toBeGreaterThan(0)
      expect(wrong).toEqual([])
    })
  })
})
