import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { SseEvent } from "../../../engine/src/protocols/Protocol.ts"
import { SseFrames } from "../../../engine/src/protocols/SseFrames.ts"
import { cutAt, endpointOf } from "./Samples.ts"

const frame = (...pieces: ReadonlyArray<Uint8Array | string>): ReadonlyArray<SseEvent> => {
  const frames = new SseFrames(endpointOf())
  const out: Array<SseEvent> = []
  for (const piece of pieces) {
    expect(frames.push(typeof piece === "string" ? new TextEncoder().encode(piece) : piece, out)).toBeUndefined()
  }
  expect(frames.end(out)).toBeUndefined()
  return out
}

const event = (data: string, name?: string): SseEvent => ({ event: name, data })

describe("SseFrames", () => {
  it.each([
    ["LF", "event: a\ndata: {}\n\ndata: 2\n\n"],
    ["CRLF", "event: a\r\ndata: {}\r\n\r\ndata: 2\r\n\r\n"],
    ["CR alone", "event: a\rdata: {}\r\rdata: 2\r\r"],
    ["a BOM", "\uFEFFevent: a\ndata: {}\n\ndata: 2\n\n"],
    ["no space after the colon", "event:a\ndata:{}\n\ndata:2\n\n"],
    ["comments", ": keep-alive\n\nevent: a\n: x\ndata: {}\n\n:\n\ndata: 2\n\n"],
    ["id and retry fields", "id: 1\nretry: 10\nevent: a\ndata: {}\n\nid: 2\ndata: 2\n\n"],
    ["extra blank lines", "\n\n\nevent: a\ndata: {}\n\n\n\n\ndata: 2\n\n\n"],
    ["no final blank line", "event: a\ndata: {}\n\ndata: 2\n"],
    ["no final line end", "event: a\ndata: {}\n\ndata: 2"]
  ])("reads events with %s", (_, text) => {
    expect(frame(text)).toEqual([event("{}", "a"), event("2")])
  })

  it("joins the data lines of one event", () => {
    expect(frame('data: {\ndata: "a": 1\ndata: }\n\n')).toEqual([event('{\n"a": 1\n}')])
  })

  it("drops a last event whose data was cut, so that it is never taken for whole", () => {
    expect(frame('data: {"a":1}\n\ndata: {"a":')).toEqual([event('{"a":1}')])
    expect(frame("data: [DONE]")).toEqual([event("[DONE]")])
  })

  it("gives the same events for any cut, also inside characters", () => {
    const text = 'event: é\r\ndata: {"text":"日本語 😀"}\r\n\r\n: c\ndata: 1\n\ndata: [DONE]\n\n'
    const bytes = new TextEncoder().encode(text)
    const expected = frame(bytes)
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length)), (offsets) => {
        expect(frame(...cutAt(bytes, offsets))).toEqual(expected)
      })
    )
  })

  it("replaces bytes that are no UTF-8 and goes on", () => {
    expect(frame(Uint8Array.of(0x64, 0x61, 0x74, 0x61, 0x3a, 0xff, 0xfe, 0x0a, 0x0a), "data: 2\n\n")).toEqual([
      event("\uFFFD\uFFFD"),
      event("2")
    ])
  })

  it("fails on an event that never ends instead of filling the memory", () => {
    const frames = new SseFrames(endpointOf())
    const piece = new TextEncoder().encode(`data: ${"x".repeat(1 << 20)}`)
    let error = undefined
    for (let i = 0; i < 12 && error === undefined; i++) error = frames.push(piece, [])
    expect(error).toMatchObject({ _tag: "ProviderInvalidResponse", provider: "sample", fault: "provider" })
  })
})
