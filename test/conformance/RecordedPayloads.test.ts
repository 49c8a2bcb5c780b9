/**
 * Recorded answers of real providers, replayed as upstream answers: what we read equals what the provider's own SDK
 * and the AI SDK read, whatever the network cuts the bytes into.
 */
import { afterAll, describe, expect, it } from "vitest"
import { anthropicMessages } from "../../engine/src/protocols/AnthropicMessages.ts"
import { gemini } from "../../engine/src/protocols/Gemini.ts"
import { openAiChat } from "../../engine/src/protocols/OpenAiChat.ts"
import { openAiCompletions } from "../../engine/src/protocols/OpenAiCompletions.ts"
import { openAiResponses } from "../../engine/src/protocols/OpenAiResponses.ts"
import type { Protocol } from "../../engine/src/protocols/Protocol.ts"
import {
  artefacts,
  casesOf,
  type Comparison,
  compare,
  hasCorpus,
  type RecordedCase,
  type RecordedEndpoint
} from "./Recorded.ts"
import { cuts, endpoint, replay, replayStream } from "./Replay.ts"

const protocols: Readonly<Record<RecordedEndpoint, Protocol>> = {
  "openai-chat": openAiChat,
  "openai-responses": openAiResponses,
  "openai-completions": openAiCompletions,
  "openai-embeddings": openAiChat,
  "anthropic-messages": anthropicMessages,
  gemini
}

/** Ways to cut that an endpoint of few recordings has no case for. */
const absent: { readonly [endpoint: string]: ReadonlyArray<string> } = {
  "openai-embeddings": ["7 bytes", "1 byte", "inside characters", "as recorded"],
  "openai-completions": ["as recorded"]
}

const suite = hasCorpus ? "recorded payloads" : "recorded payloads (skipped: ../shared/fixtures is not here)"

describe.skipIf(!hasCorpus)(suite, () => {
  const rows: Array<{ [column: string]: string | number }> = []

  for (const [name, protocol] of Object.entries(protocols) as Array<[RecordedEndpoint, Protocol]>) {
    const all = hasCorpus ? casesOf(name) : []
    const cases = all.filter(({ id }) => !(id in artefacts))

    for (const [cutName, cut] of Object.entries(cuts)) {
      if ((absent[name] ?? []).includes(cutName)) continue
      it(`${name}, ${cutName}: every field equals what the references read`, { timeout: 60_000 }, () => {
        const concerned = cases.filter(
          (recorded) =>
            cutName === "whole" ||
            (recorded.streaming && cut(recorded, Buffer.byteLength(recorded.response.body)).length > 0)
        )
        expect(concerned.length).toBeGreaterThan(0)
        const compared = concerned.map((recorded) => ({
          recorded,
          comparison: compare(recorded, replay(protocol, recorded, cut))
        }))
        rows.push(rowOf(name, cutName, compared, cutName === "whole" ? all.length - cases.length : 0))
        expect(
          compared.flatMap(({ recorded, comparison }) => comparison.wrong.map((line) => `${recorded.id} ${line}`))
        ).toEqual([])
      })
    }

    if (name === "openai-embeddings") continue

    it(`${name}: wire parts give back every event but errors and [DONE], before what is decoded from it`, () => {
      for (const recorded of cases.filter((entry) => entry.streaming && entry.expected.outcome === "success")) {
        const bytes = new TextEncoder().encode(recorded.response.body)
        const plain = replayStream(protocol, bytes, []).parts
        const wired = replayStream(protocol, bytes, [], { wire: true })
        expect(wired.parts.filter((part) => part.type !== "wire")).toEqual(plain)
        if (wired.decoded.error !== undefined) continue
        const data = wired.parts.flatMap((part) => (part.type === "wire" ? [JSON.parse(part.data) as unknown] : []))
        expect(data, recorded.id).toEqual(eventsIn(recorded))
      }
    })

    it(`${name}: a whole answer keeps its body as wire form when asked to`, () => {
      for (const recorded of cases.filter((entry) => !entry.streaming && entry.expected.outcome === "success")) {
        const decoded = protocol.decodeWhole(recorded.response.body, endpoint, { wire: true })
        expect(decoded).toMatchObject({ success: { wire: { dialect: name, body: recorded.response.body } } })
      }
    })
  }

  afterAll(() => {
    if (rows.length > 0) console.table(rows)
  })
})

const rowOf = (
  name: string,
  cut: string,
  compared: ReadonlyArray<{ readonly recorded: RecordedCase; readonly comparison: Comparison }>,
  leftOut: number
): { [column: string]: string | number } => ({
  endpoint: name,
  "cut into": cut,
  cases: compared.length,
  passed: compared.filter(({ comparison }) => comparison.wrong.length === 0).length,
  "left out": leftOut,
  "fields disputed": tally(compared.flatMap(({ comparison }) => comparison.skipped)),
  "read by us alone": tally(compared.flatMap(({ comparison }) => comparison.beyond))
})

const tally = (fields: ReadonlyArray<string>): string => {
  const counts = new Map<string, number>()
  for (const field of fields) counts.set(field, (counts.get(field) ?? 0) + 1)
  return [...counts].map(([field, count]) => `${field} ${count}`).join(", ")
}

/** The events of a recorded stream up to its terminal one, read the plain way: framing is LF or CRLF there. */
const eventsIn = (recorded: RecordedCase): ReadonlyArray<unknown> => {
  const events: Array<unknown> = []
  for (const block of recorded.response.body.replace(/^\uFEFF/, "").split(/\r\n\r\n|\n\n|\r\r/)) {
    const data = block
      .split(/\r\n|\n|\r/)
      .filter((line) => line.startsWith("data:"))
      .map((line) => line.slice(5).replace(/^ /, ""))
      .join("\n")
    if (data === "" || data.startsWith("[DONE]")) continue
    events.push(JSON.parse(data) as unknown)
  }
  return events
}
