/**
 * Request bodies: read up to a bound, decompressed up to the same bound, parsed as JSON up to a depth and a number of values.
 *
 * Everything that can be wrong with a body is an error of `Errors.ts`: its type, encoding, size, bytes, syntax or shape. A
 * body over the bound is not read further, and a small body that unpacks to a large one stops at the bound.
 */
import { Effect, Predicate } from "effect"
import { isUtf8 } from "node:buffer"
import type { IncomingMessage } from "node:http"
import { brotliDecompress, gunzip, inflate, type ZlibOptions } from "node:zlib"
import { InvalidRequest, PayloadTooLarge, UnsupportedMediaType } from "../Errors.ts"

export type BodyError = InvalidRequest | PayloadTooLarge | UnsupportedMediaType

/** A JSON object as it was sent. */
export type JsonBody = { readonly [key: string]: unknown }

const depthMax = 64
/** A list of token ids to embed has some 300,000 numbers; a long conversation with tools has some 10,000 objects. */
const valuesMax = 400_000
const objectsMax = 50_000

/** Reads the body of a request as a JSON object. */
export const readJson = (request: IncomingMessage, limitBytes: number): Effect.Effect<JsonBody, BodyError> => {
  const type = request.headers["content-type"]
  if (type === undefined || !isJson(type)) {
    return Effect.fail(
      new UnsupportedMediaType({ header: "content-type", detail: `expected application/json, got ${shown(type)}` })
    )
  }
  const encoding = request.headers["content-encoding"]?.trim().toLowerCase() ?? "identity"
  if (encoding !== "identity" && !Object.hasOwn(decoders, encoding)) {
    return Effect.fail(
      new UnsupportedMediaType({
        header: "content-encoding",
        detail: `expected gzip, deflate or br, got ${shown(encoding)}`
      })
    )
  }
  const bytes = readBytes(request, limitBytes)
  return Effect.flatMap(
    encoding === "identity" ? bytes : Effect.flatMap(bytes, (packed) => unpack(packed, encoding, limitBytes)),
    parse
  )
}

const isJson = (type: string): boolean => {
  const media = type.split(";", 1)[0]!.trim().toLowerCase()
  return media === "application/json" || media.endsWith("+json")
}

const shown = (value: string | undefined): string =>
  value === undefined ? "none" : JSON.stringify(value.slice(0, 100))

const readBytes = (request: IncomingMessage, limitBytes: number): Effect.Effect<Buffer, PayloadTooLarge> =>
  Effect.callback<Buffer, PayloadTooLarge>((resume) => {
    const tooLarge = () => {
      request.removeAllListeners("data")
      request.resume()
      resume(Effect.fail(new PayloadTooLarge({ limitBytes })))
    }
    const announced = Number(request.headers["content-length"] ?? 0)
    if (announced > limitBytes) return tooLarge()
    const chunks: Array<Buffer> = []
    let bytes = 0
    request.on("data", (chunk: Buffer) => {
      bytes += chunk.length
      if (bytes > limitBytes) return tooLarge()
      chunks.push(chunk)
    })
    request.once("end", () => resume(Effect.succeed(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks))))
  })

type Decoder = (bytes: Buffer, options: ZlibOptions, callback: (error: Error | null, out: Buffer) => void) => void

const decoders: { readonly [encoding: string]: Decoder } = {
  gzip: gunzip,
  "x-gzip": gunzip,
  deflate: inflate,
  br: brotliDecompress
}

const unpack = (bytes: Buffer, encoding: string, limitBytes: number): Effect.Effect<Buffer, BodyError> =>
  Effect.callback((resume) => {
    decoders[encoding]!(bytes, { maxOutputLength: limitBytes }, (error, out) => {
      if (error === null) return resume(Effect.succeed(out))
      const tooLarge = "code" in error && error.code === "ERR_BUFFER_TOO_LARGE"
      resume(
        Effect.fail(
          tooLarge
            ? new PayloadTooLarge({ limitBytes })
            : new InvalidRequest({ field: "", detail: `the body is not valid ${encoding}` })
        )
      )
    })
  })

const parse = (bytes: Buffer): Effect.Effect<JsonBody, InvalidRequest> => {
  if (bytes.length === 0) return invalid("the body is empty; expected a JSON object")
  if (!isUtf8(bytes)) return invalid("the body is not valid UTF-8")
  const excess = excessOf(bytes)
  if (excess !== undefined) return invalid(excess)
  let value: unknown
  try {
    value = JSON.parse(bytes.toString("utf8"))
  } catch (error) {
    return invalid(`the body is not valid JSON${positionOf(error)}`)
  }
  return Predicate.isObject(value) && !Array.isArray(value)
    ? Effect.succeed(value as JsonBody)
    : invalid("the body is not a JSON object")
}

const invalid = (detail: string) => Effect.fail(new InvalidRequest({ field: "", detail }))

/** Where a parser stopped, without the text around it: bodies hold prompts. */
const positionOf = (error: unknown): string => {
  const position = error instanceof Error ? /at position (\d+)/.exec(error.message)?.[1] : undefined
  return position === undefined ? "" : ` (at position ${position})`
}

/**
 * What of a body is beyond its bounds: its depth, or the number of its objects and values, each of which costs time to check. Bodies
 * that are too small for either are not walked.
 */
const excessOf = (bytes: Buffer): string | undefined => {
  if (bytes.length <= valuesMax && !hasMore(bytes, 0x7b, depthMax / 2) && !hasMore(bytes, 0x5b, depthMax / 2)) return
  let depth = 0
  let objects = 0
  let values = 0
  for (let i = 0; i < bytes.length; i++) {
    switch (bytes[i]) {
      case 0x22:
        i = endOfString(bytes, i)
        break
      case 0x7b:
      case 0x5b:
        if (++depth > depthMax) return `the body is nested deeper than ${depthMax} levels`
        if (++objects > objectsMax) return `the body has more than ${objectsMax} objects and lists`
        break
      case 0x7d:
      case 0x5d:
        depth--
        break
      case 0x2c:
        if (++values > valuesMax) return `the body has more than ${valuesMax} values`
    }
  }
  return undefined
}

const hasMore = (bytes: Buffer, byte: number, count: number): boolean => {
  let found = 0
  for (let at = bytes.indexOf(byte); at !== -1 && found <= count; at = bytes.indexOf(byte, at + 1)) found++
  return found > count
}

/** Where the string that begins at `start` ends: at the next quote with an even number of backslashes before it. */
const endOfString = (bytes: Buffer, start: number): number => {
  for (let end = bytes.indexOf(0x22, start + 1); end !== -1; end = bytes.indexOf(0x22, end + 1)) {
    let backslashes = 0
    while (bytes[end - 1 - backslashes] === 0x5c) backslashes++
    if (backslashes % 2 === 0) return end
  }
  return bytes.length
}
