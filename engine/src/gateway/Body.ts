/**
 * Request bodies: read up to a bound, decompressed up to the same bound, parsed as JSON up to a depth.
 *
 * Everything that can be wrong with a body is an error of `Errors.ts`: its type, encoding, size, bytes, syntax or depth.
 * A body over the bound is not read further, and a small body that unpacks to a large one stops at the bound.
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
  if (depthOf(bytes) > depthMax) return invalid(`the body is nested deeper than ${depthMax} levels`)
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

/** Depth of brackets outside strings. Bodies with few brackets can't be deep and are not walked. */
const depthOf = (bytes: Buffer): number => {
  let brackets = 0
  for (let at = bytes.indexOf(0x7b); at !== -1 && brackets <= depthMax; at = bytes.indexOf(0x7b, at + 1)) brackets++
  for (let at = bytes.indexOf(0x5b); at !== -1 && brackets <= depthMax; at = bytes.indexOf(0x5b, at + 1)) brackets++
  if (brackets <= depthMax) return brackets
  let depth = 0
  let deepest = 0
  let quoted = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (quoted) {
      if (byte === 0x5c) i++
      else if (byte === 0x22) quoted = false
    } else if (byte === 0x22) quoted = true
    else if (byte === 0x7b || byte === 0x5b) deepest = Math.max(deepest, ++depth)
    else if (byte === 0x7d || byte === 0x5d) depth--
  }
  return deepest
}
