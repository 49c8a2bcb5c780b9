/**
 * Millrace's gateway beside a plain pass-through proxy and Portkey, on the same mock upstream, all on loopback. Every
 * server is a process of its own; with two cores the one under test has a core for itself.
 */
import { existsSync } from "node:fs"
import { closedLoop, streams, type Timing } from "./gateway/load.ts"
import { millrace, pinLoad, pinned, portkey, proxy, upstream, type Server } from "./gateway/servers.ts"
import { median, quantile, type Goal, type Options, type Row, type Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

const chunks = 40
const chunkMs = 50

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  if (!existsSync("/proc/self/task")) throw new Error("the gateway suite reads CPU time from /proc, which is not here")
  pinLoad()
  const source = await upstream()
  const servers: Array<Server> = []
  try {
    const starts: Array<Row> = []
    for (const launch of [proxy, portkey, millrace]) {
      const { server, row } = await launched(() => launch(source.port, options), options.quick ? 3 : 5)
      servers.push(server)
      starts.push(row)
    }
    const direct = { ...source, name: "no gateway" }
    const subjects = subjectsOf(servers).filter(({ name }) => options.only === undefined || name.includes(options.only))
    for (const subject of subjects) {
      await closedLoop({
        port: subject.server.port,
        clients: 32,
        forMs: options.quick ? 1500 : 3000,
        request: subject.json
      })
      if (!subject.hit) await warmStreams(subject)
    }
    const throughput = await measureThroughput(subjects, options)
    const latency = await measureLatency([subjectOf(direct), ...subjects], options)
    const streamed: Array<Table> = []
    for (const open of [50, 500]) {
      streamed.push(...(await measureStreams([subjectOf(direct), ...subjects.filter((s) => !s.hit)], open, options)))
    }
    const rss = subjects
      .filter((subject) => !subject.hit)
      .map((subject) => ({
        name: subject.name,
        value: subject.server.rssMb(),
        goals: goalsOf(subject, { Millrace: [{ kind: "at-most", value: 230 }] })
      }))
    return [
      ...throughput,
      latency,
      ...streamed,
      { title: "Memory after the streams", unit: "MB RSS", rows: rss },
      { title: "From start to ready", unit: "ms", rows: starts }
    ]
  } finally {
    await Promise.all([source, ...servers].map((server) => server.stop()))
  }
}

/** Streams that are not measured: what is reported is the work of a server that has run for a while. */
const warmStreams = ({ server, stream }: Subject): Promise<unknown> =>
  streams({ port: server.port, streams: 200, lifeMs: chunks * chunkMs, forMs: chunks * chunkMs, request: stream })

/** A server and the way it is asked. */
interface Subject {
  readonly name: string
  readonly server: Server
  readonly hit: boolean
  readonly json: () => Buffer
  readonly stream: () => Buffer
}

const subjectOf = (server: Server): Subject => ({
  name: server.name,
  server,
  hit: false,
  json: requests(server, {}),
  stream: requests(server, { stream: true, max_tokens: chunks, seed: chunkMs, stream_options: { include_usage: true } })
})

/** Each server with prompts that are always new, and Millrace once more with the same prompt. */
const subjectsOf = (servers: ReadonlyArray<Server>): ReadonlyArray<Subject> => [
  ...servers.map(subjectOf),
  ...servers
    .filter((server) => server.name === "Millrace")
    .map((server) => ({ ...subjectOf(server), name: "Millrace, exact hit", hit: true, json: sameRequest(server) }))
]

const goalsOf = (
  subject: { readonly name: string },
  goals: { readonly [name: string]: ReadonlyArray<Goal> }
): ReadonlyArray<Goal> | undefined => goals[subject.name]

const bodyOf = (prompt: string, extra: object): string =>
  JSON.stringify({
    model: "mock-model",
    messages: [
      { role: "system", content: "You are a helpful assistant." },
      { role: "user", content: prompt }
    ],
    temperature: 0.7,
    ...extra
  })

const encode = (server: Server, body: string): Buffer =>
  Buffer.from(
    [
      "POST /v1/chat/completions HTTP/1.1",
      `host: 127.0.0.1:${server.port}`,
      "content-type: application/json",
      "authorization: Bearer sk-bench",
      ...server.headers,
      `content-length: ${Buffer.byteLength(body)}`,
      "",
      body
    ].join("\r\n")
  )

let asked = 0

/** Requests that differ in a number of fixed width, so that only these bytes are written anew. */
const requests = (server: Server, extra: object): (() => Buffer) => {
  const mark = "#000000000"
  const template = encode(server, bodyOf(`${mark} ${samePrompt}`, extra))
  const at = template.indexOf(mark) + 1
  return () => {
    const request = Buffer.from(template)
    request.write(String(++asked).padStart(mark.length - 1, "0"), at, "latin1")
    return request
  }
}

const sameRequest = (server: Server): (() => Buffer) => {
  const request = encode(server, bodyOf(samePrompt, {}))
  return () => request
}

/** Starts a server some times, and keeps the last one. */
const launched = async (
  launch: () => Promise<Server>,
  times: number
): Promise<{ readonly server: Server; readonly row: Row }> => {
  const ready: Array<number> = []
  for (;;) {
    const server = await launch()
    ready.push(server.readyMs)
    if (ready.length === times) {
      const goals = goalsOf(server, { Millrace: [{ kind: "at-most", value: 600 }] })
      return { server, row: { ...spread(server.name, ready), goals } }
    }
    await server.stop()
  }
}

const spread = (name: string, values: ReadonlyArray<number>): Row => ({
  name,
  value: median(values),
  low: quantile(values, 0.25),
  high: quantile(values, 0.75)
})

/** Rows of one figure per subject and round, with ratios to the first subject of the same round. */
const rowsOf = (
  figures: ReadonlyMap<string, ReadonlyArray<number>>,
  goals: { readonly [name: string]: ReadonlyArray<Goal> }
): ReadonlyArray<Row> => {
  const first = figures.values().next().value!
  return [...figures].map(([name, values]) => ({
    ...spread(name, values),
    ratio: median(values.map((value, round) => value / first[round]!)),
    goals: goals[name]
  }))
}

const inRounds = async (
  subjects: ReadonlyArray<Subject>,
  count: number,
  measure: (subject: Subject) => Promise<void>
): Promise<void> => {
  for (let round = 0; round < count; round++) {
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) await measure(subject)
  }
}

class Figures extends Map<string, Array<number>> {
  add(name: string, value: number): void {
    const values = this.get(name)
    if (values === undefined) this.set(name, [value])
    else values.push(value)
  }
}

const measureThroughput = async (subjects: ReadonlyArray<Subject>, options: Options): Promise<ReadonlyArray<Table>> => {
  const perSecond = new Figures()
  const cpu = new Figures()
  const busy = new Figures()
  await inRounds(subjects, options.quick ? 3 : 9, async (subject) => {
    const cpuBefore = subject.server.cpuUs()
    const startedAt = performance.now()
    const timings = await closedLoop({
      port: subject.server.port,
      clients: 32,
      forMs: options.quick ? 800 : 2000,
      request: subject.json
    })
    const elapsedMs = performance.now() - startedAt
    const cpuSpent = subject.server.cpuUs() - cpuBefore
    perSecond.add(subject.name, (timings.length / elapsedMs) * 1000)
    cpu.add(subject.name, cpuSpent / timings.length)
    busy.add(subject.name, cpuSpent / 1000 / elapsedMs)
  })
  const load = [...busy].map(([name, shares]) => `${name} ${Math.round(median(shares) * 100)} %`).join(", ")
  return [
    {
      title: "JSON, 32 clients: CPU of the gateway per request",
      unit: "µs",
      rows: rowsOf(cpu, {
        Millrace: [
          { kind: "at-most", value: 55 },
          { kind: "ratio-at-most", value: 1.75, of: "raw Node proxy" }
        ]
      })
    },
    {
      title: "JSON, 32 clients: throughput",
      unit: "req/s",
      rows: rowsOf(perSecond, {
        Millrace: [
          { kind: "at-least", value: 18_000 },
          { kind: "ratio-at-least", value: 6, of: "Portkey" }
        ],
        "Millrace, exact hit": [{ kind: "at-least", value: 30_000 }]
      }),
      note: `Use of one core by the gateway: ${load}. Below about 95 % the load or the upstream was the bottleneck. ${
        pinned ? "The gateway had one core for itself." : "Nothing was pinned to a core."
      }`
    }
  ]
}

const measureLatency = async (subjects: ReadonlyArray<Subject>, options: Options): Promise<Table> => {
  const p50 = new Figures()
  await inRounds(subjects, options.quick ? 5 : 15, async (subject) => {
    const timings = await closedLoop({
      port: subject.server.port,
      clients: 1,
      forMs: options.quick ? 300 : 500,
      request: subject.json
    })
    p50.add(subject.name, median(timings.map((timing) => timing.totalMs * 1000)))
  })
  return {
    title: "JSON, one client: p50 that the gateway adds",
    unit: "µs",
    rows: rowsOf(added(p50), {
      Millrace: [{ kind: "at-most", value: 160 }],
      "Millrace, exact hit": []
    }),
    note: `Without a gateway the p50 is ${median(p50.get("no gateway")!).toFixed(0)} µs; a hit saves the way to the upstream (goal: ≤ 60 µs in all, here ${hitLatency(p50)}).`
  }
}

const hitLatency = (p50: Figures): string => {
  const values = p50.get("Millrace, exact hit")
  return values === undefined ? "not measured" : `${median(values).toFixed(0)} µs`
}

/** The figures of each gateway less those of no gateway in the same round. */
const added = (figures: Figures): Figures => {
  const base = figures.get("no gateway")!
  const result = new Figures()
  for (const [name, values] of figures) {
    if (name !== "no gateway") values.forEach((value, round) => result.add(name, value - base[round]!))
  }
  return result
}

const measureStreams = async (
  subjects: ReadonlyArray<Subject>,
  open: number,
  options: Options
): Promise<ReadonlyArray<Table>> => {
  const lifeMs = chunks * chunkMs
  const first = new Figures()
  const cpu = new Figures()
  await inRounds(subjects, options.quick ? 1 : 3, async (subject) => {
    const cpuBefore = subject.server.cpuUs()
    const startedAt = performance.now()
    const timings = await streams({
      port: subject.server.port,
      streams: open,
      lifeMs,
      forMs: options.quick ? lifeMs * 1.5 : lifeMs * 3,
      request: subject.stream
    })
    // The first streams open their connections; what is reported is the steady state.
    const steady = timings.filter((timing: Timing) => timing.startedAt - startedAt > lifeMs)
    first.add(subject.name, median(steady.map((timing) => timing.firstMs)))
    cpu.add(subject.name, (subject.server.cpuUs() - cpuBefore) / (timings.length * chunks))
  })
  cpu.delete("no gateway")
  return [
    {
      title: `${open} streams: p50 of the time to the first chunk that the gateway adds`,
      unit: "ms",
      rows: rowsOf(added(first), { Millrace: [{ kind: "at-most", value: open === 50 ? 1.1 : 1.5 }] }),
      note: `Without a gateway it is ${median(first.get("no gateway")!).toFixed(2)} ms.`
    },
    {
      title: `${open} streams of ${chunks} chunks, one every ${chunkMs} ms: CPU of the gateway per chunk`,
      unit: "µs",
      rows: rowsOf(cpu, open === 500 ? { Millrace: [{ kind: "at-most", value: 36 }] } : {})
    }
  ]
}
