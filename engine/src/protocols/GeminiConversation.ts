/**
 * Canonical messages as Gemini's contents: a system instruction, then turns of `user` and `model` that alternate.
 *
 * It belongs to `GeminiRequest`, which says what is left out and what is an error. Ids of calls go to the Gemini API alone,
 * since Vertex AI knows none; a tool result is matched to its function by the id of the call before it.
 */
import { Result } from "effect"
import { type EngineError, InvalidRequest, UnsupportedAbility } from "../Errors.ts"
import type { ContentPart, Message } from "../Request.ts"
import { sourceOf } from "./Attachments.ts"
import { isGemini3 } from "./GeminiThinking.ts"
import { isObject, parseJson } from "./Json.ts"
import type { Endpoint } from "./Protocol.ts"
import { ownSignature } from "./Signatures.ts"

type Body = Record<string, unknown>
type Encoded<A = Body> = Result.Result<A, EngineError>
type PartOf<Type extends ContentPart["type"]> = Extract<ContentPart, { readonly type: Type }>

/** What Gemini 3 takes for a call whose signature is not known. Source: ai.google.dev, "Thought signatures". */
export const unknownSignature = "skip_thought_signature_validator"

export class GeminiConversation {
  readonly system: Array<Body> = []
  private readonly turns: Array<{ readonly role: string; readonly parts: Array<Body> }> = []
  private readonly names = new Map<string, string>()
  private readonly provider: string
  private readonly omitted: Array<string>
  private readonly knowsIds: boolean
  private readonly isGemini3: boolean

  constructor(endpoint: Endpoint, omitted: Array<string>) {
    this.provider = endpoint.provider
    this.omitted = omitted
    this.knowsIds = !/aiplatform\.googleapis|\/projects\/|\/publishers\//.test(endpoint.baseUrl)
    this.isGemini3 = isGemini3(endpoint.model)
  }

  add(message: Message, field: string): EngineError | undefined {
    if (message.name !== undefined) this.omitted.push(`${field}.name`)
    const content: ReadonlyArray<ContentPart> =
      typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content
    const wrong = content.findIndex((part) => !allowed[message.role].includes(part.type))
    if (wrong >= 0) return invalid(`${field}.content[${wrong}]`, `expected ${allowed[message.role].join(" or ")}`)
    if (message.role === "assistant") return this.addModel(content, field)
    if (message.role === "system" && this.turns.length > 0) {
      return new UnsupportedAbility({ provider: this.provider, ability: "system messages after the first turn" })
    }
    const parts = message.role === "system" ? this.system : this.partsOf("user")
    for (let index = 0; index < content.length; index++) {
      const encoded = this.encodePart(content[index]!, `${field}.content[${index}]`)
      if (Result.isFailure(encoded)) return encoded.failure
      if (encoded.success !== undefined) parts.push(encoded.success)
    }
    return undefined
  }

  /** The turns that have something to say. */
  contents(): Array<Body> {
    return this.turns.flatMap(({ parts, role }) => (parts.length === 0 ? [] : [{ role, parts }]))
  }

  private partsOf(role: string): Array<Body> {
    const last = this.turns[this.turns.length - 1]
    if (last !== undefined && last.role === role) return last.parts
    const parts: Array<Body> = []
    this.turns.push({ role, parts })
    return parts
  }

  /** A signature belongs to the part after it; at the end of a turn it comes in an empty part of its own. */
  private addModel(content: ReadonlyArray<ContentPart>, field: string): EngineError | undefined {
    const parts = this.partsOf("model")
    let signature: string | undefined
    let signedCall = false
    for (let index = 0; index < content.length; index++) {
      const part = content[index]!
      const at = `${field}.content[${index}]`
      if (part.type === "reasoning") {
        const own = ownSignature("gemini", part.signature)
        if (own === undefined) {
          this.omitted.push(at)
          continue
        }
        if (signature !== undefined) parts.push({ text: "", thoughtSignature: signature })
        if (part.text !== "") parts.push({ text: part.text, thought: true })
        signature = own
      } else if (part.type === "tool-call") {
        const call = this.encodeCall(part, at)
        if (Result.isFailure(call)) return call.failure
        const signed = signature ?? (this.isGemini3 && !signedCall ? unknownSignature : undefined)
        signedCall ||= signature !== undefined
        parts.push(signed === undefined ? call.success : { ...call.success, thoughtSignature: signed })
        signature = undefined
      } else if (part.type === "text" && part.text !== "") {
        parts.push({ text: part.text, ...(signature === undefined ? {} : { thoughtSignature: signature }) })
        signature = undefined
      }
    }
    if (signature !== undefined) parts.push({ text: "", thoughtSignature: signature })
    return undefined
  }

  private encodeCall(part: PartOf<"tool-call">, field: string): Encoded {
    const args = part.arguments.trim() === "" ? {} : parseJson(part.arguments)
    if (!isObject(args)) return Result.fail(invalid(`${field}.arguments`, "expected a JSON object"))
    this.names.set(part.id, part.name)
    return Result.succeed({ functionCall: { ...this.idOf(part.id), name: part.name, args } })
  }

  private idOf(id: string): Body {
    return this.knowsIds && id !== "" ? { id } : {}
  }

  /** What a part becomes, or undefined for one that is left out. */
  private encodePart(part: ContentPart, field: string): Encoded<Body | undefined> {
    switch (part.type) {
      case "text":
        return Result.succeed(part.text === "" ? undefined : { text: part.text })
      case "image":
        if (part.detail !== undefined) this.omitted.push(`${field}.detail`)
        return encodeBlob(part.image, part.mediaType, `${field}.image`)
      case "file":
        if (part.filename !== undefined) this.omitted.push(`${field}.filename`)
        return encodeBlob(part.data, part.mediaType, `${field}.data`)
      case "tool-result":
        return this.encodeToolResult(part, field)
      default:
        return Result.fail(invalid(field, "expected a text, image, file or tool-result part"))
    }
  }

  private encodeToolResult(part: PartOf<"tool-result">, field: string): Encoded {
    const name = this.names.get(part.id) ?? part.name
    if (name === undefined) {
      return Result.fail(
        invalid(`${field}.name`, "expected the name of the function, since no call before has this id")
      )
    }
    const content = typeof part.content === "string" ? [{ type: "text" as const, text: part.content }] : part.content
    const blobs: Array<Body> = []
    let text = ""
    for (let index = 0; index < content.length; index++) {
      const inner = content[index]!
      if (inner.type === "text") {
        text += inner.text
        continue
      }
      if (!this.isGemini3) {
        const ability = "images and files in tool results"
        return Result.fail(new UnsupportedAbility({ provider: this.provider, ability }))
      }
      const blob = this.encodePart(inner, `${field}.content[${index}]`)
      if (Result.isFailure(blob)) return Result.fail(blob.failure)
      blobs.push(blob.success!)
    }
    return Result.succeed({
      functionResponse: {
        ...this.idOf(part.id),
        name,
        response: { [part.isError === true ? "error" : "output"]: structured(text) },
        ...(blobs.length === 0 ? {} : { parts: blobs })
      }
    })
  }
}

const allowed: Readonly<Record<Message["role"], ReadonlyArray<ContentPart["type"]>>> = {
  system: ["text"],
  user: ["text", "image", "file", "tool-result"],
  assistant: ["text", "reasoning", "tool-call"],
  tool: ["tool-result"]
}

/** A result that is JSON goes as that, so that the model need not read it through escapes. */
const structured = (text: string): unknown => {
  const value = /^\s*[[{]/.test(text) ? parseJson(text) : undefined
  return value === undefined ? text : value
}

/** Bytes go along; a URL is handed to Gemini, which fetches what it can. */
const encodeBlob = (data: string, mediaType: string | undefined, field: string): Encoded =>
  Result.map(sourceOf(data, mediaType, field), (source) =>
    source.type === "url"
      ? { fileData: { mimeType: mediaType ?? mediaTypeOf(source.url), fileUri: source.url } }
      : { inlineData: { mimeType: source.mediaType, data: source.data } }
  )

/** The type of an image behind a URL, by its name; Gemini wants one stated. */
const mediaTypeOf = (url: string): string => {
  const extension = /\.(png|webp|gif|heic|heif|avif|bmp)(?:$|[?#])/i.exec(url)?.[1]?.toLowerCase()
  return `image/${extension ?? "jpeg"}`
}

const invalid = (field: string, detail: string): EngineError => new InvalidRequest({ field, detail })
