/**
 * Calls through a gateway between a provider that fails and one that doesn't, and what must hold whatever happened: every
 * call answered once, every stream whole or ended by an error, a row for each, nothing held.
 */
import { expect } from "vitest"
import type { EngineConfigInput } from "../../engine/src/Config.ts"
import type { RequestPage } from "../../engine/src/AdminAnswers.ts"
import { type Answer, ask, eventsOf, get, textOf, user } from "../support/client.ts"
import { type FailingUpstream, seeded, startFailing } from "../support/FailingUpstream.ts"
import { adminToken, idle, startGateway, type TestGateway } from "../support/gateway.ts"

export const concurrent = 100

export interface Storm {
  readonly gateway: TestGateway
  readonly bad: FailingUpstream
  readonly good: FailingUpstream
  readonly close: () => Promise<void>
}

export interface StormOptions {
  readonly seed?: number
  readonly virtual?: boolean
  /** Where the first provider is instead of its server. */
  readonly badUrl?: (url: string) => string
  readonly config?: Partial<EngineConfigInput>
  /** Milliseconds until the first provider's answer is late; long unless the test is about that. */
  readonly patience?: number
}

export const startStorm = async (options: StormOptions = {}): Promise<Storm> => {
  const bad = await startFailing("alpha says one two three", seeded(options.seed ?? 1))
  const good = await startFailing("beta says four five six")
  const provider = (name: string, baseUrl: string, patience: number) => ({
    name,
    kind: "openai" as const,
    api: "chat" as const,
    apiKey: "test",
    baseUrl,
    model: "m",
    models: ["m"],
    timeout: patience,
    idleTimeout: patience,
    rateLimits: { concurrent }
  })
  const gateway = await startGateway(
    {
      providers: [
        provider("bad", (options.badUrl ?? String)(bad.upstream.url), options.patience ?? 60_000),
        provider("good", good.upstream.url, 60_000)
      ],
      aliases: { chain: ["bad/m", "good/m"] },
      cache: { enabled: false },
      logging: { level: "none" },
      ...options.config
    },
    { virtual: options.virtual === true }
  )
  return {
    gateway,
    bad,
    good,
    close: async () => {
      await gateway.close()
      await Promise.all([bad.upstream.close(), good.upstream.close()])
    }
  }
}

/** Sends calls, some at a time, each with a prompt of its own; every second one a stream unless told. */
export const callAll = async (
  { gateway }: Storm,
  count: number,
  { atOnce = 8, model = "chain", stream = (index: number) => index % 2 === 1 } = {}
): Promise<ReadonlyArray<Answer>> => {
  const answers: Array<Answer> = []
  let next = 0
  const worker = async () => {
    while (next < count) {
      const index = next++
      answers[index] = await ask(gateway.url, user(`question ${index}`, { model, stream: stream(index) }))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return answers
}

export type Ending = "whole" | "broken" | "refused"

/** How an answer ended; fails when it is neither whole nor clearly an error, or has words of two providers. */
export const endingOf = ({ bad, good }: Storm, found: Answer): Ending => {
  const { headers, status, text } = found
  if (status !== 200) {
    expect((found.json as { error: { message: string } }).error.message).not.toBe("")
    return "refused"
  }
  if (headers.get("content-type")?.includes("event-stream") !== true) {
    expect([bad.text, good.text]).toContain(found.json.choices[0].message.content)
    return "whole"
  }
  const events = eventsOf(text)
  const said = textOf(events)
  expect(
    [bad.text, good.text].some((known) => known.startsWith(said)),
    text
  ).toBe(true)
  const errors = events.filter((event) => event.error !== undefined)
  if (errors.length === 0) {
    expect([bad.text, good.text]).toContain(said)
    expect(events.at(-1)).toBe("[DONE]")
    return "whole"
  }
  expect(errors).toHaveLength(1)
  expect(events.at(-1)).toBe(errors[0])
  expect(events.some((event) => event.choices?.[0]?.finish_reason != null)).toBe(false)
  return "broken"
}

export const countOf = (storm: Storm, answers: ReadonlyArray<Answer>): { readonly [ending in Ending]: number } => {
  const counts = { whole: 0, broken: 0, refused: 0 }
  for (const answer of answers) counts[endingOf(storm, answer)]++
  return counts
}

export const callsOf = ({ bad, good }: Storm): number => bad.calls() + good.calls()

/** Nothing is held and nothing lost: no permit, no waiter, no active call, and one row for each call. */
export const expectSettled = async ({ gateway }: Storm, count: number): Promise<void> => {
  const now = await idle(gateway)
  for (const { active, limits, queued } of now.providers) {
    expect({ active, queued, free: limits.concurrent.available }).toEqual({
      active: 0,
      queued: 0,
      free: limits.concurrent.learned ?? limits.concurrent.configured
    })
  }
  expect(now.queue.waiting).toBe(0)
  expect(now.totals.requests).toBe(count)
  const ids = new Set<string>()
  for (let cursor: string | null | undefined = ""; cursor != null;) {
    const page: RequestPage = (
      await get(`${gateway.url}/admin/api/requests?limit=200${cursor === "" ? "" : `&cursor=${cursor}`}`, {
        authorization: `Bearer ${adminToken}`
      })
    ).json
    for (const { id } of page.items) ids.add(id)
    cursor = page.nextCursor
  }
  expect(ids.size).toBe(count)
}
