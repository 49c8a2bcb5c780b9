/**
 * The questions that the dashboard asks of the admin API about usage, and what they cost a gateway: the CPU time of its
 * process, all threads and the answer's way out included, and the time until the answer is there.
 *
 * The CPU time is the kernel's (`/proc`, in nanoseconds), so that other programs on the machine make it little longer; where
 * there is no such file the questions have no CPU time. Questions that are about "now" end at `now`, the end of the records.
 */
import { readdirSync, readFileSync } from "node:fs"
import type { Running } from "../support/processes.ts"
import type { Row } from "./report.ts"

export interface Question {
  readonly name: string
  /** Paths below `/admin/api`; several are what a page reads together. */
  readonly paths: ReadonlyArray<string>
}

const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const sizeMs = { minute: minuteMs, hour: hourMs, day: dayMs }

type Bucket = keyof typeof sizeMs

/** Ids of the first and the last request of the records, and of one between. */
export interface Known {
  readonly now: number
  readonly days: number
  readonly id: string
  readonly key: string
  readonly rareKey: string
  /** A fingerprint, with its provider and model. */
  readonly fingerprint: string
}

const query = (path: string, fields: { readonly [name: string]: string | number }): string =>
  `${path}?${Object.entries(fields)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join("&")}`

export const questionsOf = ({ days, fingerprint, id, key, now, rareKey }: Known): ReadonlyArray<Question> => {
  /** As the dashboard's presets: from the beginning of a bucket, so many of them, the last one unfinished. */
  const preset = (bucket: Bucket, buckets: number) => ({
    from: Math.floor(now / sizeMs[bucket]) * sizeMs[bucket] - (buckets - 1) * sizeMs[bucket],
    to: now,
    bucket
  })
  const hours = preset("hour", 24)
  const week = preset("hour", 168)
  const month = preset("day", days)
  const monthByHour = preset("hour", days * 24)
  const before = ({ from, to }: { readonly from: number; readonly to: number }) => ({
    from: from - (to - from),
    to: from,
    bucket: "day"
  })
  const usage = (name: string, fields: object): Question => ({
    name: `usage: ${name}`,
    paths: [query("usage", { ...fields })]
  })
  const overview = (range: typeof hours) => [
    query("usage", range),
    query("usage", { ...range, groupBy: "status" }),
    query("usage", { ...range, bucket: "day", groupBy: "cache" }),
    query("usage", { ...range, bucket: "day", groupBy: "provider" }),
    query("usage", before(range)),
    query("usage", { ...before(range), groupBy: "cache" }),
    query("errors", { from: now - dayMs, to: now, bucket: "minute", limit: 20 }),
    query("requests", { from: now - dayMs, limit: 50 })
  ]
  const page = (name: string, fields: object): Question => ({
    name: `requests: ${name}`,
    paths: [query("requests", { limit: 100, ...fields })]
  })
  const groups = ["model", "provider", "tenant", "key", "status", "cache"] as const
  return [
    { name: "overview: 24 h with comparison, all eight questions", paths: overview(hours) },
    { name: "overview: 30 days with comparison, all eight questions", paths: overview(month) },
    ...groups.map((groupBy) => usage(`30 days by day and ${groupBy}`, { ...month, groupBy })),
    ...groups.map((groupBy) => usage(`24 h by hour and ${groupBy}`, { ...hours, groupBy })),
    ...(["model", "provider", "tenant", "status", "cache"] as const).map((groupBy) =>
      usage(`7 days by hour and ${groupBy}`, { ...week, groupBy })
    ),
    usage("7 days by hour and key (more points than are sent: 400)", { ...week, groupBy: "key" }),
    usage("30 days by hour (heat map)", monthByHour),
    usage("30 days by hour and model", { ...monthByHour, groupBy: "model" }),
    usage("30 days by hour and tenant (more points than are sent: 400)", { ...monthByHour, groupBy: "tenant" }),
    usage("24 h by minute", preset("minute", 1440)),
    usage("6 days by minute", preset("minute", 8640)),
    usage("6 h by minute and model", { ...preset("minute", 360), groupBy: "model" }),
    usage("3 h by minute and tenant", { ...preset("minute", 180), groupBy: "tenant" }),
    usage("1 h by minute and key", { ...preset("minute", 60), groupBy: "key" }),
    usage("24 h by minute of the busiest key", { ...preset("minute", 1440), key }),
    usage("30 days by day of a key (its page)", { ...month, key }),
    usage("30 days by day and model of a tenant", { ...month, groupBy: "model", tenant: "tenant-0" }),
    usage("30 days by hour and model of a tenant", { ...monthByHour, groupBy: "model", tenant: "tenant-0" }),
    usage("30 days by hour of the busiest key (heat map)", { ...monthByHour, key }),
    usage("7 days by hour and status of the busiest key", { ...week, groupBy: "status", key }),
    usage("7 days by hour and model of the busiest key", { ...week, groupBy: "model", key }),
    usage("30 days by hour and status of the busiest key", { ...monthByHour, groupBy: "status", key }),
    usage("30 days by day and model of the busiest key", { ...month, groupBy: "model", key }),
    usage("30 days by day and tenant of failures", { ...month, groupBy: "tenant", status: "error" }),
    usage("30 days by day and key of a model", { ...month, groupBy: "key", model: "model-0" }),
    usage("30 days by day and key of a model's hits", { ...month, groupBy: "key", model: "model-0", cache: "hit" }),
    usage("7 days by hour and cache of a model and a tenant", {
      ...week,
      groupBy: "cache",
      model: "model-0",
      tenant: "tenant-0"
    }),
    usage("30 days by hour and cache of a model and a tenant", {
      ...monthByHour,
      groupBy: "cache",
      model: "model-0",
      tenant: "tenant-0"
    }),
    usage("7 days by hour and model of a tenant's failures", {
      ...week,
      groupBy: "model",
      tenant: "tenant-0",
      status: "error"
    }),
    usage("a range that begins and ends within minutes, by hour and key", {
      from: now - dayMs / 2 + 12_345,
      to: now - 54_321,
      bucket: "hour",
      groupBy: "key"
    }),
    usage("slow requests of an hour, one by one", { from: now - 2 * hourMs, to: now, minLatencyMs: 2000 }),
    page("first page", { from: month.from }),
    page("of the busiest key", { from: month.from, key }),
    page("of a rare key", { from: month.from, key: rareKey }),
    page("of a tenant", { from: month.from, tenant: "tenant-39" }),
    page("of a model", { from: month.from, model: "model-11" }),
    page("of a provider", { from: month.from, provider: "provider-3" }),
    page("failed", { from: month.from, status: "error" }),
    page("cancelled", { from: month.from, status: "cancelled" }),
    page("semantic hits", { from: month.from, cache: "semantic" }),
    page("of a key that is not there", { from: month.from, key: "none" }),
    page("failed, of a rare model and key", { from: month.from, status: "error", model: "model-11", key: rareKey }),
    page("cancelled semantic hits, before the middle", {
      from: month.from,
      to: now - (days * dayMs) / 2,
      status: "cancelled",
      cache: "semantic"
    }),
    page("slower than 3.9 s", { from: month.from, minLatencyMs: 3900 }),
    page("of a kind of error", { from: month.from, errorKind: "ProviderTimeout" }),
    page("of an error group", { from: month.from, fingerprint }),
    page("search by the beginning of an id", { from: month.from, search: id.slice(0, 10) }),
    page("search by an id", { from: month.from, search: id }),
    { name: "request by id", paths: [`requests/${id}`] },
    ...(["hour", "day"] as const).map((bucket) => ({
      name: `errors: 30 days by ${bucket}, with comparison`,
      paths: [
        query("errors", { from: month.from, to: now, bucket, limit: 200 }),
        query("errors", { ...before(month), bucket, limit: 200 })
      ]
    })),
    { name: "errors: 24 h by minute", paths: [query("errors", { ...hours, bucket: "minute", limit: 20 })] },
    { name: "errors: 30 days of a tenant", paths: [query("errors", { ...month, tenant: "tenant-1", limit: 200 })] },
    { name: "errors: 30 days of the busiest key", paths: [query("errors", { ...month, key, limit: 200 })] },
    { name: "errors: one group with whom it met", paths: [query("errors", { ...month, fingerprint, limit: 1 })] }
  ]
}

/** CPU time of all threads of a process in milliseconds; undefined where the system does not tell. */
const cpuMsOf = (pid: number): number | undefined => {
  try {
    let spentNs = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      spentNs += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ")[0])
    }
    return spentNs / 1e6
  } catch {
    return undefined
  }
}

const goalMs = 200

/** Asks each question, one path after the other, `rounds` times; rows have the median CPU time of all its paths. */
export const askAll = async (
  gateway: Running,
  token: string,
  questions: ReadonlyArray<Question>,
  rounds: number
): Promise<ReadonlyArray<Row>> => {
  const headers = { authorization: `Bearer ${token}` }
  const asked: Array<Row> = []
  for (const { name, paths } of questions) {
    const cpu: Array<number> = []
    const wall: Array<number> = []
    let bytes = 0
    for (let round = 0; round < rounds; round++) {
      const before = cpuMsOf(gateway.pid)
      const t0 = performance.now()
      for (const path of paths) {
        const response = await fetch(`${gateway.url}/admin/api/${path}`, { headers })
        const body = await response.arrayBuffer()
        if (response.status !== 200 && !(response.status === 400 && name.includes("400"))) {
          throw new Error(`${path}: ${response.status} ${Buffer.from(body).toString("utf8", 0, 300)}`)
        }
        bytes = Math.max(bytes, body.byteLength)
      }
      const waited = performance.now() - t0
      const after = cpuMsOf(gateway.pid)
      wall.push(waited)
      cpu.push(before === undefined || after === undefined ? waited : after - before)
    }
    const { high, low, middle } = spread(cpu)
    const times = spread(wall)
    const note = `until answered ${times.middle.toFixed(0)}, max ${times.high.toFixed(0)}; ${(bytes / 1000).toFixed(0)} kB`
    console.error(`${name}: CPU ${cpu.map((ms) => ms.toFixed(0)).join(" ")} ms; ${note}`)
    asked.push({ name, value: middle, low, high, goals: [{ kind: "at-most", value: goalMs }], note })
  }
  return asked
}

const spread = (values: ReadonlyArray<number>) => {
  const sorted = values.toSorted((a, b) => a - b)
  return { low: sorted[0]!, middle: sorted[sorted.length >> 1]!, high: sorted.at(-1)! }
}
