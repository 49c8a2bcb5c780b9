/**
 * What every in-process suite asks and gets: prompts of about 0.8 kB, unique or always the same, and an answer of 50
 * words.
 */

const paragraph =
  "Write a short note for the release of a library that sits between an application and its language models. " +
  "Say what it does for someone who has never seen it, which problems of everyday work it takes away, and what " +
  "stays the task of the application. Keep to plain words and short sentences, and close with one example. "

/** About 0.8 kB of text. */
export const samePrompt = (paragraph + paragraph + paragraph).slice(0, 800)

let asked = 0

/** The same text with a number that was not used before, so that no cache knows it. */
export const uniquePrompt = (): string => `${++asked} ${samePrompt}`

export const chunkText = "token "

export const wholeText = chunkText.repeat(50)

/** A request of Millrace with this prompt. */
export const ask = (prompt: string) => ({ prompt, temperature: 0.7, maxTokens: 100 })
