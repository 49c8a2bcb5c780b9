/**
 * The rhythm of a streamed answer: noted while it comes, played again from the cache when a caller asks for it.
 *
 * One note is a pause in milliseconds and a number of characters, as two units of a string, which is the smallest thing
 * that can be kept and stored. Notes are cut off past a bound; the rest of the answer then comes in one piece. Pauses are
 * played on Effect's Clock. It changes nothing of the answer: what is played is `toParts` in smaller pieces.
 */
import { Effect, type Pull, Stream } from "effect"
import { done } from "effect/Cause"
import type { Completion, Part, Parts } from "./Reply.ts"
import { toParts } from "./Reply.ts"

/** Notes of one answer. */
const notesMax = 8192

/** Below the surrogates, so that every note is a character of its own wherever it is written. */
const unitMax = 0xd7ff

/** Listens to one stream. */
export class PacingRecorder {
  private readonly units: Array<number> = []
  private lastMs: number

  constructor(startedAtMs: number) {
    this.lastMs = startedAtMs
  }

  /** Notes the parts that came together at a time in epoch milliseconds. */
  record(parts: ReadonlyArray<Part>, nowMs: number): void {
    let length = 0
    for (const part of parts) length += lengthOf(part)
    if (length === 0 || this.units.length >= 2 * notesMax) return
    const pauseMs = Math.max(0, Math.round(nowMs - this.lastMs))
    this.lastMs = nowMs
    // What comes at the same time is one piece.
    const { units } = this
    if (pauseMs === 0 && units.length > 0 && units[units.length - 1]! + length <= unitMax) {
      units[units.length - 1]! += length
    } else units.push(Math.min(pauseMs, unitMax), Math.min(length, unitMax))
  }

  /** What was noted; undefined when nothing came, or all at once. */
  notes(): string | undefined {
    if (this.units.length <= 2) return undefined
    let text = ""
    for (let i = 0; i < this.units.length; i += 4096) text += String.fromCharCode(...this.units.slice(i, i + 4096))
    return text
  }
}

const lengthOf = (part: Part): number => {
  switch (part.type) {
    case "text":
    case "refusal":
    case "reasoning":
      return part.text.length
    case "tool-call":
      return part.arguments.length
    default:
      return 0
  }
}

/** The parts of an answer in its own rhythm. */
export const replay = (completion: Completion, notes: string): Parts =>
  Stream.fromPull(
    Effect.sync(() => {
      const chunks = paced(toParts(completion), notes)
      let next = 0
      return Effect.suspend((): Pull.Pull<readonly [Part, ...Array<Part>]> => {
        const chunk = chunks[next++]
        if (chunk === undefined) return done()
        const parts = Effect.succeed(chunk.parts as unknown as readonly [Part, ...Array<Part>])
        return chunk.pauseMs === 0 ? parts : Effect.andThen(Effect.sleep(chunk.pauseMs), parts)
      })
    })
  )

interface Chunk {
  readonly pauseMs: number
  readonly parts: Array<Part>
}

/** Cuts parts where the notes say; what comes after the last note is in the last chunk. */
const paced = (parts: ReadonlyArray<Part>, notes: string): ReadonlyArray<Chunk> => {
  const chunks: Array<Chunk> = [{ pauseMs: notes.charCodeAt(0), parts: [] }]
  let note = 0
  let room = notes.charCodeAt(1)
  const advance = () => {
    note += 2
    room = note < notes.length ? notes.charCodeAt(note + 1) : Number.POSITIVE_INFINITY
    if (note < notes.length) chunks.push({ pauseMs: notes.charCodeAt(note), parts: [] })
  }
  for (const part of parts) {
    let rest: Part | undefined = part
    while (rest !== undefined) {
      const length: number = lengthOf(rest)
      if (length > 0 && room === 0) advance()
      const cut: number = length <= room ? length : withoutHalf(rest, room)
      chunks.at(-1)!.parts.push(cut === length ? rest : head(rest, cut))
      room = Math.max(0, room - cut)
      rest = cut === length ? undefined : tail(rest, cut)
    }
  }
  return chunks.filter((chunk) => chunk.parts.length > 0)
}

/** A length that does not cut a character in two halves. */
const withoutHalf = (part: Part, length: number): number => {
  const code = textOf(part).charCodeAt(length - 1)
  return code >= 0xd800 && code <= 0xdbff ? length + 1 : length
}

const textOf = (part: Part): string => (part.type === "tool-call" ? part.arguments : "text" in part ? part.text : "")

/** The first piece of a part; a signature belongs to the last one. */
const head = (part: Part, length: number): Part => {
  const text = textOf(part).slice(0, length)
  if (part.type === "tool-call") return { ...part, arguments: text }
  return part.type === "reasoning" ? { type: "reasoning", text } : ({ ...part, text } as Part)
}

/** The rest of a part; the id and the name of a tool call came with its first piece. */
const tail = (part: Part, length: number): Part => {
  const text = textOf(part).slice(length)
  if (part.type === "tool-call") return { type: "tool-call", index: part.index, arguments: text }
  return { ...part, text } as Part
}
