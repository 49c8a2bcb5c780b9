/**
 * A provider's server that enforces its limits in real time, by its own count on arrival, and keeps books of what it served:
 * requests and tokens in an exact sliding window, calls at once, prompts and tokens billed.
 */
import { setTimeout as sleep } from "node:timers/promises"
import {
  chatChunk,
  chatCompletion,
  done,
  event,
  eventStream,
  sendJson,
  startUpstream,
  type TestUpstream
} from "./upstream.ts"

export interface LimitedOptions {
  readonly windowMs: number
  /** Requests in any window. */
  readonly requests: number
  /** Prompt tokens and tokens of the answer in any window, counted when a request arrives. */
  readonly tokens: number
  readonly concurrent: number
  /** Milliseconds for which it thinks. */
  readonly latencyMs: number
  /** By so many milliseconds its windows are shorter: on a busy machine requests are late on their way, some more than others. */
  readonly lateMs: number
}

/** What it has served and refused. */
export interface Books {
  served: number
  refused: number
  /** What each refusal was about. */
  readonly refusals: Array<"requests" | "tokens" | "concurrent">
  running: number
  mostRunning: number
  promptTokens: number
  completionTokens: number
  /** Most requests and tokens that any window has held. */
  mostRequests: number
  mostTokens: number
  /** How often each prompt was asked. */
  readonly prompts: Map<string, number>
}

export interface LimitedUpstream {
  readonly url: string
  readonly books: Books
  readonly options: LimitedOptions
  readonly close: TestUpstream["close"]
}

export const completionTokens = 20

/** As many tokens as the prompt has words. */
export const promptTokensOf = (prompt: string): number => prompt.split(" ").length

export const startLimitedUpstream = async (options: LimitedOptions): Promise<LimitedUpstream> => {
  const { concurrent, lateMs, latencyMs, requests, tokens, windowMs } = options
  const books: Books = {
    served: 0,
    refused: 0,
    refusals: [],
    running: 0,
    mostRunning: 0,
    promptTokens: 0,
    completionTokens: 0,
    mostRequests: 0,
    mostTokens: 0,
    prompts: new Map()
  }
  const taken: Array<{ readonly atMs: number; readonly tokens: number }> = []
  const upstream = await startUpstream(async (response, { json }) => {
    const nowMs = performance.now()
    while (taken.length > 0 && taken[0]!.atMs <= nowMs - windowMs + lateMs) taken.shift()
    const prompt = String(json.messages.at(-1).content)
    const promptTokens = promptTokensOf(prompt)
    const amount = promptTokens + completionTokens
    const held = taken.reduce((sum, each) => sum + each.tokens, 0)
    const over =
      taken.length + 1 > requests
        ? "requests"
        : held + amount > tokens
          ? "tokens"
          : books.running + 1 > concurrent
            ? "concurrent"
            : undefined
    if (over !== undefined) {
      books.refused++
      books.refusals.push(over)
      await sendJson(429, { error: { message: "Rate limit reached", type: "requests" } })(response, undefined as never)
      return
    }
    taken.push({ atMs: nowMs, tokens: amount })
    books.mostRequests = Math.max(books.mostRequests, taken.length)
    books.mostTokens = Math.max(books.mostTokens, held + amount)
    books.served++
    books.running++
    books.mostRunning = Math.max(books.mostRunning, books.running)
    books.prompts.set(prompt, (books.prompts.get(prompt) ?? 0) + 1)
    let open = true
    response.once("close", () => {
      if (open) books.running--
      open = false
    })
    await sleep(latencyMs)
    books.promptTokens += promptTokens
    books.completionTokens += completionTokens
    const usage = {
      prompt_tokens: promptTokens,
      completion_tokens: completionTokens,
      total_tokens: amount
    }
    const text = `Answer to: ${prompt}`
    // The place is free when the answer is on its way, not when its socket has told so.
    if (open) books.running--
    open = false
    if (json.stream !== true) return sendJson(200, chatCompletion(text, { usage }))(response, undefined as never)
    response.writeHead(200, eventStream)
    for (const word of text.split(" ")) {
      response.write(event(chatChunk({ content: `${word} ` })))
      await sleep(5)
    }
    response.write(event(chatChunk({}, "stop")))
    response.write(event({ ...chatChunk({}), choices: [], usage }))
    response.end(done)
  })
  return { url: upstream.url, books, options, close: upstream.close }
}
