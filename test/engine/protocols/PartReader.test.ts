import { describe, expect, it } from "vitest"
import { openAiChat } from "../../../engine/src/protocols/OpenAiChat.ts"
import { PartReader } from "../../../engine/src/protocols/PartReader.ts"
import { cutAt, endpointOf, read, sse } from "./Samples.ts"

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text)

const document = JSON.stringify({
  id: "r",
  model: "m",
  choices: [{ index: 0, message: { content: "é" }, finish_reason: "stop" }]
})

describe("PartReader", () => {
  it("reads one JSON document from a server that ignores stream, however it is cut", () => {
    const bytes = bytesOf(`\uFEFF \n${document}`)
    for (const offsets of [[], [1, 2, 3, 4, 5, 6], Array.from(bytes.keys())]) {
      expect(read(openAiChat, cutAt(bytes, offsets))).toMatchObject({
        error: undefined,
        parts: [{ type: "start" }, { type: "text", text: "é" }, { type: "finish", finishReason: "stop" }]
      })
    }
  })

  it("reads an error that comes as a JSON document with status 200", () => {
    const body = JSON.stringify({ error: { message: "slow down", code: 429 } })
    expect(read(openAiChat, [bytesOf(body)])).toMatchObject({ parts: [], error: { _tag: "ProviderRateLimited" } })
  })

  it("fails on an HTML page at its first byte, and quotes nothing of it", () => {
    const reader = new PartReader(openAiChat, endpointOf())
    expect(reader.push(bytesOf("\r\n<html>secret"), [])).toMatchObject({
      _tag: "ProviderInvalidResponse",
      detail: "an HTML page instead of events"
    })
    expect(reader.done).toBe(true)
    expect(reader.end([])).toBeUndefined()
  })

  it("is done with the terminal part and takes nothing after it", () => {
    const reader = new PartReader(openAiChat, endpointOf())
    const chunk = { id: "r", choices: [{ index: 0, delta: { content: "a" }, finish_reason: "stop" }] }
    const out: Parameters<typeof reader.push>[1] = []
    reader.push(bytesOf(sse(chunk)), out)
    expect(reader.done).toBe(false)
    reader.push(bytesOf(sse("[DONE]", chunk)), out)
    expect(reader.done).toBe(true)
    reader.push(bytesOf(sse(chunk)), out)
    expect(reader.end(out)).toBeUndefined()
    expect(out.map((part) => part.type)).toEqual(["start", "text", "finish"])
  })

  it("calls an empty body truncated", () => {
    expect(read(openAiChat, [])).toMatchObject({ parts: [], error: { _tag: "StreamTruncated" } })
    expect(read(openAiChat, [bytesOf(" \n\n")])).toMatchObject({ parts: [], error: { _tag: "StreamTruncated" } })
  })
})
