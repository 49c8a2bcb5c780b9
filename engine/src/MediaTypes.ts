/**
 * Media types of inlined images, for callers who say no more than `image`.
 *
 * The type is read from the first bytes; nothing is decoded.
 */

const signatures: ReadonlyArray<readonly [pattern: RegExp, mediaType: string]> = [
  [/^\x89PNG/, "image/png"],
  [/^\xff\xd8\xff/, "image/jpeg"],
  [/^GIF8/, "image/gif"],
  [/^RIFF[^]{4}WEBP/, "image/webp"],
  [/^[^]{4}ftyp(?:avif|avis)/, "image/avif"],
  [/^[^]{4}ftyp(?:heic|heix|mif1)/, "image/heic"],
  [/^BM/, "image/bmp"]
]

/** The media type of base64 image data, undefined when its first bytes are of no known format. */
export const imageTypeOf = (base64: string): string | undefined => {
  const head = Buffer.from(base64.slice(0, 16), "base64").toString("latin1")
  return signatures.find(([pattern]) => pattern.test(head))?.[1]
}

/** True for `image`, `image/*` and the like: a kind of file, but not which. */
export const isPartialType = (mediaType: string): boolean => !mediaType.includes("/") || mediaType.endsWith("/*")

export const isImageType = (mediaType: string): boolean => /^image(?:\/|$)/i.test(mediaType)
