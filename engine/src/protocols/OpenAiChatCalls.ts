/**
 * Tool calls of Chat Completions, whole or in pieces.
 *
 * Servers tell parallel calls apart by index, by id or by both; a call without an id gets one made from the response's id.
 * A thought signature of Gemini (`extra_content.google`, as its own compatible endpoint has it) becomes reasoning before
 * its call.
 */
import { Predicate } from "effect"
import type { Part } from "../Reply.ts"
import { madeCallId } from "./CallIds.ts"
import { isObject, type JsonObject, jsonText, parseJson, stringOr } from "./Json.ts"
import { labelled } from "./Signatures.ts"

interface OpenCall {
  readonly id: string | undefined
  readonly providerIndex: number | undefined
  written: string
}

/**
 * Tells which call a piece of a stream belongs to: by id, else by index. A new id with a name opens a call whatever its
 * index; so does a name without an id once the arguments at that index are whole. In a message each piece is a call.
 */
export class ToolCalls {
  private readonly streamed: boolean
  private readonly calls: Array<OpenCall> = []

  constructor(streamed: boolean) {
    this.streamed = streamed
  }

  decode(piece: JsonObject, responseId: string, out: Array<Part>): void {
    const custom = piece["custom"]
    const made = isObject(piece["function"]) ? piece["function"] : isObject(custom) ? custom : piece
    const name = stringOr(made["name"], "")
    const value = made["arguments"] ?? made["input"]
    const written = Predicate.isString(value) ? value : isObject(value) ? (jsonText(value) ?? "") : ""
    const id = stringOr(piece["id"], "") || undefined
    const providerIndex = Predicate.isNumber(piece["index"]) ? piece["index"] : undefined
    const index = this.streamed ? this.find(id, providerIndex, name) : -1
    if (index >= 0) {
      if (written === "") return
      this.calls[index]!.written += written
      out.push({ type: "tool-call", index, arguments: written })
      return
    }
    const signature = thoughtSignatureOf(piece)
    if (signature !== "") out.push({ type: "reasoning", text: "", signature: labelled("gemini", signature) })
    const opened = this.calls.push({ id, providerIndex, written }) - 1
    out.push({ type: "tool-call", index: opened, id: id ?? madeCallId(responseId, opened), name, arguments: written })
  }

  private find(id: string | undefined, providerIndex: number | undefined, name: string): number {
    const at = (call: OpenCall): boolean => providerIndex === undefined || call.providerIndex === providerIndex
    if (id !== undefined) {
      const same = this.calls.findLastIndex((call) => call.id === id && at(call))
      if (same >= 0 || name !== "") return same
    }
    const last = this.calls.findLastIndex(at)
    const opens = name !== "" && last >= 0 && (providerIndex === undefined || isWhole(this.calls[last]!.written))
    return opens ? -1 : last
  }
}

const isWhole = (written: string): boolean => written !== "" && parseJson(written) !== undefined

/** The signature of a call as Google's compatible endpoint carries it; empty where there is none. */
export const thoughtSignatureOf = (call: JsonObject): string => {
  const extra = call["extra_content"]
  const google = isObject(extra) ? extra["google"] : undefined
  return isObject(google) ? stringOr(google["thought_signature"], "") : ""
}
