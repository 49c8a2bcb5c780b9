/**
 * What instances do in the shared state so that identical calls on several of them make one upstream call.
 *
 * Each script is one step. A flight of a key has a leader with a lease, followers with leases of their own, and, once there
 * are followers, a stream of what has come. All keys of one script are of one cache key and have its hash tag. Messages
 * between instances only wake; what they say is read again, so that one that is lost costs time and nothing else.
 */
import { entryLua } from "./CacheScripts.ts"
import { type SharedScript, sharedScript } from "./SharedLink.ts"

/** Milliseconds that what was published stays after the last of it. */
const keptMs = 20_000

export interface FlightKeys {
  readonly flight: string
  readonly followers: string
}

/** A cache key goes on several nodes of a cluster, but all that belongs to one key on one. */
export const keysOf = (key: string): FlightKeys => ({
  flight: `millrace:flight:{${key}}`,
  followers: `millrace:followers:{${key}}`
})

export const partsKeyOf = (key: string, id: string): string => `millrace:parts:{${key}}:${id}`

/** Where an instance hears of its flights, those that it leads and those that it follows. */
export const channelOf = (instance: string): string => `millrace:flights:${instance}`

/** Bytes of one entry of a stream; what is longer goes in several. */
export const fragmentMax = 256 * 1024

/** KEYS[1] is the hash of the flights of a key and KEYS[2] the sorted set of their followers, by the end of their leases. */
const words = `
local time = redis.call("TIME")
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local function followers(id)
  redis.call("ZREMRANGEBYSCORE", KEYS[2], "-inf", now)
  local found = {}
  for _, member in ipairs(redis.call("ZRANGE", KEYS[2], 0, -1)) do
    if string.sub(member, 1, #id + 1) == id .. " " then found[#found + 1] = string.sub(member, #id + 2) end
  end
  return found
end
local function follow(id, token, leaseMs)
  redis.call("ZADD", KEYS[2], now + leaseMs, id .. " " .. token)
  redis.call("PEXPIRE", KEYS[2], 2 * leaseMs)
end
local function lead(id, instance, leaseMs)
  redis.call("HSET", KEYS[1], "lease:" .. id, now + leaseMs, "leader:" .. id, instance)
  redis.call("PEXPIRE", KEYS[1], 4 * leaseMs)
end
local function finish(id, how)
  redis.call("HDEL", KEYS[1], "lease:" .. id, "leader:" .. id)
  if redis.call("HGET", KEYS[1], "current") == id then redis.call("HDEL", KEYS[1], "current") end
  local failed = redis.call("HGET", KEYS[1], "failed")
  if how == "second" and failed then redis.call("HSET", KEYS[1], "spent", failed) end
end
`

const textOrNull = (reply: unknown): string | null => (typeof reply === "string" ? reply : null)

const texts = (reply: unknown): ReadonlyArray<string> => (reply as ReadonlyArray<unknown>).map(String)

/** How a flight has ended: `failed` for the first one of its callers, `second` for the one further call that they had. */
export type FlightEnd = "answered" | "failed" | "second"

/** The entry of the cache, as `CacheScripts.readEntry` takes it; else the flight that is followed, null to who leads. */
export type Claimed = { readonly entry: ReadonlyArray<unknown> } | { readonly follows: string | null }

/** What `claim` gives where the one further call after a failure has been made, and has failed too. */
export const spent = "spent"

/**
 * Takes the lead of a key, or follows who has it. ARGV: own flight, instance, token, lease, 1 for an answer that has to be
 * newer than what is under way, 1 for a call after one that failed. KEYS[3], where it is given: the entry of the key
 * in the cache; where there is one, nothing is taken.
 */
export const claim: SharedScript<Claimed> = sharedScript({
  name: "flight claim",
  lua: `${words}${entryLua}
if KEYS[3] then
  local found = entry(KEYS[3])
  if found then return found end
end
local current = redis.call("HGET", KEYS[1], "current")
if current then
  local lease = redis.call("HGET", KEYS[1], "lease:" .. current)
  local leader = redis.call("HGET", KEYS[1], "leader:" .. current)
  local alive = lease and tonumber(lease) > now
  if alive and leader ~= ARGV[2] and ARGV[5] == "0" then
    follow(current, ARGV[3], tonumber(ARGV[4]))
    redis.call("PUBLISH", "millrace:flights:" .. leader, "follow " .. current)
    return current
  end
  if not alive then finish(current, "") end
end
local failed = redis.call("HGET", KEYS[1], "failed")
if ARGV[6] == "1" and failed and redis.call("HGET", KEYS[1], "spent") == failed then return "${spent}" end
lead(ARGV[1], ARGV[2], tonumber(ARGV[4]))
redis.call("HSET", KEYS[1], "current", ARGV[1])
return nil
`,
  read: (reply) => (Array.isArray(reply) ? { entry: reply } : { follows: textOrNull(reply) })
})

/** Takes a claim back that nobody waits for any more, whatever came of it. ARGV: own flight, token. */
export const abandon: SharedScript<null> = sharedScript({
  name: "flight abandon",
  lua: `${words}
finish(ARGV[1], "")
for _, token in ipairs(followers(ARGV[1])) do
  redis.call("PUBLISH", "millrace:flights:" .. string.sub(token, 1, 12), "more " .. ARGV[1])
end
for _, member in ipairs(redis.call("ZRANGE", KEYS[2], 0, -1)) do
  local id, token = string.match(member, "^(%S+) (%S+)$")
  if token == ARGV[2] then
    redis.call("ZREM", KEYS[2], member)
    local leader = redis.call("HGET", KEYS[1], "leader:" .. id)
    if leader then redis.call("PUBLISH", "millrace:flights:" .. leader, "left " .. id .. " " .. #followers(id)) end
  end
end
return nil
`,
  read: () => null
})

/** Stays the leader. ARGV: flight, instance, lease. Gives the tokens of its followers. */
export const renew: SharedScript<ReadonlyArray<string>> = sharedScript({
  name: "flight renew",
  lua: `${words}
lead(ARGV[1], ARGV[2], tonumber(ARGV[3]))
redis.call("HSETNX", KEYS[1], "current", ARGV[1])
return followers(ARGV[1])
`,
  read: texts
})

/** Ends the lead of who has no followers. ARGV: flight, how it ended. Gives the tokens of those there are: they are to be told first. */
export const release: SharedScript<ReadonlyArray<string>> = sharedScript({
  name: "flight release",
  lua: `${words}
local found = followers(ARGV[1])
if #found == 0 then finish(ARGV[1], ARGV[2]) end
return found
`,
  read: texts
})

/**
 * Publishes what has come and wakes who follows. KEYS[3]: the stream. ARGV: flight, instance, lease, how
 * it ended with the last of it, else empty, the bill where nobody here pays it, else empty, and the message in fragments. Of
 * the followers the first pays the bill. Gives the tokens of the followers.
 */
export const append: SharedScript<ReadonlyArray<string>> = sharedScript({
  name: "flight append",
  lua: `${words}
local id = ARGV[1]
local found = followers(id)
local payer = ""
if ARGV[5] ~= "" then
  redis.call("HSET", KEYS[1], "bill:" .. id, ARGV[5])
  if ARGV[4] ~= "" and found[1] then
    payer = found[1]
    redis.call("HSET", KEYS[1], "payer:" .. id, payer)
  end
end
for i = 6, #ARGV do
  redis.call("XADD", KEYS[3], "*", "m", ARGV[i], "e", i == #ARGV and "1" or "0", "p", payer)
end
redis.call("PEXPIRE", KEYS[3], ${keptMs})
lead(id, ARGV[2], tonumber(ARGV[3]))
if ARGV[4] ~= "" then
  if ARGV[4] == "failed" then redis.call("HSET", KEYS[1], "failed", id) end
  finish(id, ARGV[4])
  redis.call("PEXPIRE", KEYS[1], ${keptMs})
end
local woken = {}
for _, token in ipairs(found) do
  local instance = string.sub(token, 1, 12)
  if not woken[instance] then
    woken[instance] = true
    redis.call("PUBLISH", "millrace:flights:" .. instance, "more " .. id)
  end
end
return found
`,
  read: texts
})

/** Keeps the bill for whoever leaves last. ARGV: flight, bill. True where somebody follows. */
export const owe: SharedScript<boolean> = sharedScript({
  name: "flight owe",
  lua: `${words}
if #followers(ARGV[1]) == 0 then return 0 end
redis.call("HSET", KEYS[1], "bill:" .. ARGV[1], ARGV[2])
return 1
`,
  read: (reply) => Number(reply) === 1
})

/** One entry of a stream. */
export interface StreamEntry {
  readonly id: string
  readonly fragment: string
  /** The fragment is the last of its message. */
  readonly ends: boolean
  /** Token of the follower that pays; empty where the leader does, or nothing has ended. */
  readonly payer: string
}

export interface StreamRead {
  /** The leader's lease holds. */
  readonly alive: boolean
  readonly entries: ReadonlyArray<StreamEntry>
}

/**
 * Reads what has come since an entry, up to a bound, and stays a follower. KEYS[3]: the stream. ARGV: flight, token, last
 * entry that was read, lease.
 */
export const read: SharedScript<StreamRead> = sharedScript({
  name: "flight read",
  lua: `${words}
follow(ARGV[1], ARGV[2], tonumber(ARGV[4]))
local out = {}
local bytes = 0
for _, entry in ipairs(redis.call("XRANGE", KEYS[3], "(" .. ARGV[3], "+", "COUNT", 256)) do
  local fields = entry[2]
  bytes = bytes + #fields[2]
  if #out > 0 and bytes > ${2 * fragmentMax} then break end
  out[#out + 1] = { entry[1], fields[2], fields[4], fields[6] }
end
local lease = redis.call("HGET", KEYS[1], "lease:" .. ARGV[1])
return { lease and tonumber(lease) > now and 1 or 0, out }
`,
  read: (reply) => {
    const [alive, entries] = reply as [number, ReadonlyArray<ReadonlyArray<unknown>>]
    return {
      alive: alive === 1,
      entries: entries.map(([id, fragment, ends, payer]) => ({
        id: String(id),
        fragment: String(fragment),
        ends: String(ends) === "1",
        payer: String(payer)
      }))
    }
  }
})

/**
 * Follows no longer. ARGV: flight, token. Tells the leader how many are left. Gives the bill to who has to pay it: the one
 * it was given to, or the last to leave.
 */
export const leave: SharedScript<string | null> = sharedScript({
  name: "flight leave",
  lua: `${words}
local id = ARGV[1]
redis.call("ZREM", KEYS[2], id .. " " .. ARGV[2])
local left = #followers(id)
local leader = redis.call("HGET", KEYS[1], "leader:" .. id)
if leader then redis.call("PUBLISH", "millrace:flights:" .. leader, "left " .. id .. " " .. left) end
local bill = redis.call("HGET", KEYS[1], "bill:" .. id)
local payer = redis.call("HGET", KEYS[1], "payer:" .. id)
if bill and (payer == ARGV[2] or (not payer and left == 0)) then
  redis.call("HDEL", KEYS[1], "bill:" .. id)
  return bill
end
return nil
`,
  read: textOrNull
})
