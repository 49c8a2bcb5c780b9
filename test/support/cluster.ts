/**
 * Several `millrace serve` that share one Redis and one Postgres, in front of one provider that enforces its limits: real
 * processes on loopback, asked in turn, of which any can be killed.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { type Cli, serve } from "./cli.ts"
import { ask, type Answer, user } from "./client.ts"
import { type LimitedOptions, type LimitedUpstream, startLimitedUpstream } from "./LimitedUpstream.ts"
import { type Postgres, startPostgres } from "./postgres.ts"
import { type RedisServer, startRedis } from "./redis.ts"

export const adminToken = "0123456789abcdef-cluster"

export interface Instance {
  readonly url: string
  readonly alive: boolean
  readonly kill: () => Promise<void>
  /** An answer of its admin API. */
  readonly admin: (path: string) => Promise<any>
}

export interface Cluster {
  readonly instances: ReadonlyArray<Instance>
  readonly upstream: LimitedUpstream
  readonly redis: RedisServer
  readonly postgres: Postgres
  /** Asks the instances that are alive in turn. */
  readonly ask: (prompt: string, more?: object, headers?: { readonly [name: string]: string }) => Promise<Answer>
  readonly stop: () => Promise<void>
}

export interface ClusterOptions {
  readonly instances: number
  readonly limits: LimitedOptions
  /** Of the configuration, beside providers, storage and server. */
  readonly config?: object
}

/** Dollars of a million tokens. */
export const pricing = { input: 100, output: 500 }

export const startCluster = async (options: ClusterOptions): Promise<Cluster> => {
  const { limits } = options
  const folder = mkdtempSync(path.join(tmpdir(), "millrace-cluster-"))
  const [upstream, redis, postgres] = await Promise.all([startLimitedUpstream(limits), startRedis(), startPostgres()])
  const perMinute = 60_000 / limits.windowMs
  const config = {
    providers: [
      {
        name: "up",
        kind: "openai-compatible",
        baseUrl: upstream.url,
        model: "m",
        maxTokens: 20,
        pricing,
        rateLimits: {
          requestsPerMinute: limits.requests * perMinute,
          tokensPerMinute: limits.tokens * perMinute,
          concurrent: limits.concurrent,
          window: limits.windowMs
        }
      }
    ],
    storage: { redis: redis.url, redisTimeout: 1000, database: postgres.newDatabase() },
    logging: { level: "error" },
    server: { adminToken },
    ...options.config
  }
  writeFileSync(path.join(folder, "config.json"), JSON.stringify(config))
  const started = await Promise.all(
    Array.from({ length: options.instances }, () => serve(folder, ["--config", "config.json"]))
  )
  const instances = started.map(instanceOf)
  let turn = 0
  return {
    instances,
    upstream,
    redis,
    postgres,
    ask: (prompt, more = {}, headers = {}) => {
      const alive = instances.filter((instance) => instance.alive)
      return ask(alive[turn++ % alive.length]!.url, { model: "up/m", ...user(prompt), ...more }, { headers })
    },
    stop: async () => {
      redis.resume()
      postgres.resume()
      await Promise.all(instances.map(({ kill }) => kill()))
      await Promise.all([upstream.close(), redis.stop(), postgres.stop()])
      rmSync(folder, { recursive: true, force: true })
    }
  }
}

const instanceOf = ({ ended, signal, url }: Cli & { readonly url: string }): Instance => {
  let alive = true
  return {
    url,
    get alive() {
      return alive
    },
    kill: async () => {
      alive = false
      signal("SIGKILL")
      await ended
    },
    admin: async (route) => {
      const response = await fetch(`${url}/admin/api/${route}`, { headers: { authorization: `Bearer ${adminToken}` } })
      return (await response.json()) as unknown
    }
  }
}

/** Asks until it holds, for at most so many milliseconds. */
export const eventually = async (holds: () => Promise<boolean>, withinMs: number): Promise<boolean> => {
  const untilMs = performance.now() + withinMs
  while (performance.now() < untilMs) {
    if (await holds()) return true
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return holds()
}
