/**
 * One instance alone, one that shares its state through Redis and Postgres, and three of them, before the same provider that
 * answers at once: what sharing costs a request in CPU time, round trips and bytes, and what an entry takes in Redis.
 *
 * Load, provider, stores and instances share the cores of one machine, so three instances on two cores show what sharing
 * costs, not what more machines would bring.
 */
import { startPostgres } from "../support/postgres.ts"
import { startRedis, type RedisServer } from "../support/redis.ts"
import { closedLoop } from "./gateway/load.ts"
import { millrace, upstream, type Server } from "./gateway/servers.ts"
import { median, quantile, type Options, type Row, type Table } from "./report.ts"
import { samePrompt } from "./workload.ts"

interface Subject {
  readonly name: string
  readonly servers: ReadonlyArray<Server>
  readonly redis: RedisServer | undefined
}

const clients = 24

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const [source, redis, postgres] = await Promise.all([upstream(), startRedis(), startPostgres()])
  const serve = (storage?: object) => millrace(source.port, options, storage === undefined ? {} : { storage })
  const shared = () => serve({ redis: redis.url, redisTimeout: 1000, database: postgres.newDatabase() })
  const subjects: Array<Subject> = []
  try {
    subjects.push({ name: "one, alone", servers: [await serve()], redis: undefined })
    subjects.push({ name: "one, with Redis and Postgres", servers: [await shared()], redis })
    const database = postgres.newDatabase()
    const storage = { redis: redis.url, redisTimeout: 1000, database }
    subjects.push({
      name: "three, with Redis and Postgres",
      servers: await Promise.all([1, 2, 3].map(() => serve(storage))),
      redis
    })
    for (const subject of subjects) await load(subject, options.quick ? 1500 : 3000, fresh)
    const misses = await measure(subjects, options, fresh)
    const hits = await measure(subjects, options, same)
    return [
      ...misses.map(titled("new prompts")),
      ...hits.map(titled("the same prompt")),
      await entrySize(subjects[1]!, redis)
    ]
  } finally {
    await Promise.all(subjects.flatMap(({ servers }) => servers.map((server) => server.stop())))
    await Promise.all([source.stop(), redis.stop(), postgres.stop()])
  }
}

const titled =
  (what: string) =>
  (table: Table): Table => ({ ...table, title: `${table.title}, ${what}` })

let asked = 0

const requestOf = (port: number, prompt: string): Buffer => {
  const body = JSON.stringify({ model: "mock-model", messages: [{ role: "user", content: prompt }] })
  const head = ["POST /v1/chat/completions HTTP/1.1", `host: 127.0.0.1:${port}`, "content-type: application/json"]
  return Buffer.from([...head, `content-length: ${Buffer.byteLength(body)}`, "", body].join("\r\n"))
}

const fresh = (port: number) => (): Buffer => requestOf(port, `#${++asked} ${samePrompt}`)

const same = (port: number) => {
  const request = requestOf(port, samePrompt)
  return () => request
}

const load = async ({ servers }: Subject, forMs: number, requests: (port: number) => () => Buffer) =>
  (
    await Promise.all(
      servers.map(({ port }) => closedLoop({ port, clients: clients / servers.length, forMs, request: requests(port) }))
    )
  ).flat()

/** Commands, and bytes in and out, since it was started. */
const figuresOf = (redis: RedisServer | undefined): Promise<ReadonlyArray<number>> =>
  redis === undefined ? Promise.resolve([0, 0, 0]) : Promise.all(redisFigures.map((field) => redis.info(field)))

const redisFigures = ["total_commands_processed", "total_net_input_bytes", "total_net_output_bytes"] as const

const measure = async (
  subjects: ReadonlyArray<Subject>,
  options: Options,
  requests: (port: number) => () => Buffer
): Promise<ReadonlyArray<Table>> => {
  const figures = new Map<string, Map<string, Array<number>>>()
  const add = (title: string, name: string, value: number) => {
    const rows = figures.get(title) ?? new Map<string, Array<number>>()
    figures.set(title, rows.set(name, [...(rows.get(name) ?? []), value]))
  }
  for (let round = 0; round < (options.quick ? 3 : 7); round++) {
    for (const subject of round % 2 === 0 ? subjects : subjects.toReversed()) {
      const { name, redis, servers } = subject
      const before = await figuresOf(redis)
      const cpuBefore = servers.reduce((sum, server) => sum + server.cpuUs(), 0)
      const startedAt = performance.now()
      const timings = await load(subject, options.quick ? 1000 : 3000, requests)
      const seconds = (performance.now() - startedAt) / 1000
      const cpuUs = servers.reduce((sum, server) => sum + server.cpuUs(), 0) - cpuBefore
      const after = await figuresOf(redis)
      const [commands, bytesIn, bytesOut] = after.map((value, index) => (value - before[index]!) / timings.length)
      add("Requests a second", name, timings.length / seconds)
      add("CPU of all instances for a request, µs", name, cpuUs / timings.length)
      add(
        "p99 of a request, ms",
        name,
        quantile(
          timings.map(({ totalMs }) => totalMs),
          0.99
        )
      )
      if (redis === undefined) continue
      add("Commands at Redis for a request", name, commands!)
      add("Bytes to Redis for a request", name, bytesIn!)
      add("Bytes from Redis for a request", name, bytesOut!)
    }
  }
  return [...figures].map(([title, rows]) => ({ title, unit: "", rows: [...rows].map(rowOf) }))
}

const rowOf = ([name, values]: readonly [string, ReadonlyArray<number>]): Row => ({
  name,
  value: median(values),
  low: quantile(values, 0.25),
  high: quantile(values, 0.75)
})

/** What Redis holds for each entry of the cache: a prompt of 0.8 kB is not in it, an answer of 50 words is. */
const entrySize = async (subject: Subject, redis: RedisServer): Promise<Table> => {
  const held = async () => ({
    bytes: await redis.info("used_memory_dataset"),
    keys: Number((await redis.command("DBSIZE")).match(/\d+/)![0])
  })
  await redis.command("FLUSHALL")
  const before = await held()
  const timings = await load(subject, 2000, fresh)
  const after = await held()
  const entries = timings.length
  return {
    title: "An entry of the cache in Redis",
    unit: "",
    rows: [
      { name: "bytes", value: (after.bytes - before.bytes) / entries },
      { name: "keys", value: (after.keys - before.keys) / entries }
    ]
  }
}
