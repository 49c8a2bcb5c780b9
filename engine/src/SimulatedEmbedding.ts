/**
 * Vectors of the simulator: the same text always has the same one, and texts that share words lie near each other.
 *
 * Each word, and each run of three letters in it, adds to a place that its hash names. That tells apart and compares, but
 * it understands nothing: it is no embedding model and does not pretend to be one.
 */
import { hash } from "node:crypto"

export const simulatedDimensions = 64

const wordWeight = 1
const lettersWeight = 0.4

/** A vector of length 1 with so many numbers, 1 or more. */
export const simulatedEmbedding = (text: string, dimensions = simulatedDimensions): ReadonlyArray<number> => {
  const vector = new Array<number>(dimensions).fill(0)
  const add = (feature: string, weight: number): void => {
    const digest = Number.parseInt(hash("sha256", feature, "hex").slice(0, 12), 16)
    vector[digest % dimensions]! += Math.floor(digest / dimensions) % 2 === 0 ? weight : -weight
  }
  const words = text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [text]
  for (const word of words) {
    add(word, wordWeight)
    const letters = Array.from(word)
    for (let i = 0; i + 3 <= letters.length; i++) add(letters.slice(i, i + 3).join(""), lettersWeight)
  }
  const norm = Math.hypot(...vector)
  if (norm > 0) return vector.map((value) => value / norm)
  vector[0] = 1
  return vector
}
