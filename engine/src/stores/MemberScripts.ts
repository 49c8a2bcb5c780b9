/**
 * The scripts by which instances are members and hold leases, in Lua, with how their answers are read.
 *
 * Leases and counts are two kinds of hashes: the sums of all members, and what each member has of them, so that what a dead
 * one held can be taken off. A sorted set has until when each is taken for alive. Time is that of Redis.
 */
import { sharedScript } from "../SharedLink.ts"

/** The first argument of each script is the time in whole milliseconds, or -1 for the clock of Redis. */
export const clock = `
local now = tonumber(ARGV[1])
if now < 0 then
  local t = redis.call("TIME")
  now = t[1] * 1000 + math.floor(t[2] / 1000)
end
`

/** Adds to a lease of a member and to the sum of all. */
export const leases = `
local function add(sum, part, name, amount)
  if redis.call("HINCRBY", part, name, amount) == 0 then redis.call("HDEL", part, name) end
  local total = redis.call("HINCRBY", sum, name, amount)
  if total <= 0 then redis.call("HDEL", sum, name) end
  return total
end
local function forget(members, sum, part, member)
  local held = redis.call("HGETALL", part)
  for i = 1, #held, 2 do
    if redis.call("HINCRBY", sum, held[i], -held[i + 1]) <= 0 then redis.call("HDEL", sum, held[i]) end
  end
  redis.call("DEL", part)
  redis.call("ZREM", members, member)
end
`

/**
 * KEYS members, sum, part, generation, then the parts that are forgotten. ARGV now, member, lease in ms, a new generation, number
 * of names that are forgotten; these names; then names and numbers.
 */
export const join = sharedScript<{ readonly members: number; readonly generation: string }>({
  name: "members.join",
  lua: `${clock}${leases}
local member, leaseMs, count = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])
for i = 1, count do forget(KEYS[1], KEYS[2], KEYS[4 + i], ARGV[5 + i]) end
-- Whoever is alone has no reason to believe sums whose parts are gone.
if redis.call("ZCARD", KEYS[1]) == 0 then redis.call("DEL", KEYS[2]) end
redis.call("SET", KEYS[4], ARGV[4], "NX")
redis.call("ZADD", KEYS[1], now + leaseMs, member)
for i = 6 + count, #ARGV, 2 do
  if tonumber(ARGV[i + 1]) ~= 0 then add(KEYS[2], KEYS[3], ARGV[i], ARGV[i + 1]) end
end
return { redis.call("ZCOUNT", KEYS[1], now, "+inf"), redis.call("GET", KEYS[4]) }
`,
  read: (reply) => {
    const [members, generation] = reply as readonly [unknown, unknown]
    return { members: Number(members), generation: String(generation) }
  }
})

export interface Beaten {
  readonly members: number
  readonly sums: ReadonlyArray<number>
  readonly dead: ReadonlyArray<string>
}

/** KEYS members, sum, part. ARGV now, member, lease in ms, then names and numbers. Answer: -1 when it is not a member. */
export const beat = sharedScript<Beaten | undefined>({
  name: "members.beat",
  lua: `${clock}${leases}
local score = redis.call("ZSCORE", KEYS[1], ARGV[2])
if not score or tonumber(score) <= now then return { -1 } end
redis.call("ZADD", KEYS[1], now + tonumber(ARGV[3]), ARGV[2])
local sums = {}
for i = 4, #ARGV, 2 do
  local before = tonumber(redis.call("HGET", KEYS[3], ARGV[i]) or 0)
  local difference = tonumber(ARGV[i + 1]) - before
  if difference ~= 0 then
    sums[#sums + 1] = add(KEYS[2], KEYS[3], ARGV[i], difference)
  else
    sums[#sums + 1] = tonumber(redis.call("HGET", KEYS[2], ARGV[i]) or 0)
  end
end
local dead = redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now, "LIMIT", 0, 8)
return { redis.call("ZCOUNT", KEYS[1], "(" .. now, "+inf"), sums, dead }
`,
  read: (reply) => {
    const [members, sums, dead] = reply as readonly [unknown, ReadonlyArray<unknown>, ReadonlyArray<unknown>]
    return Number(members) < 0
      ? undefined
      : { members: Number(members), sums: sums.map(Number), dead: dead.map(String) }
  }
})

/** KEYS members, sum, part. ARGV now, member, 1 where it may be alive. */
export const bury = sharedScript<unknown>({
  name: "members.bury",
  lua: `${clock}${leases}
local score = redis.call("ZSCORE", KEYS[1], ARGV[2])
if score and (ARGV[3] == "1" or tonumber(score) <= now) then forget(KEYS[1], KEYS[2], KEYS[3], ARGV[2]) end
return 1
`,
  read: () => undefined
})
