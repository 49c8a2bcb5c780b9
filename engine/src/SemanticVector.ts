/**
 * A vector of a prompt's stems, by which a store of vectors finds prompts that share words.
 *
 * Each stem has a few places and signs of its own, from its hash, so prompts have about the cosine that their sets of stems
 * have, without a list of all words. It only retrieves; the gate compares the words themselves.
 */
import { createHash } from "node:crypto"

export const lexicalDimensions = 256
const placesOfStem = 4

/** Undefined for a prompt without stems, or one whose stems cancel each other out. */
export const lexicalVector = (stems: ReadonlyArray<string>): Float32Array | undefined => {
  const vector = new Float32Array(lexicalDimensions)
  for (const stem of stems) {
    const hash = createHash("sha1").update(stem).digest()
    for (let i = 0; i < placesOfStem; i++) vector[hash[2 * i]! % lexicalDimensions]! += hash[2 * i + 1]! & 1 ? 1 : -1
  }
  return vector.some((value) => value !== 0) ? vector : undefined
}
