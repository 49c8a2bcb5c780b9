/**
 * What instances do in the shared state with entries of the exact cache.
 *
 * An entry is a text: the time at which it was put, by the clock of the shared state, and its record as JSON. Each is on the
 * node that its key says, so that they spread. Removals and purges are written to a log of bounded length and told to
 * whoever listens, in one step: who was away reads in the log what it has missed.
 */
import { recordVersion } from "./CacheRecordVersion.ts"
import { sharedScript } from "./SharedLink.ts"

/** Entries of another version of the record are not read. */
export const entryKeyOf = (key: string): string => `millrace:cache:${recordVersion}:{${key}}`

/** Matches the keys of all entries. */
export const entryPattern = `millrace:cache:${recordVersion}:{*`

export const logKey = "millrace:{cache}:removals"

/** Where removals and replacements are told: JSON of `[sender, microseconds, id in the log, what]`. */
export const channel = "millrace:cache"

/** Removals that the log keeps, about. */
export const logLength = 1000

/** The time in microseconds, as 16 digits: two scripts never have the same. */
const clock = `
local time = redis.call("TIME")
local now = string.format("%016.0f", time[1] * 1000000 + time[2])
`

/**
 * A function `entry(key)` for scripts that look an entry up beside other things: false, or the entry and the time, as
 * `readEntry` takes them.
 */
export const entryLua = `
local function entry(key)
  local value = redis.call("GET", key)
  if not value then return false end
  local time = redis.call("TIME")
  return { value, string.format("%.0f", time[1] * 1000000 + time[2]) }
end
`

/** An entry as it is in the shared state. Times are epoch microseconds of its clock. */
export interface SharedEntry {
  readonly putAtUs: number
  readonly readAtUs: number
  readonly json: string
}

const stampLength = 16

export const readEntry = (reply: unknown): SharedEntry | undefined => {
  if (!Array.isArray(reply)) return undefined
  const [value, readAt] = reply as ReadonlyArray<unknown>
  const text = String(value)
  return { putAtUs: Number(text.slice(0, stampLength)), readAtUs: Number(readAt), json: text.slice(stampLength) }
}

/** KEYS: the entry. */
export const find = sharedScript({ name: "cache find", lua: `${entryLua} return entry(KEYS[1])`, read: readEntry })

/**
 * KEYS: the entry. ARGV: its JSON, milliseconds to live, its key in the cache, who puts it. Who has a copy of the entry that
 * was there is told.
 */
export const put = sharedScript({
  name: "cache put",
  lua: `${clock}
local before = redis.call("EXISTS", KEYS[1])
redis.call("SET", KEYS[1], now .. ARGV[1], "PX", ARGV[2])
if before == 1 then
  redis.call("PUBLISH", "${channel}", '["' .. ARGV[4] .. '",' .. now .. ',"",{"key":"' .. ARGV[3] .. '"}]')
end
return 1`,
  read: () => undefined
})

/** KEYS: the entry. */
export const remove = sharedScript({
  name: "cache remove",
  lua: `return redis.call("DEL", KEYS[1])`,
  read: Number
})

/** KEYS: the log. ARGV: what, as JSON, and who says it. Gives the time of it, in microseconds. */
export const tellRemoval = sharedScript({
  name: "cache removal",
  lua: `${clock}
local id = redis.call("XADD", KEYS[1], "MAXLEN", "~", ${logLength}, "*", "by", ARGV[2], "at", now, "what", ARGV[1])
redis.call("PUBLISH", "${channel}", '["' .. ARGV[2] .. '",' .. now .. ',"' .. id .. '",' .. ARGV[1] .. "]")
return now`,
  read: Number
})

/** What was missed: removals in their order, or that the log no longer knows. */
export interface MissedRemovals {
  readonly complete: boolean
  readonly entries: ReadonlyArray<{
    readonly id: string
    readonly by: string
    /** Epoch microseconds. */
    readonly atUs: number
    readonly what: string
  }>
}

/** KEYS: the log. ARGV: id of the last removal that was heard of, or "0" at the start. */
export const missedRemovals = sharedScript<MissedRemovals>({
  name: "cache removals missed",
  lua: `
local complete = 1
if ARGV[1] ~= "0" and #redis.call("XRANGE", KEYS[1], ARGV[1], ARGV[1]) == 0 then complete = 0 end
local out = {}
for _, found in ipairs(redis.call("XRANGE", KEYS[1], "(" .. ARGV[1], "+")) do
  out[#out + 1] = { found[1], found[2][2], found[2][4], found[2][6] }
end
return { complete, out }`,
  read: (reply) => {
    const [complete, entries] = reply as [number, ReadonlyArray<ReadonlyArray<unknown>>]
    return {
      complete: complete === 1,
      entries: entries.map(([id, by, at, what]) => ({
        id: String(id),
        by: String(by),
        atUs: Number(at),
        what: String(what)
      }))
    }
  }
})

/** One step through all entries. ARGV: where to go on, "0" first. Gives where to go on and the keys that were met. */
export const walk = sharedScript({
  name: "cache walk",
  lua: `return redis.call("SCAN", ARGV[1], "MATCH", "${entryPattern}", "COUNT", 200)`,
  read: (reply) => {
    const [cursor, keys] = reply as [unknown, ReadonlyArray<unknown>]
    return { cursor: String(cursor), keys: keys.map(String) }
  }
})

/** KEYS: an entry. ARGV: a filter as JSON and a time in microseconds: takes the entry out where it matches and was put until then. */
export const removeMatching = sharedScript({
  name: "cache remove matching",
  lua: `
local value = redis.call("GET", KEYS[1])
if not value or tonumber(string.sub(value, 1, ${stampLength})) > tonumber(ARGV[2]) then return 0 end
local filter = cjson.decode(ARGV[1])
if next(filter) ~= nil then
  local record = cjson.decode(string.sub(value, ${stampLength + 1}))
  for field, wanted in pairs(filter) do
    if record[field] ~= wanted then return 0 end
  end
end
return redis.call("DEL", KEYS[1])`,
  read: Number
})
