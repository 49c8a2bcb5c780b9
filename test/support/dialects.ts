/**
 * What the tests of the inbound dialects share: posting to a path, reading events with their names, and the grammar that
 * every stream of a dialect keeps.
 */
import { expect } from "vitest"
import type { Answer, Ask } from "./client.ts"

export interface NamedEvent {
  readonly event: string | undefined
  readonly data: any
}

/** Posts a body as JSON; reads the whole answer. */
export const postTo = async (url: string, body: unknown, { headers = {}, signal }: Ask = {}): Promise<Answer> => {
  const response = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
    ...(signal === undefined ? {} : { signal })
  })
  const text = await response.text()
  return {
    status: response.status,
    headers: response.headers,
    text,
    get json() {
      return JSON.parse(text) as unknown
    }
  }
}

/** The events of a stream, in order. */
export const namedEvents = (text: string): ReadonlyArray<NamedEvent> => {
  if (text === "") return []
  expect(text.endsWith("\n\n")).toBe(true)
  return text
    .slice(0, -2)
    .split("\n\n")
    .map((block) => {
      const lines = block.split("\n")
      const data = lines.filter((line) => line.startsWith("data: ")).map((line) => line.slice(6))
      expect(lines.every((line) => line.startsWith("data: ") || line.startsWith("event: "))).toBe(true)
      return {
        event: lines.find((line) => line.startsWith("event: "))?.slice(7),
        data: JSON.parse(data.join("\n")) as unknown
      }
    })
}

const deltaOf: { readonly [block: string]: ReadonlyArray<string> } = {
  text: ["text_delta", "citations_delta"],
  thinking: ["thinking_delta", "signature_delta"],
  tool_use: ["input_json_delta"],
  redacted_thinking: []
}

/** Fails unless the events are a stream as Anthropic sends it: complete, or broken off by one error at the end. */
export const checkMessages = (events: ReadonlyArray<NamedEvent>): void => {
  let next = 0
  let open: string | undefined
  let state: "new" | "blocks" | "delta" | "ended" = "new"
  for (const { data, event } of events) {
    expect(event).toBe(data.type)
    expect(state).not.toBe("ended")
    switch (data.type) {
      case "message_start":
        expect(state).toBe("new")
        expect(data.message).toMatchObject({ type: "message", role: "assistant", content: [], stop_reason: null })
        state = "blocks"
        break
      case "content_block_start":
        expect([state, open, data.index]).toEqual(["blocks", undefined, next])
        open = data.content_block.type as string
        break
      case "content_block_delta":
        expect(data.index).toBe(next)
        expect(deltaOf[open!]).toContain(data.delta.type)
        break
      case "content_block_stop":
        expect(data.index).toBe(next++)
        expect(open).toBeDefined()
        open = undefined
        break
      case "message_delta":
        expect([state, open]).toEqual(["blocks", undefined])
        expect(data.delta.stop_reason).toBeTypeOf("string")
        state = "delta"
        break
      case "message_stop":
        expect(state).toBe("delta")
        state = "ended"
        break
      case "error":
        expect(data.error).toMatchObject({ type: expect.any(String), message: expect.any(String) })
        state = "ended"
        break
      default:
        expect.unreachable(`an event of type ${String(data.type)}`)
    }
  }
  expect(state).toBe("ended")
}

const terminals = ["response.completed", "response.incomplete", "response.failed"]

/** Fails unless the events are a stream as OpenAI's Responses API sends it, with exactly one end. */
export const checkResponses = (events: ReadonlyArray<NamedEvent>): void => {
  const done: Array<unknown> = []
  let item: any
  let texts: { [key: string]: string } = {}
  events.forEach(({ data, event }, index) => {
    expect(event).toBe(data.type)
    expect(data.sequence_number).toBe(index)
    expect(terminals.includes(data.type)).toBe(index === events.length - 1)
    if (data.type === "response.output_text.annotation.added") {
      // A source may be named after the text that rests on it has closed.
      const closed = done[data.output_index] as any
      return void closed?.content[data.content_index].annotations.push(data.annotation)
    }
    if (data.output_index !== undefined) expect(data.output_index).toBe(done.length)
    if (data.item_id !== undefined) expect(data.item_id).toBe(item.id)
    const at = `${String(data.content_index ?? data.summary_index)}`
    switch (data.type) {
      case "response.output_item.added":
        expect(item).toBeUndefined()
        item = data.item
        texts = {}
        break
      case "response.output_text.delta":
      case "response.refusal.delta":
      case "response.reasoning_summary_text.delta":
      case "response.function_call_arguments.delta":
        texts[at] = (texts[at] ?? "") + String(data.delta)
        break
      case "response.output_text.done":
      case "response.reasoning_summary_text.done":
        expect(data.text).toBe(texts[at] ?? "")
        break
      case "response.refusal.done":
        expect(data.refusal).toBe(texts[at])
        break
      case "response.function_call_arguments.done":
        expect(data.arguments).toBe(texts[at] ?? "")
        break
      case "response.output_item.done":
        expect(data.item).toMatchObject({ id: item.id, type: item.type })
        done.push(data.item)
        item = undefined
    }
  })
  expect(events.slice(0, 2).map(({ data }) => data.type)).toEqual(
    events.length === 1 ? ["response.failed"] : ["response.created", expect.stringMatching(/in_progress|failed/)]
  )
  const last = events[events.length - 1]!.data
  expect(last.type).toBe(`response.${String(last.response.status)}`)
  expect(last.response.output).toEqual(done)
}

/** Fails unless the chunks are a stream as Gemini sends it: the last one ends it, or is an error. */
export const checkGemini = (chunks: ReadonlyArray<any>): void => {
  chunks.forEach((chunk, index) => {
    const last = index === chunks.length - 1
    if (chunk.error !== undefined) {
      expect(last).toBe(true)
      expect(chunk.error).toMatchObject({ code: expect.any(Number), message: expect.any(String) })
      return
    }
    expect(chunk.candidates).toHaveLength(1)
    expect(chunk.candidates[0].content.role).toBe("model")
    expect("finishReason" in chunk.candidates[0]).toBe(last)
    expect("usageMetadata" in chunk).toBe(last)
  })
  expect(chunks.length).toBeGreaterThan(0)
}
