/**
 * Real prompts through the gateway and the whole engine, the simulator answering: each is answered once by the provider and
 * once from the cache, streamed the one time and whole the other, with the same text and the same usage.
 */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Answer, ask, user } from "../support/client.ts"
import { idle, startGateway, type TestGateway } from "../support/gateway.ts"
import { dataOf, type ReadAnswer, readStream, readWhole } from "./ChatReader.ts"

const folder = path.resolve(import.meta.dirname, "../../../shared/data/prompts")
const hasPrompts = existsSync(folder)

/** Prompts of a file; with `every`, one in so many. */
const promptsOf = (name: string, every = 1): ReadonlyArray<string> =>
  gunzipSync(readFileSync(path.join(folder, `${name}.jsonl.gz`)))
    .toString("utf8")
    .trim()
    .split("\n")
    .filter((_, index) => index % every === 0)
    .map((line) => JSON.parse(line) as { readonly prompt?: string; readonly text?: string })
    .map(({ prompt, text }) => prompt ?? text ?? "")

const sets = [
  ["arena-hard", 1],
  ["awesome-chatgpt-prompts", 1],
  ["banking77", 30],
  ["clinc150", 50]
] as const

describe.skipIf(!hasPrompts)(hasPrompts ? "real prompts" : "real prompts (skipped: ../shared/data is not here)", () => {
  let gateway: TestGateway
  beforeAll(async () => {
    gateway = await startGateway({
      providers: [{ name: "simulated", simulated: { latency: 0, tokensPerSecond: 1e9 } }],
      cache: { maxSize: 10_000 }
    })
  })
  afterAll(() => gateway.close())

  it.each(sets)(
    "%s: all are answered, and again from the cache",
    async (name, every) => {
      const prompts = [...new Set(promptsOf(name, every))]
      expect(prompts.length).toBeGreaterThan(100)
      const before = await gateway.status()
      const first = await askAll(gateway, prompts, (index) => index % 2 === 0)
      const second = await askAll(gateway, prompts, (index) => index % 2 === 1)
      prompts.forEach((prompt, index) => {
        const { answer, read } = first[index]!
        expect([answer.status, answer.headers.get("x-millrace-cache")], prompt).toEqual([200, "miss"])
        expect(read.text, prompt).not.toBe("")
        expect(read.finishReason).toBe("stop")
        expect(read.usage!.prompt_tokens, prompt).toBeGreaterThan(0)
        expect(read.usage!.completion_tokens, prompt).toBeGreaterThan(0)
        const again = second[index]!
        expect([again.answer.status, again.answer.headers.get("x-millrace-cache")], prompt).toEqual([200, "hit"])
        expect([again.read.text, again.read.usage]).toEqual([read.text, read.usage])
      })
      const { cache, totals } = await idle(gateway)
      expect(totals.requests - before.totals.requests).toBe(2 * prompts.length)
      expect(totals.errors).toBe(0)
      expect(cache.hits - before.cache.hits).toBe(prompts.length)
      expect(cache.misses - before.cache.misses).toBe(prompts.length)
    },
    60_000
  )
})

interface Asked {
  readonly answer: Answer
  readonly read: ReadAnswer
}

/** Asks for all, some at the same time; gives the answers in the order of the prompts. */
const askAll = async (
  gateway: TestGateway,
  prompts: ReadonlyArray<string>,
  streamed: (index: number) => boolean
): Promise<ReadonlyArray<Asked>> => {
  const asked: Array<Asked> = []
  let next = 0
  const worker = async () => {
    for (let index = next++; index < prompts.length; index = next++) {
      const stream = streamed(index)
      const options = stream ? { stream, stream_options: { include_usage: true } } : {}
      const answer = await ask(gateway.url, user(prompts[index]!, options))
      asked[index] = { answer, read: stream ? readStream(dataOf(answer.text)) : readWhole(answer.json) }
    }
  }
  await Promise.all(Array.from({ length: 16 }, worker))
  return asked
}
