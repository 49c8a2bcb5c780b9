/**
 * What a bad provider day costs the callers: the time of a call through the gateway while its first provider fails, beside a
 * calm run, with the default configuration and a second provider that is well (but for the last row). Wall-clock time on
 * loopback; providers answer after 50 ms.
 */
import { early, seeded, startFailing } from "../support/FailingUpstream.ts"
import { startGateway } from "../support/gateway.ts"
import { answer, type Respond, sendJson } from "../support/upstream.ts"
import { quantile, type Options, type Row, type Table } from "./report.ts"

const answerMs = 50
const atOnce = 20
const stallMs = 1000

interface Day {
  readonly name: string
  /** What the first provider does; it is well without any. */
  readonly faults?: ReadonlyArray<Respond>
  readonly alone?: boolean
}

const text = "one two three"
const well: Respond = async (response, request) => {
  await new Promise((resolve) => setTimeout(resolve, answerMs))
  return answer(text)(response, request)
}

const share = (tenths: number, fault: Respond): ReadonlyArray<Respond> =>
  Array.from({ length: 10 }, (_, index) => (index < tenths ? fault : well))

const { "stall before the headers": stalled, "stall after the headers": _, ...quick } = early
const mixed = Object.values(quick)

const days: ReadonlyArray<Day> = [
  { name: "calm" },
  { name: "every call 503", faults: [early["503"]] },
  { name: "every call 429, Retry-After 1", faults: [early["429 with a Retry-After"]] },
  { name: "every connection reset", faults: [early["reset before the headers"]] },
  { name: `every call stalls (timeout ${stallMs} ms)`, faults: [stalled] },
  { name: "one call of ten fails, in any way", faults: mixed.flatMap((fault) => share(1, fault)) },
  {
    name: "three of ten 429, Retry-After 1, no other provider",
    faults: share(3, sendJson(429, { error: { message: "Slow down." } }, { "retry-after": "1" })),
    alone: true
  }
]

const timesOf = async ({ alone = false, faults }: Day, count: number) => {
  const first = await startFailing(text, seeded(1))
  const second = await startFailing(text)
  first.upstream.respond = well
  second.upstream.respond = well
  if (faults !== undefined) first.fail(faults)
  const provider = (name: string, baseUrl: string, timeout: number) =>
    ({ name, kind: "openai", api: "chat", apiKey: "x", model: "m", baseUrl, timeout }) as const
  const gateway = await startGateway({
    providers: [provider("first", first.upstream.url, stallMs), provider("second", second.upstream.url, 60_000)],
    aliases: { all: alone ? ["first/m"] : ["first/m", "second/m"] },
    ...(alone ? { retry: { maxAttempts: 10 } } : {}),
    cache: { enabled: false },
    logging: { level: "none" }
  })
  const times: Array<number> = []
  let failed = 0
  let next = 0
  const worker = async () => {
    while (next < count) {
      const content = `question ${next++}`
      const startedAt = performance.now()
      const response = await fetch(`${gateway.url}/v1/chat/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ model: "all", messages: [{ role: "user", content }] })
      })
      await response.arrayBuffer()
      if (!response.ok) failed++
      times.push(performance.now() - startedAt)
    }
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  await gateway.close()
  const calls = first.calls() + second.calls()
  await Promise.all([first.upstream.close(), second.upstream.close()])
  return { times, failed, calls: calls / count }
}

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const count = options.quick ? 200 : 1000
  const half: Array<Row> = []
  const most: Array<Row> = []
  await timesOf(days[0]!, 100)
  for (const day of days.filter(({ name }) => name.includes(options.only ?? ""))) {
    const { calls, failed, times } = await timesOf(day, count)
    const note = `${failed} of ${count} failed, ${calls.toFixed(2)} calls upstream each`
    const [p50, p95] = [quantile(times, 0.5), quantile(times, 0.95)]
    half.push({ name: day.name, value: p50, ratio: p50 / (half[0]?.value ?? p50), note })
    most.push({ name: day.name, value: p95, ratio: p95 / (most[0]?.value ?? p95) })
  }
  return [
    { title: "A call while the first provider fails: median", unit: "ms", rows: half },
    { title: "A call while the first provider fails: 95th percentile", unit: "ms", rows: most }
  ]
}
