import { describe, expect, it } from "vitest"
import fc from "fast-check"
import { Calibration } from "../../engine/src/TokenCalibration.ts"
import { noFeatures, type TextFeatures } from "../../engine/src/TokenEstimate.ts"

/** Prompts of very different lengths, in a fixed order. */
const prompts = Array.from({ length: 200 }, (_, i) => 10 + ((i * 7919) % 1500))

/** A text of so many tokens, all of it plain words. */
const words = (tokens: number): TextFeatures => {
  const features = noFeatures()
  features[0] = features[1] = tokens
  features[9] = 3.5 * tokens
  return features
}

const medianErrorAfter = (reports: number, report: (measured: number, index: number) => number): number => {
  const calibration = new Calibration()
  const errors: Array<number> = []
  prompts.forEach((measured, i) => {
    const reported = report(measured, i)
    if (i >= reports) errors.push(Math.abs(calibration.correct(words(measured)) - reported) / reported)
    calibration.learn(words(measured), reported)
  })
  return errors.toSorted((a, b) => a - b)[errors.length >> 1]!
}

describe("Calibration", () => {
  it("changes nothing before it has learned", () => {
    const calibration = new Calibration()
    expect(calibration.correct(words(100))).toBe(100)
    expect(calibration.correct(words(0))).toBe(1)
  })

  it.each([
    ["a tokenizer that counts a third more", (measured: number) => 1.33 * measured],
    ["a template of 70 tokens", (measured: number) => measured + 70],
    ["a system prompt of 1,600 tokens", (measured: number) => measured + 1600],
    ["both", (measured: number) => 0.8 * measured + 400]
  ])("finds %s within three calls", (_, report) => {
    expect(medianErrorAfter(3, report)).toBeLessThan(0.05)
    expect(medianErrorAfter(50, report)).toBeLessThan(0.01)
  })

  it("sees through noise", () => {
    const noise = (i: number) => 1 + 0.08 * Math.sin(i * 12.9898)
    expect(medianErrorAfter(50, (measured, i) => (1.2 * measured + 40) * noise(i))).toBeLessThan(0.07)
  })

  it("is not thrown by single reports that are far off", () => {
    const report = (measured: number, i: number) => (i % 20 === 13 ? 40 * measured : 1.2 * measured)
    expect(medianErrorAfter(50, report)).toBeLessThan(0.05)
  })

  it("follows a provider that changes its tokenizer", () => {
    const calibration = new Calibration()
    for (const measured of prompts) calibration.learn(words(measured), measured)
    for (const measured of [...prompts, ...prompts]) calibration.learn(words(measured), 1.3 * measured)
    expect(calibration.correct(words(1000))).toBeGreaterThan(1250)
    expect(calibration.correct(words(1000))).toBeLessThan(1350)
  })

  it("learns that a tokenizer takes more for one kind of text than for another", () => {
    const calibration = new Calibration()
    const mixed = (tokens: number, script: number): TextFeatures => {
      const features = words(tokens)
      features[1] = tokens * (1 - script)
      features[5] = tokens * script
      return features
    }
    const report = (tokens: number, script: number) => tokens * (1 - script) + 2 * tokens * script
    for (const [i, tokens] of prompts.entries()) {
      const script = ((i * 31) % 10) / 10
      calibration.learn(mixed(tokens, script), report(tokens, script))
    }
    for (const script of [0, 0.5, 1]) {
      expect(Math.abs(calibration.correct(mixed(800, script)) / report(800, script) - 1)).toBeLessThan(0.03)
    }
  })

  it("gives a floor below the estimate that comes closer with experience", () => {
    const calibration = new Calibration()
    expect(calibration.floor(1000)).toBe(700)
    for (const measured of prompts) calibration.learn(words(measured), 1.1 * measured)
    expect(calibration.floor(1000)).toBeGreaterThan(900)
    expect(calibration.floor(1000)).toBeLessThan(1000)
  })

  it("stays finite and positive whatever is reported", () => {
    const figure = fc.oneof(fc.double(), fc.nat(), fc.constantFrom(0, -1, Number.NaN, Infinity))
    fc.assert(
      fc.property(fc.array(fc.tuple(figure, figure)), fc.nat({ max: 10_000_000 }), (reports, measured) => {
        const calibration = new Calibration()
        for (const [m, r] of reports) calibration.learn(words(m), r)
        const corrected = calibration.correct(words(measured))
        expect(Number.isFinite(corrected)).toBe(true)
        expect(corrected).toBeGreaterThanOrEqual(1)
        expect(calibration.floor(corrected)).toBeGreaterThanOrEqual(1)
      })
    )
  })
})
