/**
 * Puts the pieces of each tool call side by side, for dialects that write one block after the other.
 *
 * A call stays open until its arguments are whole and something else comes. What comes before they are whole waits; in
 * practice nothing does, since providers stream one call after the other. Nothing is lost: what waits is handed on, call
 * by call, when the open one is whole or the stream ends. What still comes for a whole call that is closed is white space.
 */
import { isObject, parseJson } from "../protocols/Json.ts"
import type { Part } from "../Reply.ts"

type Piece = Extract<Part, { readonly type: "tool-call" }>

/** Orders the parts of one stream. Stateful; made anew for each. */
export class ToolOrder {
  private readonly emit: (part: Part) => void
  private index: number | undefined = undefined
  private written = ""
  private held: Array<Part> = []
  private readonly closed = new Set<number>()

  constructor(emit: (part: Part) => void) {
    this.emit = emit
  }

  add(part: Part): void {
    if (part.type === "tool-call" && this.closed.has(part.index)) return
    if (this.index === undefined) return this.pass(part)
    if (part.type === "tool-call" && part.index === this.index) {
      this.written += part.arguments
      this.emit(part)
      if (this.held.length > 0 && this.whole) this.release()
    } else if (part.type === "finish") {
      this.flush()
      this.emit(part)
    } else if (this.held.length === 0 && this.whole) this.pass(part)
    else this.held.push(part)
  }

  /** Hands on what waits, whether it is whole or not. */
  flush(): void {
    this.index = undefined
    const held = this.held
    this.held = []
    const written = new Set<number>()
    for (const part of held) {
      if (part.type !== "tool-call") this.emit(part)
      else if (!written.has(part.index)) {
        written.add(part.index)
        for (const piece of held) if (isPieceOf(piece, part.index)) this.emit(piece)
      }
    }
  }

  private pass(part: Part): void {
    if (this.index !== undefined) this.closed.add(this.index)
    this.index = part.type === "tool-call" ? part.index : undefined
    this.written = part.type === "tool-call" ? part.arguments : ""
    this.emit(part)
  }

  private release(): void {
    const held = this.held
    this.held = []
    this.closed.add(this.index!)
    this.index = undefined
    for (const part of held) this.add(part)
  }

  private get whole(): boolean {
    return isObject(parseJson(this.written))
  }
}

const isPieceOf = (part: Part, index: number): part is Piece => part.type === "tool-call" && part.index === index
