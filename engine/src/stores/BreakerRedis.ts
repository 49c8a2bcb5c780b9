/**
 * Circuits of all instances in Redis: one hash of what holds, one key for a probe, one channel for changes.
 *
 * Times are kept by the clock of Redis and told as what is left of them, so clocks that differ don't matter. A mark tells a
 * Redis that was emptied from one in which nothing holds.
 */
import { randomUUID } from "node:crypto"
import { Effect, Schedule, type Scope } from "effect"
import type { BreakerStore, CircuitChange, CircuitListener } from "../BreakerStore.ts"
import type { Target } from "../Call.ts"
import { type SharedLink, type SharedScript, sharedScript } from "../SharedLink.ts"

const circuits = "millrace:{flow}:circuits"
const channel = "millrace:circuits"
const probeKeyOf = (provider: string, model: string): string => `millrace:{flow}:probe:${provider}/${model}`

/** Changes that are kept before those are looked for that hold no longer. */
const keptMax = 500

const time = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
`

/**
 * KEYS: the hash, the probe. ARGV: field, provider, 1 for all its models, milliseconds that it holds (0 for none), the change,
 * the message.
 */
const change: SharedScript<null> = sharedScript({
  name: "circuit change",
  lua: `${time}
if ARGV[3] == "1" then
  for _, field in ipairs(redis.call("HKEYS", KEYS[1])) do
    if string.sub(field, 1, #ARGV[2] + 1) == ARGV[2] .. "/" then redis.call("HDEL", KEYS[1], field) end
  end
end
redis.call("HDEL", KEYS[1], ARGV[1])
if tonumber(ARGV[4]) > 0 then
  if redis.call("HLEN", KEYS[1]) > ${keptMax} then
    local all = redis.call("HGETALL", KEYS[1])
    for i = 1, #all, 2 do
      local holds = tonumber(string.match(all[i + 1], "^(%d+) "))
      if holds and holds <= now then redis.call("HDEL", KEYS[1], all[i]) end
    end
  end
  redis.call("HSET", KEYS[1], ARGV[1], string.format("%d ", now + ARGV[4]) .. ARGV[5])
end
redis.call("DEL", KEYS[2])
redis.call("PUBLISH", "${channel}", ARGV[6])
return nil
`,
  read: () => null
})

/** KEYS: the hash. ARGV: a mark for a hash that has none. Gives the mark and what holds, with the milliseconds left. */
const load: SharedScript<{ readonly mark: string; readonly changes: ReadonlyArray<CircuitChange> }> = sharedScript({
  name: "circuit load",
  lua: `${time}
redis.call("HSETNX", KEYS[1], "mark", ARGV[1])
local out = { redis.call("HGET", KEYS[1], "mark") }
local all = redis.call("HGETALL", KEYS[1])
for i = 1, #all, 2 do
  local holds, change = string.match(all[i + 1], "^(%d+) (.*)$")
  if holds and all[i] ~= "mark" then
    local left = tonumber(holds) - now
    if left <= 0 then redis.call("HDEL", KEYS[1], all[i])
    else out[#out + 1] = string.format("%d ", left) .. change end
  end
end
return out
`,
  read: (reply) => {
    const [mark, ...kept] = (reply as ReadonlyArray<unknown>).map(String)
    return {
      mark: mark!,
      changes: kept.map((text) => {
        const space = text.indexOf(" ")
        return { ...(JSON.parse(text.slice(space + 1)) as Written), forMs: Number(text.slice(0, space)) }
      })
    }
  }
})

/** KEYS: the probe. ARGV: who asks, milliseconds. */
const probe: SharedScript<boolean> = sharedScript({
  name: "circuit probe",
  lua: `return redis.call("SET", KEYS[1], ARGV[1], "NX", "PX", ARGV[2]) and 1 or 0`,
  read: (reply) => Number(reply) === 1
})

/** KEYS: the probe. ARGV: who gives it up. */
const giveUp: SharedScript<null> = sharedScript({
  name: "circuit probe end",
  lua: `if redis.call("GET", KEYS[1]) == ARGV[1] then redis.call("DEL", KEYS[1]) end return nil`,
  read: () => null
})

/** A change as it is written; `model` is absent for all models. */
interface Written extends CircuitChange {
  readonly from: string
}

const keyOf = ({ model, provider }: CircuitChange): string => `${provider}/${model ?? ""}`

const retryMs = 1000

export const make = (link: SharedLink): BreakerStore => {
  /** What could not be told, the last of each circuit. */
  const untold = new Map<string, CircuitChange>()

  const send = (told: CircuitChange): void => {
    const { forMs, model, provider } = told
    const text = JSON.stringify({ ...told, from: link.instance })
    const field = model === undefined ? `${provider}/` : keyOf(told)
    link.tell(
      change,
      [circuits, probeKeyOf(provider, model ?? "")],
      [field, provider, model === undefined ? 1 : 0, forMs ?? 0, text, text]
    )
  }

  const flush = (): void => {
    for (const told of untold.values()) send(told)
    untold.clear()
  }

  return {
    kind: "redis",
    tell: (told) => {
      if (link.up()) return send(told)
      untold.delete(keyOf(told))
      untold.set(keyOf(told), told)
    },
    listen: (on: CircuitListener): Effect.Effect<void, never, Scope.Scope> =>
      Effect.gen(function* () {
        const run = Effect.runForkWith(yield* Effect.context<never>())
        let known: string | undefined
        let loading = false
        const all = Effect.suspend(() => {
          flush()
          return link.run(load, [circuits], [randomUUID()])
        }).pipe(
          Effect.tap(({ changes, mark }) =>
            Effect.sync(() => {
              const lost = known !== undefined && known !== mark
              known = mark
              on.all(changes, lost)
            })
          ),
          Effect.retry({ while: () => link.up(), schedule: Schedule.spaced(retryMs) }),
          Effect.ignore,
          Effect.ensuring(Effect.sync(() => void (loading = false)))
        )
        const reload = () => {
          if (loading || !link.up()) return
          loading = true
          run(all)
        }
        yield* Effect.acquireRelease(
          Effect.sync(() => link.onChange((up) => up && reload())),
          (stop) => Effect.sync(stop)
        )
        yield* link.listen(channel, {
          message: (text) => {
            const { from, ...told } = JSON.parse(text) as Written
            if (from !== link.instance) on.changed({ ...told, forMs: told.forMs, model: told.model })
          },
          gap: reload
        })
      }),
    probe: ({ model, provider }: Target, leaseMs) =>
      link.run(probe, [probeKeyOf(provider, model)], [link.instance, Math.ceil(leaseMs)]),
    giveUp: ({ model, provider }) => link.tell(giveUp, [probeKeyOf(provider, model)], [link.instance])
  }
}
