/**
 * Three `millrace serve` behind a round-robin, one Redis, one Postgres, and a provider that enforces requests, tokens and
 * calls at once: limits hold over all of them, identical calls are made once, hits are those of one big instance, the books
 * agree, and an instance that is killed or a store that goes away fails no request.
 */
import { afterAll, beforeAll, describe, expect, it } from "vitest"
import { type Cluster, eventually, pricing, startCluster } from "../support/cluster.ts"
import { completionTokens, promptTokensOf } from "../support/LimitedUpstream.ts"
import { noPostgres, postgresBinaries } from "../support/postgres.ts"
import { hasRedis, noRedis } from "../support/redis.ts"

const limits = { windowMs: 6000, requests: 300, tokens: 10_000, concurrent: 12, latencyMs: 60, lateMs: 500 }

/** So many of a window may be late by more than that when instances change over; `proofs/SharedLimits` has it exactly, in virtual time. */
const blurred = 0.02 * limits.requests

const trialUsd = 0.4

const missing = hasRedis ? (postgresBinaries === undefined ? noPostgres : undefined) : noRedis

let cluster: Cluster
let asked = 0

/** A prompt that nobody has asked. */
const fresh = (): string => `Tell me about mill number ${++asked} on the river`

/** Calls by so many clients, one after the other each, until `ended`. */
const load = async (clients: number, ended: () => boolean, prompt = fresh) => {
  const answers: Array<{
    readonly status: number
    readonly cache: string | null
    readonly ms: number
    readonly text: string
  }> = []
  const client = async () => {
    while (!ended()) {
      const startedMs = performance.now()
      try {
        const { headers, status, text } = await cluster.ask(prompt())
        answers.push({ status, cache: headers.get("x-millrace-cache"), ms: performance.now() - startedMs, text })
      } catch (error) {
        answers.push({ status: 0, cache: null, ms: performance.now() - startedMs, text: String(error) })
      }
    }
  }
  await Promise.all(Array.from({ length: clients }, client))
  return answers
}

const after = (ms: number) => {
  const untilMs = performance.now() + ms
  return () => performance.now() >= untilMs
}

const failuresOf = (answers: Awaited<ReturnType<typeof load>>) =>
  answers.filter(({ status }) => status !== 200).map(({ status, text }) => `${status} ${text.slice(0, 200)}`)

const quantile = (answers: Awaited<ReturnType<typeof load>>, share: number): string => {
  const sorted = answers.map(({ ms }) => ms).toSorted((a, b) => a - b)
  return (sorted[Math.floor(share * (sorted.length - 1))] ?? 0).toFixed(0)
}

const redisHealthy = async (index = 0): Promise<boolean> =>
  (await cluster.instances[index]!.admin("status")).stores.redis.healthy as boolean

describe.skipIf(missing !== undefined)(
  `three instances${missing === undefined ? "" : ` (skipped: ${missing})`}`,
  () => {
    beforeAll(async () => {
      cluster = await startCluster({
        instances: 3,
        limits,
        config: { budgets: [{ name: "trial", scope: "tenant", of: "frugal", period: "total", usd: trialUsd }] }
      })
      const together = async () => {
        const statuses = await Promise.all(cluster.instances.map(({ admin }) => admin("status")))
        return statuses.every(({ sharing }) => sharing?.instances === 3 && sharing.mode === "shared")
      }
      expect(await eventually(together, 20_000)).toBe(true)
    })
    afterAll(() => cluster.stop())

    it("never pass a limit of the provider, whichever instance is asked, and use what there is", async () => {
      const { books } = cluster.upstream
      const before = books.served
      const ms = 10_000
      const answers = await load(40, after(ms))
      expect(failuresOf(answers)).toEqual([])
      expect(books.refusals).toEqual([])
      expect(books.mostRequests).toBeLessThanOrEqual(limits.requests)
      expect(books.mostTokens).toBeLessThanOrEqual(limits.tokens)
      expect(books.mostRunning).toBeLessThanOrEqual(limits.concurrent)
      const share = (books.served - before) / ((limits.requests * ms) / limits.windowMs)
      console.log(`used ${(100 * share).toFixed(0)} % of the limit, most calls at once ${books.mostRunning}`)
      expect(share).toBeGreaterThan(0.5)
    })

    it("make one call of identical ones at the same time, whole and streamed", async () => {
      const { books } = cluster.upstream
      for (const stream of [false, true]) {
        const prompt = fresh()
        const answers = await Promise.all(Array.from({ length: 30 }, () => cluster.ask(prompt, { stream })))
        expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
        expect(books.prompts.get(prompt)).toBe(1)
        if (!stream) expect(new Set(answers.map(({ json }) => json.choices[0].message.content)).size).toBe(1)
        const kinds = answers.map(({ headers }) => headers.get("x-millrace-cache"))
        expect(kinds.filter((kind) => kind === "miss").length).toBe(1)
      }
    })

    it("have the hits of one big instance: each distinct prompt is a miss once", async () => {
      const { books } = cluster.upstream
      const distinct = 100
      const prefix = fresh()
      let turn = 0
      const prompts = new Set<string>()
      const zipf = () => {
        const prompt = `${prefix} ${Math.floor(distinct ** (((turn++ * 7919) % 1000) / 1000))}`
        prompts.add(prompt)
        return prompt
      }
      const before = books.served
      const answers = await load(9, () => turn >= 900, zipf)
      expect(failuresOf(answers)).toEqual([])
      const hits = answers.filter(({ cache }) => cache === "hit" || cache === "coalesced").length / answers.length
      const ofOne = 1 - prompts.size / answers.length
      console.log(`hit rate ${(100 * hits).toFixed(1)} %, of one instance ${(100 * ofOne).toFixed(1)} %`)
      expect(Math.abs(hits - ofOne)).toBeLessThanOrEqual(0.02)
      expect(books.served - before - prompts.size).toBeLessThanOrEqual(0.02 * answers.length)
    })

    it("have the provider's own count in their usage, to the token", async () => {
      const { books } = cluster.upstream
      const totals = async () => (await cluster.instances[1]!.admin("usage?from=0&bucket=day")).totals
      const agrees = async () => {
        const { completionTokens: completion, promptTokens } = await totals()
        return promptTokens === books.promptTokens && completion === books.completionTokens
      }
      await eventually(agrees, 10_000)
      expect(await totals()).toMatchObject({
        promptTokens: books.promptTokens,
        completionTokens: books.completionTokens,
        errors: 0
      })
      const costUsd = (books.promptTokens * pricing.input + books.completionTokens * pricing.output) / 1e6
      expect((await totals()).costUsd).toBeCloseTo(costUsd, 9)
    })

    it("fail nothing while Redis stands still, say so, and share again when it answers", async () => {
      const { books } = cluster.upstream
      const refused = books.refusals.length
      const calm = await load(6, after(2000))
      cluster.redis.stall()
      const first = await load(6, after(1000))
      const stalled = await load(6, after(3000))
      expect(await redisHealthy()).toBe(false)
      cluster.redis.resume()
      const healed = await load(6, after(1000))
      expect(failuresOf([...calm, ...first, ...stalled, ...healed])).toEqual([])
      expect(await eventually(redisHealthy, 10_000)).toBe(true)
      console.log(
        `p50/p99 ms: ${quantile(calm, 0.5)}/${quantile(calm, 0.99)} well, ${quantile(first, 0.5)}/${quantile(first, 0.99)} ` +
          `in the first second, ${quantile(stalled, 0.5)}/${quantile(stalled, 0.99)} after it`
      )
      expect(books.refusals.slice(refused).length).toBeLessThanOrEqual(blurred)
    })

    it("fail nothing when Redis is killed under load and comes back empty", async () => {
      const { books } = cluster.upstream
      const refused = books.refusals.length
      const running = load(6, after(5000))
      await new Promise((resolve) => setTimeout(resolve, 1000))
      await cluster.redis.kill()
      await eventually(async () => !(await redisHealthy()), 5000)
      await new Promise((resolve) => setTimeout(resolve, 1000))
      await cluster.redis.start()
      expect(failuresOf(await running)).toEqual([])
      expect(await eventually(redisHealthy, 10_000)).toBe(true)
      expect(books.refusals.slice(refused).length).toBeLessThanOrEqual(blurred)
    })

    it("fail nothing while Postgres stands still, and have every row afterwards", async () => {
      const { books } = cluster.upstream
      cluster.postgres.stall()
      const answers = await load(6, after(2000))
      cluster.postgres.resume()
      expect(failuresOf(answers)).toEqual([])
      const rows = async () =>
        (await cluster.instances[0]!.admin("usage?from=0&bucket=day")).totals.promptTokens as number
      await eventually(async () => (await rows()) === books.promptTokens, 15_000)
      expect(await rows()).toBe(books.promptTokens)
    })

    it("keep limits and a budget when one of them is killed in the middle of the load, and get its places back", async () => {
      const { books } = cluster.upstream
      const refused = books.refusals.length
      const ended = after(6000)
      const refusals: Array<string> = []
      const frugal = async () => {
        while (!ended()) {
          const { status, text } = await cluster
            .ask(`The trial of ${fresh()}`, {}, { "x-millrace-tenant": "frugal" })
            .catch(() => ({ status: 0, text: "" }))
          if (status === 429) refusals.push(text)
        }
      }
      const running = Promise.all([load(34, ended), ...Array.from({ length: 6 }, frugal)])
      await new Promise((resolve) => setTimeout(resolve, 1500))
      await cluster.instances[2]!.kill()
      const [answers] = await running
      // Whoever was asking the one that died has lost the connection; nobody else has lost anything.
      expect(answers.filter(({ status }) => status !== 200 && status !== 0)).toEqual([])
      expect(books.refusals.slice(refused)).toEqual([])
      // What the provider bills for the trial is within its budget, of which the one that died held a part.
      expect(refusals[0]).toContain("trial")
      const trial = [...books.prompts].filter(([prompt]) => prompt.startsWith("The trial"))
      const billed = trial.reduce(
        (usd, [prompt, times]) =>
          usd + (times * (promptTokensOf(prompt) * pricing.input + completionTokens * pricing.output)) / 1e6,
        0
      )
      expect(trial.length).toBeGreaterThan(5)
      expect(billed).toBeLessThanOrEqual(trialUsd)
      // Whoever is let in hears how many calls run anywhere: no more than its own.
      const free = async () => {
        await Promise.all([cluster.ask(fresh()), cluster.ask(fresh())])
        const { sharedLimits } = (await cluster.instances[0]!.admin("status")).providers[0]
        return sharedLimits.concurrent.active <= 2
      }
      expect(await eventually(free, 30_000)).toBe(true)
      const most = answers.filter(({ status }) => status === 200).length
      console.log(`${most} answers by 34 clients in 6 s, of which one of three instances lived 1.5 s`)
    })
  }
)
