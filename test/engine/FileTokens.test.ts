import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { fileTokens } from "../../engine/src/FileTokens.ts"

const base64 = (text: string): string => Buffer.from(text, "latin1").toString("base64")

const pdf = (pages: number, padding = 0): string =>
  base64(`%PDF-1.7\n${" ".repeat(padding)}1 0 obj <</Type /Pages /Count ${pages}>> endobj${" ".repeat(padding)}%%EOF`)

/** A second of silence takes 32,000 bytes: 16 kHz, 16 bit, one channel. */
const wav = (seconds: number): string => {
  const bytes = Buffer.alloc(44 + seconds * 32_000)
  bytes.write("RIFF", 0, "latin1")
  bytes.write("WAVEfmt ", 8, "latin1")
  bytes.writeUInt32LE(32_000, 28)
  return bytes.toString("base64")
}

describe("fileTokens", () => {
  it("counts a second of audio by the provider's rate, exactly where the container says how long it is", () => {
    const speech = { data: wav(60), mediaType: "audio/wav" }
    expect(fileTokens(speech, "gemini", "gemini-2.5-flash")).toEqual({ tokens: 1920, certain: true })
    expect(fileTokens(speech, "openai", "gpt-audio-mini")).toEqual({ tokens: 600, certain: false })
    const compressed = { data: base64("x".repeat(160_000)), mediaType: "audio/mp3" }
    expect(fileTokens(compressed, "gemini", "gemini-2.5-flash")).toEqual({ tokens: 320, certain: false })
  })

  it.each([0, 10_000, 400_000])("finds the pages of a document behind %i bytes of other objects", (padding) => {
    const document = { data: pdf(7, padding), mediaType: "application/pdf" }
    const found = fileTokens(document, "gemini", "gemini-2.5-pro")
    expect(found?.certain).toBe(false)
    if (padding < 100_000) expect(found?.tokens).toBe(7 * 258)
    else expect(found?.tokens).toBeGreaterThan(258)
    expect(fileTokens({ ...document, data: pdf(7) }, "gemini", "gemini-3-pro-preview")?.tokens).toBe(7 * 560)
  })

  it("takes a data URL as its content, and knows nothing of what it would have to fetch", () => {
    const url = { data: `data:application/pdf;base64,${pdf(3)}`, mediaType: "application/pdf" }
    expect(fileTokens(url, "gemini", "gemini-2.5-pro")?.tokens).toBe(3 * 258)
    for (const data of ["https://example.com/a.pdf", "gs://bucket/a.pdf", "", "data:text/plain,hello"]) {
      expect(fileTokens({ data, mediaType: "application/pdf" }, "claude", "claude-sonnet-5")).toBeUndefined()
    }
    const video = { data: base64("video"), mediaType: "video/mp4" }
    expect(fileTokens(video, "gemini", "gemini-2.5-pro")).toBeUndefined()
  })

  it("takes no longer for a large document than for its first and last 131 kB", () => {
    const document = { data: pdf(5).repeat(1) + "A".repeat(20_000_000), mediaType: "application/pdf" }
    const before = performance.now()
    fileTokens(document, "openai", "gpt-5")
    expect(performance.now() - before).toBeLessThan(200)
  })

  it("gives a count for any bytes", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "binary" }),
        fc.constantFrom("audio/wav", "audio/mp3", "application/pdf", "text/plain"),
        (data, mediaType) => {
          const found = fileTokens({ data, mediaType }, "gemini", "gemini-2.5-pro")
          if (found !== undefined) expect(Number.isSafeInteger(found.tokens) && found.tokens >= 0).toBe(true)
        }
      )
    )
  })
})
