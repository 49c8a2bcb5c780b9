/**
 * Scripts of budgets in Redis. An account is a hash: its version, what it is, its totals, and the part of each owner.
 *
 * All keys have one hash tag. Amounts are texts that no script reads.
 */
import { sharedScript } from "../SharedLink.ts"

export interface Row {
  /** 0 where there is no row. */
  readonly version: string
  /** JSON; undefined where there is no row. */
  readonly meta: string | undefined
  /** What is spent and what is held. */
  readonly total: string
  /** The same of the owner; undefined where it has no part. */
  readonly own: string | undefined
}

const textsOf = (reply: unknown): ReadonlyArray<string> => (reply as ReadonlyArray<unknown>).map(String)

/**
 * KEYS: the owners, then accounts. ARGV: an owner, 1 where this is a sign of its life, the silence after which one is dead in
 * milliseconds. Gives the dead, and four texts for each account.
 */
export const read = sharedScript({
  name: "budgets.read",
  lua: `
    local time = redis.call("TIME")
    local now = time[1] * 1000 + math.floor(time[2] / 1000)
    local dead = {}
    if ARGV[2] == "1" then
      redis.call("ZADD", KEYS[1], now, ARGV[1])
      for _, each in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", now - tonumber(ARGV[3]), "LIMIT", 0, 20)) do
        if each ~= ARGV[1] then dead[#dead + 1] = each end
      end
    end
    local rows = {}
    for i = 2, #KEYS do
      local found = redis.call("HMGET", KEYS[i], "version", "meta", "total", "o:" .. ARGV[1])
      for place = 1, 4 do rows[#rows + 1] = found[place] or "" end
    end
    return { dead, rows }`,
  read: (reply) => {
    const [dead, texts] = reply as [unknown, unknown]
    const fields = textsOf(texts)
    const rows: Array<Row> = []
    for (let i = 0; i < fields.length; i += 4) {
      const [version, meta, total, own] = fields.slice(i, i + 4) as [string, string, string, string]
      rows.push({
        version: version || "0",
        meta: meta || undefined,
        total: total || "0 0",
        own: own || undefined
      })
    }
    return { dead: textsOf(dead), rows }
  }
})

/**
 * KEYS: the list of accounts, what the owner holds, accounts. ARGV: the owner, then for each account its id, the version that
 * it must have, meta, total, the owner's part or nothing, its end, and when it goes (-1 for never). Gives false, having done
 * nothing, where a version is another.
 */
export const write = sharedScript({
  name: "budgets.write",
  lua: `
    local at = function(i, field) return ARGV[1 + (i - 3) * 7 + field] end
    for i = 3, #KEYS do
      if (redis.call("HGET", KEYS[i], "version") or "0") ~= at(i, 2) then return 0 end
    end
    for i = 3, #KEYS do
      redis.call("HSET", KEYS[i], "version", tonumber(at(i, 2)) + 1, "meta", at(i, 3), "total", at(i, 4))
      if at(i, 5) == "" then
        redis.call("HDEL", KEYS[i], "o:" .. ARGV[1])
        redis.call("SREM", KEYS[2], at(i, 1))
      else
        redis.call("HSET", KEYS[i], "o:" .. ARGV[1], at(i, 5))
        redis.call("SADD", KEYS[2], at(i, 1))
      end
      redis.call("ZADD", KEYS[1], at(i, 6), at(i, 1))
      if at(i, 7) == "-1" then redis.call("PERSIST", KEYS[i]) else redis.call("PEXPIREAT", KEYS[i], at(i, 7)) end
    end
    return 1`,
  read: (reply) => Number(reply) === 1
})

/** KEYS: what an owner holds part of. */
export const holdings = sharedScript({
  name: "budgets.holdings",
  lua: `return redis.call("SMEMBERS", KEYS[1])`,
  read: textsOf
})

/** KEYS: the owners, what one of them holds. ARGV: that owner. */
export const forget = sharedScript({
  name: "budgets.forget",
  lua: `
    redis.call("ZREM", KEYS[1], ARGV[1])
    return redis.call("DEL", KEYS[2])`,
  read: () => undefined
})

/** KEYS: the list of accounts. ARGV: now, and the time before which those that have ended are forgotten. */
export const listed = sharedScript({
  name: "budgets.list",
  lua: `
    redis.call("ZREMRANGEBYSCORE", KEYS[1], "-inf", "(" .. ARGV[2])
    return redis.call("ZRANGEBYSCORE", KEYS[1], "(" .. ARGV[1], "+inf")`,
  read: textsOf
})
