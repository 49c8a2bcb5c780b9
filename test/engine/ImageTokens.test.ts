import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { imageTokens, sizeOf } from "../../engine/src/ImageTokens.ts"

const png = (width: number, height: number): string => {
  const head = Buffer.alloc(40)
  head.writeUInt32BE(0x89504e47, 0)
  head.write("IHDR", 12, "latin1")
  head.writeUInt32BE(width, 16)
  head.writeUInt32BE(height, 20)
  return head.toString("base64")
}

const gif = (width: number, height: number): string => {
  const head = Buffer.alloc(40)
  head.write("GIF89a", "latin1")
  head.writeUInt16LE(width, 6)
  head.writeUInt16LE(height, 8)
  return head.toString("base64")
}

const webp = (chunk: "VP8 " | "VP8L" | "VP8X", width: number, height: number): string => {
  const head = Buffer.alloc(40)
  head.write("RIFF", 0, "latin1")
  head.write(`WEBP${chunk}`, 8, "latin1")
  if (chunk === "VP8 ") {
    head.writeUInt16LE(width, 26)
    head.writeUInt16LE(height, 28)
  } else if (chunk === "VP8L") head.writeUInt32LE(((height - 1) << 14) | (width - 1), 21)
  else {
    head.writeUIntLE(width - 1, 24, 3)
    head.writeUIntLE(height - 1, 27, 3)
  }
  return head.toString("base64")
}

/** A JPEG with so many bytes of metadata before its frame. */
const jpeg = (width: number, height: number, metadata = 0): string => {
  const segments = [Buffer.from([0xff, 0xd8])]
  for (let left = metadata; left > 0; left -= 60_000) {
    const segment = Buffer.alloc(2 + Math.min(left, 60_000) + 2)
    segment.writeUInt16BE(0xffe1, 0)
    segment.writeUInt16BE(segment.length - 2, 2)
    segments.push(segment)
  }
  const frame = Buffer.alloc(40)
  frame.writeUInt16BE(0xffc2, 0)
  frame.writeUInt16BE(17, 2)
  frame[4] = 8
  frame.writeUInt16BE(height, 5)
  frame.writeUInt16BE(width, 7)
  return Buffer.concat([...segments, frame]).toString("base64")
}

describe("sizeOf", () => {
  it.each([
    ["PNG", png(640, 480)],
    ["GIF", gif(640, 480)],
    ["lossy WebP", webp("VP8 ", 640, 480)],
    ["lossless WebP", webp("VP8L", 640, 480)],
    ["extended WebP", webp("VP8X", 640, 480)],
    ["JPEG", jpeg(640, 480)],
    ["JPEG behind 150 kB of metadata", jpeg(640, 480, 150_000)],
    ["data URL", `data:image/png;base64,${png(640, 480)}`]
  ])("reads the size of a %s", (_, image) => {
    expect(sizeOf(image)).toEqual({ width: 640, height: 480 })
  })

  it.each([
    ["a URL", "https://example.com/cat.png"],
    ["an empty string", ""],
    ["a header that is cut", png(640, 480).slice(0, 20)],
    ["no pixels", png(0, 480)],
    ["text", Buffer.from("this is no image at all, but it is long enough").toString("base64")],
    ["a data URL that is not base64", "data:image/svg+xml,<svg/>"]
  ])("knows no size of %s", (_, image) => {
    expect(sizeOf(image)).toBeUndefined()
  })

  it("never throws", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.constantFrom("", "\u00ff\u00d8\u00ff", "GIF89a", "\u0089PNG"),
        (bytes, magic) => {
          const image = Buffer.concat([Buffer.from(magic, "latin1"), bytes]).toString("base64")
          const size = sizeOf(image)
          if (size !== undefined) expect(Math.min(size.width, size.height)).toBeGreaterThan(0)
        }
      )
    )
  })
})

describe("imageTokens", () => {
  // The examples of platform.openai.com/docs/guides/images-vision and platform.claude.com/docs/en/build-with-claude/vision.
  it.each([
    ["openai", "gpt-4o", 1024, 1024, undefined, 765],
    ["openai", "gpt-4o", 2048, 4096, undefined, 1105],
    ["openai", "gpt-4o", 4096, 8192, "low", 85],
    ["openai", "gpt-4.1-mini", 1024, 1024, undefined, Math.ceil(1024 * 1.62)],
    ["openai", "gpt-4.1-mini", 1800, 2400, undefined, Math.ceil(1452 * 1.62)],
    ["openai-reasoning", "gpt-5-nano-2025-08-07", 4096, 4096, undefined, Math.ceil(1521 * 1.5)],
    ["openai-reasoning", "gpt-5-mini", 768, 512, "low", Math.ceil(24 * 16 * 1.2)],
    ["openai-reasoning", "gpt-5.4", 1600, 1600, undefined, 3000],
    ["claude", "claude-sonnet-4-5", 200, 200, undefined, 64],
    ["claude", "claude-sonnet-4-5", 1000, 1000, undefined, 1296],
    ["claude", "claude-sonnet-4-5", 1568, 728, undefined, 1456],
    ["claude", "claude-opus-4-6", 4000, 4000, undefined, 39 * 39],
    ["claude", "claude-opus-4-7", 2576, 1456, undefined, 92 * 52],
    ["claude", "claude-sonnet-5", 28, 29, undefined, 2],
    ["gemini", "gemini-3-flash-preview", 1, 1, undefined, 1120],
    ["gemini", "gemini-2.5-flash", 384, 384, undefined, 258],
    ["gemini", "gemini-2.0-flash", 1536, 768, undefined, 516]
  ] as const)("counts for %s %s at %i × %i, detail %s", (family, model, width, height, detail, tokens) => {
    expect(imageTokens({ image: png(width, height), detail }, family, model)).toBe(tokens)
  })

  // What providers reported, less text and framing (recordings of charmbracelet/fantasy and braintrust-sdk-javascript, Apache-2.0).
  it.each([
    ["openai-reasoning", "gpt-5", 50, 50, 210],
    ["openai", "gpt-4o-mini-2024-07-18", 1, 1, 8500],
    ["gemini", "gemini-2.5-pro", 50, 50, 258]
  ] as const)("counts for %s %s what was billed for %i × %i", (family, model, width, height, tokens) => {
    expect(imageTokens({ image: png(width, height) }, family, model)).toBe(tokens)
  })

  it("says nothing where no formula is published or no size can be read", () => {
    expect(imageTokens({ image: png(64, 64) }, "other", "pixtral-12b")).toBeUndefined()
    expect(imageTokens({ image: png(64, 64) }, "openai-reasoning", "gpt-5.6")).toBeUndefined()
    expect(imageTokens({ image: png(64, 64) }, "gemini", "gemini-9")).toBeUndefined()
    expect(imageTokens({ image: "https://example.com/cat.png" }, "openai", "gpt-4o")).toBeUndefined()
    expect(imageTokens({ image: "https://example.com/cat.png", detail: "low" }, "openai", "gpt-4o")).toBe(85)
  })
})
