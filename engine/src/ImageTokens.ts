/**
 * Tokens of an image by its provider's published formula.
 *
 * The size is read from the first bytes of an inlined PNG, JPEG, GIF or WebP. What can't be known from the request alone
 * (an image behind a URL, a broken header, a model without a published formula) is undefined, never a guess. Pixels are
 * not decoded and nothing is fetched.
 */
import type { Family } from "./ModelCatalog.ts"

/** An image as a request carries it. */
export interface ImageSource {
  /** An https URL, a `data:` URL or base64. */
  readonly image: string
  readonly detail?: "auto" | "low" | "high" | undefined
}

export interface Size {
  readonly width: number
  readonly height: number
}

/** Tokens of one image in a prompt; undefined when they can't be told from the request. */
export const imageTokens = (source: ImageSource, family: Family, model: string): number | undefined => {
  const formula = formulaOf(family, model)
  if (formula === undefined) return undefined
  if (source.detail === "low" && formula.low !== undefined) return formula.low
  const size = sizeOf(source.image)
  return size === undefined ? undefined : formula.tokens(size)
}

/** Width and height in pixels of an inlined image. */
export const sizeOf = (image: string): Size | undefined => {
  const base64 = base64Of(image)
  if (base64 === undefined) return undefined
  const head = Buffer.from(base64.slice(0, headLength), "base64")
  const size =
    head.length < 30
      ? undefined
      : head.readUInt32BE(0) === 0x89504e47
        ? { width: head.readUInt32BE(16), height: head.readUInt32BE(20) }
        : head.toString("latin1", 0, 4) === "GIF8"
          ? { width: head.readUInt16LE(6), height: head.readUInt16LE(8) }
          : head.toString("latin1", 8, 12) === "WEBP"
            ? webpSize(head)
            : head.readUInt16BE(0) === 0xffd8
              ? jpegSize(Buffer.from(base64.slice(0, jpegHeadLength), "base64"))
              : undefined
  return size !== undefined && size.width > 0 && size.height > 0 ? size : undefined
}

/** Base64 characters that hold the header of every format but JPEG. */
const headLength = 64
/** A JPEG has its size after its metadata, which may hold a colour profile and a preview. */
const jpegHeadLength = 262_144

const base64Of = (image: string): string | undefined => {
  if (!image.startsWith("data:")) return /^https?:/i.test(image) ? undefined : image
  const comma = image.slice(0, 200).indexOf(",")
  return comma > 0 && image.slice(0, comma).endsWith(";base64")
    ? image.slice(comma + 1, comma + 1 + jpegHeadLength)
    : undefined
}

/** RFC 9649: a lossy, a lossless or an extended header. */
const webpSize = (head: Buffer): Size | undefined => {
  switch (head.toString("latin1", 12, 16)) {
    case "VP8 ":
      return { width: head.readUInt16LE(26) & 0x3fff, height: head.readUInt16LE(28) & 0x3fff }
    case "VP8L": {
      const bits = head.readUInt32LE(21)
      return { width: (bits & 0x3fff) + 1, height: ((bits >>> 14) & 0x3fff) + 1 }
    }
    case "VP8X":
      return { width: head.readUIntLE(24, 3) + 1, height: head.readUIntLE(27, 3) + 1 }
    default:
      return undefined
  }
}

/** Walks the segments to the start of frame (ITU T.81, B.1.1.3). */
const jpegSize = (head: Buffer): Size | undefined => {
  let at = 2
  while (at + 9 <= head.length) {
    if (head[at] !== 0xff) return undefined
    const marker = head[at + 1]!
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc
    if (isFrame) return { width: head.readUInt16BE(at + 7), height: head.readUInt16BE(at + 5) }
    at += marker === 0xff ? 1 : 2 + head.readUInt16BE(at + 2)
  }
  return undefined
}

interface Formula {
  /** Tokens of `detail: "low"`, where the provider has that. */
  readonly low?: number
  readonly tokens: (size: Size) => number
}

const formulaOf = (family: Family, model: string): Formula | undefined => {
  switch (family) {
    case "openai":
    case "openai-reasoning":
      return openaiFormulas.find(([pattern]) => pattern.test(model))?.[1]
    case "claude":
      return isLargeClaude(model) ? claudeLarge : claude
    case "gemini":
      return /gemini-(1\.|2\.)/.test(model) ? gemini2 : /gemini-3/.test(model) ? gemini3 : undefined
    default:
      return undefined
  }
}

/**
 * Fits the image into 2048 × 2048, then its shorter side into 768, and counts tiles of 512.
 * Source: platform.openai.com/docs/guides/images-vision, "Calculating costs".
 */
const tiles = (base: number, tile: number): Formula => ({
  low: base,
  tokens: (size) => {
    const { height, width } = shrink(shrink(size, 2048 / Math.max(size.width, size.height)), 768, "shorter")
    return base + tile * Math.ceil(width / 512) * Math.ceil(height / 512)
  }
})

interface Patches {
  readonly factor: number
  /** Patches after which the image is made smaller. */
  readonly budget: number
  /** Pixels of the longer side after which it is. */
  readonly side?: number
}

/**
 * Counts patches of 32 pixels, times a factor of the model; an image of more patches than the budget is scaled to a whole
 * number of them. `detail` makes no difference. Sources: platform.openai.com/docs/guides/images-vision, "Calculating
 * costs"; the factors of the gpt-5 models are those that are billed, which the guide does not state
 * (community.openai.com/t/1377015, and a recorded call of gpt-5-nano).
 */
const patches = ({ budget, factor, side }: Patches): Formula => ({
  tokens: (given) => {
    const size = side === undefined ? given : shrink(given, side / Math.max(given.width, given.height))
    const across = Math.ceil(size.width / 32)
    const down = Math.ceil(size.height / 32)
    if (across * down <= budget) return Math.ceil(across * down * factor)
    const scale = Math.sqrt((32 * 32 * budget) / (size.width * size.height))
    const width = (size.width * scale) / 32
    const height = (size.height * scale) / 32
    const fitted = scale * Math.min(fitOf(width), fitOf(height))
    const count = Math.ceil(round6((size.width * fitted) / 32)) * Math.ceil(round6((size.height * fitted) / 32))
    return Math.ceil(Math.min(count, budget) * factor)
  }
})

/** How much smaller a side must be to have a whole number of patches. */
const fitOf = (patches: number): number => (patches < 1 ? 1 : Math.floor(patches) / patches)

/** Takes the error of the arithmetic off, which would make a patch of its own. */
const round6 = (value: number): number => Math.round(value * 1e6) / 1e6

const small = (factor: number): Formula => patches({ factor, budget: 1536 })

/** Only models whose formula is published; by model id, more specific ones first. */
const openaiFormulas: ReadonlyArray<readonly [pattern: RegExp, formula: Formula]> = [
  [/^gpt-4\.1-mini(-\d|$)/, small(1.62)],
  [/^gpt-4\.1-nano(-\d|$)/, small(2.46)],
  [/^(o4-mini|codex-mini)(-\d|-latest|$)/, small(1.72)],
  [/^gpt-5-nano(-\d|$)/, small(1.5)],
  [/^gpt-5(\.[1-4])?-(mini|nano|codex-mini)(-\d|$)/, small(1.2)],
  [/^gpt-5\.[23](-codex|-chat-latest)?(-\d{4}|$)/, small(1.2)],
  [/^gpt-5\.4(-\d{4}|$)/, patches({ factor: 1.2, budget: 2500, side: 2048 })],
  [/^gpt-4o-mini(-\d|$)/, tiles(2833, 5667)],
  [/^(gpt-4o|gpt-4\.1|gpt-4\.5-preview|gpt-4-turbo|chatgpt-4o-latest)(-\d|$)/, tiles(85, 170)],
  [/^(gpt-5|gpt-5-chat-latest)(-\d|$)/, tiles(70, 140)],
  [/^(o1|o1-pro|o3)(-\d|$)/, tiles(75, 150)],
  [/^computer-use-preview(-\d|$)/, tiles(65, 129)]
]

/**
 * Counts patches of 28 pixels of the largest picture that fits the model's limits.
 * Source: platform.claude.com/docs/en/build-with-claude/vision; newer models take larger pictures.
 */
const claudePatches = (side: number, budget: number): Formula => {
  const count = (width: number, height: number) => Math.ceil(width / 28) * Math.ceil(height / 28)
  const fits = (width: number, height: number) =>
    Math.ceil(Math.max(width, height) / 28) * 28 <= side && count(width, height) <= budget
  return {
    tokens: ({ height, width }) => {
      if (fits(width, height)) return count(width, height)
      const longer = Math.max(width, height)
      const ratio = Math.min(width, height) / longer
      let low = 1
      let high = Math.min(longer, side)
      while (low < high) {
        const middle = Math.ceil((low + high) / 2)
        if (fits(middle, Math.max(1, Math.round(middle * ratio)))) low = middle
        else high = middle - 1
      }
      return count(low, Math.max(1, Math.round(low * ratio)))
    }
  }
}

const claude = claudePatches(1568, 1568)
const claudeLarge = claudePatches(2576, 4784)

/** Models that take large pictures: Opus from 4.7, and the fifth generation. */
const isLargeClaude = (model: string): boolean => /claude-(?:opus-4-[789]|[a-z]+-[5-9])(?!\d)/.test(model)

/**
 * 258 for an image of at most 384 pixels each way, else 258 for each tile of 768.
 * Source: ai.google.dev/gemini-api/docs/tokens, "Multimodal tokens".
 */
const gemini2: Formula = {
  tokens: ({ height, width }) =>
    width <= 384 && height <= 384 ? 258 : 258 * Math.ceil(width / 768) * Math.ceil(height / 768)
}

/**
 * The budget of the default resolution, whatever the size.
 * Source: ai.google.dev/gemini-api/docs/media-resolution, "Token counts".
 */
const gemini3: Formula = { tokens: () => 1120 }

/** Scales down by a factor, or until the shorter side has so many pixels; never up. */
const shrink = (size: Size, amount: number, side?: "shorter"): Size => {
  const factor = side === undefined ? amount : amount / Math.min(size.width, size.height)
  return factor >= 1 ? size : { width: Math.round(size.width * factor), height: Math.round(size.height * factor) }
}
