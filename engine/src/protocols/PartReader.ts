/**
 * The bytes of a 2xx answer to a streamed request as parts: frames, then decodes, then stops.
 *
 * Reads an event stream; a server that ignores `stream` and answers with one JSON document is read as that, whatever
 * its content type says, and an HTML page is an error at once. After the terminal part or an error further bytes are
 * ignored. It pulls nothing, waits for nothing and never throws.
 */
import { Result } from "effect"
import type { EngineError } from "../Errors.ts"
import { type Part, toParts } from "../Reply.ts"
import type { Endpoint, Protocol, SseEvent, StreamDecoder, StreamOptions } from "./Protocol.ts"
import { SseFrames } from "./SseFrames.ts"
import { invalidResponse } from "./UpstreamErrors.ts"

const documentBytesMax = 64 * 1024 * 1024

/** Reads one body. Stateful; made anew for each answer. */
export class PartReader {
  private readonly protocol: Protocol
  private readonly endpoint: Endpoint
  private readonly frames: SseFrames
  private readonly decoder: StreamDecoder
  private readonly events: Array<SseEvent> = []
  private form: "unknown" | "events" | "document" = "unknown"
  private document: Array<Uint8Array> = []
  private documentBytes = 0
  private closed = false

  constructor(protocol: Protocol, endpoint: Endpoint, options?: StreamOptions) {
    this.protocol = protocol
    this.endpoint = endpoint
    this.frames = new SseFrames(endpoint)
    this.decoder = protocol.decodeStream(endpoint, options)
  }

  /** True after the terminal part or an error: nothing more will come. */
  get done(): boolean {
    return this.closed
  }

  /** Appends the parts that these bytes complete. Returns the error that ends the stream, if there is one. */
  push(bytes: Uint8Array, out: Array<Part>): EngineError | undefined {
    if (this.closed) return undefined
    if (this.form === "unknown") {
      const first = firstByte(bytes)
      if (first === undefined && this.documentBytes + bytes.length < leadingBytesMax) return this.keep(bytes)
      if (first === 0x3c) return this.close(invalidResponse(this.endpoint, "an HTML page instead of events"))
      this.form = first === 0x7b || first === 0x5b ? "document" : "events"
      if (this.form === "events") for (const kept of this.takeDocument()) this.frames.push(kept, this.events)
    }
    if (this.form === "document") return this.keep(bytes)
    return this.decode(this.frames.push(bytes, this.events), out)
  }

  /** Called when the body has ended. Appends what is still due, or returns why the answer is not complete. */
  end(out: Array<Part>): EngineError | undefined {
    if (this.closed) return undefined
    if (this.form === "document") return this.endDocument(out)
    const error = this.decode(this.frames.end(this.events), out)
    return this.closed ? error : this.close(this.decoder.end(out))
  }

  private decode(framing: EngineError | undefined, out: Array<Part>): EngineError | undefined {
    const events = this.events
    for (let i = 0; i < events.length; i++) {
      const error = this.decoder.event(events[i]!, out)
      if (error !== undefined) return this.close(error)
    }
    events.length = 0
    if (out.length > 0 && out[out.length - 1]!.type === "finish") this.closed = true
    return framing === undefined || this.closed ? undefined : this.close(framing)
  }

  private keep(bytes: Uint8Array): EngineError | undefined {
    this.documentBytes += bytes.length
    if (this.documentBytes > documentBytesMax) {
      return this.close(invalidResponse(this.endpoint, `a document of more than ${documentBytesMax} bytes`))
    }
    this.document.push(bytes.slice())
    return undefined
  }

  private takeDocument(): Array<Uint8Array> {
    const kept = this.document
    this.document = []
    return kept
  }

  private endDocument(out: Array<Part>): EngineError | undefined {
    const decoder = new TextDecoder()
    let body = ""
    for (const bytes of this.takeDocument()) body += decoder.decode(bytes, { stream: true })
    const decoded = this.protocol.decodeWhole(body + decoder.decode(), this.endpoint)
    if (Result.isFailure(decoded)) return this.close(decoded.failure)
    for (const part of toParts(decoded.success)) out.push(part)
    return this.close(undefined)
  }

  private close(error: EngineError | undefined): EngineError | undefined {
    this.closed = true
    return error
  }
}

/** Bytes that may come before the first sign of what the body is: blank lines, a BOM. */
const leadingBytesMax = 1024

/** The first byte that is neither white space nor part of a UTF-8 byte order mark. */
const firstByte = (bytes: Uint8Array): number | undefined => {
  for (const byte of bytes) {
    if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) {
      if (byte !== 0xef && byte !== 0xbb && byte !== 0xbf) return byte
    }
  }
  return undefined
}
