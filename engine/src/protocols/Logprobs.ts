/**
 * Log probabilities of the tokens of an answer, there and back between the forms that dialects have for them.
 *
 * OpenAI's two APIs share one form; legacy completions and Gemini list tokens, values and alternatives side by side. What
 * is not stated is left out. Pure; a provider that sends none costs nothing.
 */
import { Predicate } from "effect"
import type { Logprob, TokenLogprob } from "../Reply.ts"
import { isObject, type JsonObject } from "./Json.ts"

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const none: ReadonlyArray<TokenLogprob> = []

const entry = ({ bytes, logprob, token }: JsonObject): Logprob | undefined =>
  Predicate.isString(token) && Predicate.isNumber(logprob)
    ? { token, logprob, ...(Array.isArray(bytes) ? { bytes: bytes as ReadonlyArray<number> } : {}) }
    : undefined

const entries = (list: unknown): ReadonlyArray<Logprob> =>
  listOf(list).flatMap((item) => (isObject(item) ? (entry(item) ?? []) : []))

/** The list of Chat (`logprobs.content`) and of Responses (`logprobs`). */
export const fromOpenAi = (list: unknown): ReadonlyArray<TokenLogprob> =>
  listOf(list).flatMap((item) => {
    const token = isObject(item) ? entry(item) : undefined
    return token === undefined ? [] : [{ ...token, top: entries((item as JsonObject)["top_logprobs"]) }]
  })

/** Those of a Chat choice; legacy completions have lists of tokens and values instead. */
export const fromChoice = (logprobs: unknown): ReadonlyArray<TokenLogprob> => {
  if (!isObject(logprobs)) return none
  const { content, token_logprobs: values, tokens, top_logprobs: tops } = logprobs
  if (!Array.isArray(tokens)) return fromOpenAi(content)
  return (tokens as ReadonlyArray<unknown>).flatMap((token, index) => {
    const found = entry({ token, logprob: listOf(values)[index] })
    const top: unknown = listOf(tops)[index]
    const alternatives = isObject(top) ? Object.entries(top).map(([token, logprob]) => ({ token, logprob })) : []
    return found === undefined ? [] : [{ ...found, top: entries(alternatives) }]
  })
}

/** Gemini's `logprobsResult`. */
export const fromGemini = (result: unknown): ReadonlyArray<TokenLogprob> => {
  if (!isObject(result)) return none
  const tops = listOf(result["topCandidates"])
  return listOf(result["chosenCandidates"]).flatMap((chosen, index) => {
    const token = geminiEntries([chosen])[0]
    const top = tops[index]
    return token === undefined ? [] : [{ ...token, top: geminiEntries(isObject(top) ? top["candidates"] : []) }]
  })
}

const geminiEntries = (list: unknown): ReadonlyArray<Logprob> =>
  entries(
    listOf(list).map((item) => (isObject(item) ? { token: item["token"], logprob: item["logProbability"] } : undefined))
  )

/** In the form of Chat and Responses. */
export const toOpenAi = (logprobs: ReadonlyArray<TokenLogprob>): ReadonlyArray<object> =>
  logprobs.map(({ top, ...token }) => ({ ...withBytes(token), top_logprobs: top.map(withBytes) }))

const withBytes = ({ bytes = null, logprob, token }: Omit<Logprob, "bytes"> & { bytes?: unknown }) => ({
  token,
  logprob,
  bytes
})

/** In Gemini's form. */
export const toGemini = (logprobs: ReadonlyArray<TokenLogprob>): object => {
  const candidate = ({ logprob, token }: Logprob) => ({ token, logProbability: logprob })
  return {
    chosenCandidates: logprobs.map(candidate),
    topCandidates: logprobs.map(({ top }) => ({ candidates: top.map(candidate) }))
  }
}
