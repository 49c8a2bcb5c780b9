import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { Reply } from "millrace"
import { type BlockEvent, BlockReader } from "../../engine/src/BlockEvents.ts"

const text = fc.string({ maxLength: 4 })

const part: fc.Arbitrary<Reply.Part> = fc.oneof(
  fc.record({ type: fc.constant("text" as const), text }),
  fc.record({ type: fc.constant("refusal" as const), text }),
  fc.record({ type: fc.constant("reasoning" as const), text }),
  fc.record({ type: fc.constant("reasoning" as const), text, signature: text }),
  fc.record({ type: fc.constant("reasoning" as const), text, redacted: text }),
  fc.record({ type: fc.constant("tool-call" as const), index: fc.nat(2), arguments: text })
)

/** The first piece of each tool call has its id and name, as every provider sends it. */
const named = (parts: ReadonlyArray<Reply.Part>): ReadonlyArray<Reply.Part> => {
  const seen = new Set<number>()
  return parts.map((part) => {
    if (part.type !== "tool-call" || seen.has(part.index)) return part
    seen.add(part.index)
    return { ...part, id: `c${part.index}`, name: `tool${part.index}` }
  })
}

const finish: Reply.Part = {
  type: "finish",
  finishReason: "stop",
  rawFinishReason: undefined,
  usage: { uncachedInput: 0, cacheReadInput: 0, cacheWriteInput: 0, output: 0, reasoning: 0, estimated: false }
}

const eventsOf = (parts: ReadonlyArray<Reply.Part>): ReadonlyArray<BlockEvent> => {
  const reader = new BlockReader()
  const events: Array<BlockEvent> = []
  for (const part of [...parts, finish]) reader.push(part, events)
  return events
}

/** Blocks as a reader of the events puts them together; tool calls come last, since they end together. */
const blocksOf = (events: ReadonlyArray<BlockEvent>): ReadonlyArray<Reply.Block> => {
  const open = new Map<string, string>()
  const blocks: Array<Reply.Block> = []
  for (const event of events) {
    if (event.type === "text-start" || event.type === "reasoning-start") open.set(event.id, "")
    else if (event.type === "text-delta" || event.type === "reasoning-delta") {
      open.set(event.id, open.get(event.id)! + event.delta)
    } else if (event.type === "text-end" || event.type === "reasoning-end") {
      const { refusal, ...signed } = event.metadata ?? {}
      const type = event.type === "reasoning-end" ? "reasoning" : refusal === true ? "refusal" : "text"
      blocks.push({ type, text: open.get(event.id)!, ...signed } as Reply.Block)
      open.delete(event.id)
    } else if (event.type === "tool-end") {
      blocks.push({ type: "tool-call", id: event.id, name: event.name, arguments: event.arguments })
    }
  }
  expect([...open.keys()]).toEqual([])
  return blocks
}

const collected = (parts: ReadonlyArray<Reply.Part>): ReadonlyArray<Reply.Block> => {
  const collector = new Reply.Collector()
  for (const part of [...parts, finish]) collector.add(part)
  const { content } = collector.completion()
  const calls = content.flatMap((block) =>
    block.type === "tool-call" ? [{ ...block, arguments: block.arguments.trim() || "{}" }] : []
  )
  return [...content.filter((block) => block.type !== "tool-call"), ...calls]
}

describe("BlockReader", () => {
  it("says the same as the collector, for any parts in any order", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const stream = named(parts)
        expect(blocksOf(eventsOf(stream))).toEqual(collected(stream))
      }),
      { numRuns: 500 }
    )
  })

  it("never has two blocks of text or reasoning open at once", () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        let open = 0
        for (const { type } of eventsOf(named(parts))) {
          if (type === "text-start" || type === "reasoning-start") open++
          if (type === "text-end" || type === "reasoning-end") open--
          expect(open).toBeLessThanOrEqual(1)
        }
        expect(open).toBe(0)
      })
    )
  })

  it("waits for the name of a tool call, and gives one without an id its own", () => {
    expect(
      eventsOf([
        { type: "tool-call", index: 0, arguments: '{"a"' },
        { type: "tool-call", index: 0, id: "c0", name: "late", arguments: ":1}" },
        { type: "tool-call", index: 1, name: "nameless", arguments: "" }
      ])
    ).toEqual([
      { type: "tool-start", id: "c0", name: "late" },
      { type: "tool-delta", id: "c0", delta: '{"a":1}' },
      { type: "tool-end", id: "c0", name: "late", arguments: '{"a":1}' },
      { type: "tool-start", id: "call_1", name: "nameless" },
      { type: "tool-end", id: "call_1", name: "nameless", arguments: "{}" }
    ])
  })
})
