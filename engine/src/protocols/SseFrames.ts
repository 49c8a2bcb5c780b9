/**
 * Bytes of a response body as server-sent events (WHATWG HTML, section 9.2), whatever the network cut them into.
 *
 * Multi-byte characters may be split between reads; CRLF, LF and CR end a line; a BOM, comments, `id` and `retry` are
 * skipped. When the body ends without the blank line that ends its last event, the event still counts if its data is
 * whole, so that a cut one is never taken for an answer. An event over 10 MiB is an error, not a full memory.
 */
import * as Sse from "effect/encoding/Sse"
import type { EngineError } from "../Errors.ts"
import { parseJson } from "./Json.ts"
import type { Endpoint, SseEvent } from "./Protocol.ts"
import { invalidResponse } from "./UpstreamErrors.ts"

const eventLengthMax = 10 * 1024 * 1024

/** Frames the events of one body. Stateful; made anew for each body. */
export class SseFrames {
  private readonly endpoint: Endpoint
  private readonly decoder = new TextDecoder()
  private readonly parser: Sse.Parser
  private out: Array<SseEvent> = []

  constructor(endpoint: Endpoint) {
    this.endpoint = endpoint
    this.parser = Sse.makeParser(
      (event) => {
        if (event._tag === "Event") {
          this.out.push({ event: event.event === "message" ? undefined : event.event, data: event.data })
        }
      },
      { maxEventSize: eventLengthMax }
    )
  }

  /** Appends the events that these bytes complete. Returns the error that ends the stream, if there is one. */
  push(bytes: Uint8Array, out: Array<SseEvent>): EngineError | undefined {
    return this.feed(this.decoder.decode(bytes, { stream: true }), out)
  }

  /** Called when the body has ended. Appends the last event when only its blank line is missing. */
  end(out: Array<SseEvent>): EngineError | undefined {
    const last: Array<SseEvent> = []
    const error = this.feed(`${this.decoder.decode()}\n\n`, last)
    for (const event of last) {
      if (event.data.startsWith("[DONE]") || parseJson(event.data) !== undefined) out.push(event)
    }
    return error
  }

  private feed(text: string, out: Array<SseEvent>): EngineError | undefined {
    this.out = out
    return this.parser.feed(text) === undefined
      ? undefined
      : invalidResponse(this.endpoint, `an event of more than ${eventLengthMax} characters`)
  }
}
