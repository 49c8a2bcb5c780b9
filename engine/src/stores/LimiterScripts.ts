/**
 * The scripts of limits that instances share, in Lua, with how their answers are read.
 *
 * A rate's window is one string: a header (last slice, what is used, level of the leaky bucket and when it was that, sums of
 * 32 slices each) and a ring of 514 slices of four bytes. Arithmetic is that of `SlidingWindow`; time is that of Redis. Leases
 * are two hashes: the sums of all members, and what each member has of them. Every key is handed in as a key.
 */
import { claimAfterMs, claimSpareMs } from "../LimiterStore.ts"
import { sharedScript } from "../SharedLink.ts"
import { clock, leases } from "./MemberScripts.ts"

/** Slices of a window, as `SlidingWindow` has. */
const slices = 512

/** Slices whose sum a header keeps. */
const partSlices = 32

/** Parts that a ring can reach into. */
export const partsCount = Math.ceil((slices + 2) / partSlices) + 1

/**
 * A window at a time: `load` reads it and moves it on in memory, `save` writes it with an amount. Nothing is written when an
 * attempt is refused.
 */
const windows = `
local SLICES, RING, PER, PARTS = ${slices}, ${slices + 2}, ${partSlices}, ${partsCount}
local HEAD = 8 * (4 + PARTS)
local EPS = 1e-9
local FORMAT = "<" .. string.rep("d", 4 + PARTS)
local function clear(w)
  w.used, w.coarse, w.zero = 0, {}, nil
  for i = 1, PARTS do w.coarse[i] = 0 end
  w.empty = true
end
local function load(key, windowMs)
  local w = { key = key, windowMs = windowMs, sliceMs = windowMs / SLICES }
  w.slice = math.floor(now / w.sliceMs)
  local head = redis.call("GETRANGE", key, 0, HEAD - 1)
  if #head < HEAD then
    clear(w)
    w.level, w.levelAt = 0, now
    return w
  end
  local v = { struct.unpack(FORMAT, head) }
  local last = v[1]
  w.used, w.level, w.levelAt, w.coarse = v[2], v[3], v[4], {}
  for i = 1, PARTS do w.coarse[i] = v[4 + i] end
  local steps = w.slice - last
  if steps < 0 then w.slice = last end
  if steps >= RING then
    clear(w)
  elseif steps > 0 then
    local from = last + 1
    w.zero = {}
    while from <= w.slice do
      local at = from % RING
      local count = math.min(w.slice - from + 1, RING - at)
      local text = redis.call("GETRANGE", key, HEAD + at * 4, HEAD + (at + count) * 4 - 1)
      if string.find(text, "[^%z]") then
        for i = 0, count - 1 do
          local amount = struct.unpack("<i4", text, i * 4 + 1)
          if amount ~= 0 then
            w.used = w.used - amount
            local part = math.floor((from + i - RING) / PER) % PARTS + 1
            w.coarse[part] = w.coarse[part] - amount
          end
        end
        w.zero[#w.zero + 1] = { at, count }
      end
      from = from + count
    end
  end
  return w
end
local function drain(w, rate)
  if now > w.levelAt then
    w.level = math.max(math.min(0, w.level), w.level - (now - w.levelAt) * rate)
    w.levelAt = now
  end
end
local function fill(w, amount, limit)
  w.level = math.min(math.max(math.min(0, w.level), w.level + amount), 2 * limit)
end
local function save(w, puts)
  if w.empty then
    redis.call("SET", w.key, string.rep("\\0", HEAD + RING * 4))
  elseif w.zero then
    for _, z in ipairs(w.zero) do
      redis.call("SETRANGE", w.key, HEAD + z[1] * 4, string.rep("\\0", z[2] * 4))
    end
  end
  for _, put in ipairs(puts) do
    local slice, amount = put[1], put[2]
    if amount ~= 0 and slice > w.slice - RING then
      slice = math.min(slice, w.slice)
      local at = HEAD + (slice % RING) * 4
      local before = struct.unpack("<i4", redis.call("GETRANGE", w.key, at, at + 3))
      redis.call("SETRANGE", w.key, at, struct.pack("<i4", before + amount))
      w.used = w.used + amount
      local part = math.floor(slice / PER) % PARTS + 1
      w.coarse[part] = w.coarse[part] + amount
    end
  end
  redis.call("SETRANGE", w.key, 0, struct.pack(FORMAT, w.slice, w.used, w.level, w.levelAt, unpack(w.coarse)))
  redis.call("PEXPIRE", w.key, math.ceil(w.windowMs * 1.01) + 1000)
end
`

const numbers = (reply: unknown): ReadonlyArray<number> => (reply as ReadonlyArray<unknown>).map(Number)

/** Times and levels come as thousandths, since answers of scripts are whole numbers. */
const thousandth = 1000

export interface Admitted {
  /** 1 granted, 0 refused, -1 the member is not known. */
  readonly verdict: number
  readonly values: ReadonlyArray<number>
}

/**
 * KEYS members, sum, part, waiting, then one for each rate.
 * ARGV now, member, 1 to count without asking, number of places, of rates, name of a claim or "", how long it has waited in ms;
 * each place: name, calls at once or -1;
 * each rate: window in ms, limit, burst, amount, need, index of its place; at last the channel
 * on which it is told that somebody may go.
 * Answer granted: 1, time, what each rate holds, calls at once at each place. Refused: 0, wait in µs or -1, index of the place.
 * Not a member: -1.
 */
export const admit = sharedScript<Admitted>({
  name: "limits.admit",
  lua: `${clock}${windows}${leases}
local member, force, places, rates = ARGV[2], ARGV[3] == "1", tonumber(ARGV[4]), tonumber(ARGV[5])
local score = redis.call("ZSCORE", KEYS[1], member)
local known = score and tonumber(score) > now
if not known and not force then return { -1 } end
local claim, waited = ARGV[6], tonumber(ARGV[7])
local names, limits, claims = {}, {}, {}
for i = 1, places do
  names[i], limits[i] = ARGV[6 + 2 * i], tonumber(ARGV[7 + 2 * i])
  claims[i] = "claim:" .. names[i]
end
local function refuse(wait, place)
  redis.call("HSET", KEYS[4], names[place], now + 2000)
  redis.call("PEXPIRE", KEYS[4], 10000)
  return { 0, wait, place }
end
local claimed = places > 0 and redis.call("HMGET", KEYS[4], unpack(claims)) or {}
local function claimant(i)
  if not claimed[i] then return end
  local untilMs, id = string.match(claimed[i], "^(%d+) (.*)$")
  if tonumber(untilMs) > now then return id, tonumber(untilMs) end
end
if not force then
  for i = 1, places do
    local id, untilMs = claimant(i)
    if id and id ~= claim then return refuse((untilMs - now) * ${thousandth}, i) end
  end
end
if not force and places > 0 then
  local active = redis.call("HMGET", KEYS[2], unpack(names))
  for i = 1, places do
    if limits[i] >= 0 and tonumber(active[i] or 0) >= limits[i] then
      return refuse(-1, i)
    end
  end
end
local loaded, longest, worst = {}, 0, 0
for i = 1, rates do
  local at = 7 + 2 * places + 6 * (i - 1)
  local limit, burst, amount = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4])
  local w = load(KEYS[4 + i], tonumber(ARGV[at + 1]))
  loaded[i] = w
  w.limit, w.amount = limit, amount
  local rate = 0.98 * limit / w.windowMs
  drain(w, rate)
  if not force then
    local wanted = math.min(tonumber(ARGV[at + 5]), limit)
    local over = w.level + math.min(wanted, burst) - burst
    local wait = over > EPS * burst and over / rate or 0
    local room = limit - w.used - wanted
    if room < -EPS * limit then
      local ring = redis.call("GETRANGE", w.key, HEAD, HEAD + RING * 4 - 1)
      local hard = w.windowMs
      for slice = w.slice - RING + 1, w.slice do
        local amountAt = struct.unpack("<i4", ring, (slice % RING) * 4 + 1)
        -- What has left since it was written last is in the string still.
        local stale = false
        for _, z in ipairs(w.zero or {}) do
          local index = slice % RING
          if index >= z[1] and index < z[1] + z[2] then stale = true end
        end
        if not stale then room = room + amountAt end
        if room >= -EPS * limit then
          hard = math.max(0, (slice + RING) * w.sliceMs - now)
          break
        end
      end
      wait = math.max(wait, hard)
    end
    if wait > longest then longest, worst = wait, tonumber(ARGV[at + 6]) end
  end
end
if worst > 0 then
  if claim ~= "" and waited >= ${claimAfterMs} then
    local untilMs = now + math.floor(math.min(longest, 1000)) + ${claimSpareMs}
    redis.call("HSET", KEYS[4], claims[worst], string.format("%.0f", untilMs) .. " " .. claim)
  end
  return refuse(math.ceil(longest * ${thousandth}), worst)
end
for i = 1, places do
  if claim ~= "" and claimant(i) == claim then
    redis.call("HDEL", KEYS[4], claims[i], names[i])
    redis.call("PUBLISH", ARGV[8 + 2 * places + 6 * rates], names[i])
  end
end
local reply = { 1, now }
for i = 1, rates do
  local w = loaded[i]
  fill(w, w.amount, w.limit)
  save(w, { { w.slice, w.amount } })
  reply[#reply + 1] = w.used
end
for i = 1, places do
  reply[#reply + 1] = known and limits[i] >= 0 and add(KEYS[2], KEYS[3], names[i], 1) or 0
end
return reply
`,
  read: (reply) => {
    const [verdict = -1, ...values] = numbers(reply)
    return { verdict, values }
  }
})

/**
 * KEYS members, sum, part, waiting, then one for each rate.
 * ARGV now, member, channel, number of places that are given back, of scopes, of rates; the places; the scopes; each rate:
 * window, limit, taken at, reserved, actual, late.
 */
export const giveBack = sharedScript<unknown>({
  name: "limits.giveBack",
  lua: `${clock}${windows}${leases}
local places, scopes, rates = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
if redis.call("ZSCORE", KEYS[1], ARGV[2]) then
  for i = 1, places do
    if redis.call("HEXISTS", KEYS[3], ARGV[6 + i]) == 1 then add(KEYS[2], KEYS[3], ARGV[6 + i], -1) end
  end
end
for i = 1, rates do
  local at = 6 + places + scopes + 6 * (i - 1)
  local limit, takenAt = tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  local reserved, actual, late = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5]), tonumber(ARGV[at + 6])
  local w = load(KEYS[4 + i], tonumber(ARGV[at + 1]))
  drain(w, 0.98 * limit / w.windowMs)
  fill(w, actual - reserved, limit)
  save(w, { { math.floor(takenAt / w.sliceMs), actual - late - reserved }, { w.slice, late } })
end
if scopes > 0 then
  local names = {}
  for i = 1, scopes do names[i] = ARGV[6 + places + i] end
  local waiting = redis.call("HMGET", KEYS[4], unpack(names))
  for i = 1, scopes do
    if waiting[i] then
      redis.call("HDEL", KEYS[4], names[i])
      if tonumber(waiting[i]) > now then redis.call("PUBLISH", ARGV[3], names[i]) end
    end
  end
end
return 1
`,
  read: () => undefined
})

/**
 * KEYS one for each rate. ARGV now, then for each rate: window, limit, number of amounts; each amount: how long ago in ms,
 * amount.
 */
export const restore = sharedScript<void>({
  name: "limits.restore",
  lua: `${clock}${windows}
local at = 1
for i = 1, #KEYS do
  local windowMs, limit, count = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2]), tonumber(ARGV[at + 3])
  at = at + 3
  local w = load(KEYS[i], windowMs)
  local rate = 0.98 * limit / windowMs
  drain(w, rate)
  local puts = {}
  for j = 1, count do
    local ago, amount = tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
    at = at + 2
    puts[j] = { math.floor((now - ago) / w.sliceMs), amount }
    fill(w, math.max(0, amount - ago * rate), limit)
  end
  save(w, puts)
end
return 1
`,
  read: () => undefined
})

/**
 * KEYS one for each rate. ARGV now, then the window of each.
 * Answer for each: what is used, level in thousandths as it was left, how long ago that was in ms, and the sums of the parts that
 * are in the window, each behind the time in ms since it ended.
 */
export const look = sharedScript<ReadonlyArray<ReadonlyArray<number>>>({
  name: "limits.look",
  lua: `${clock}${windows}
local reply = {}
for i = 1, #KEYS do
  local w = load(KEYS[i], tonumber(ARGV[1 + i]))
  local row = { w.used, math.floor(w.level * ${thousandth}), math.floor(now - w.levelAt) }
  local newest = math.floor(w.slice / PER)
  for part = newest - PARTS + 1, newest do
    local amount = w.coarse[part % PARTS + 1]
    if amount ~= 0 then
      row[#row + 1] = math.max(0, math.floor(now - (part + 1) * PER * w.sliceMs))
      row[#row + 1] = amount
    end
  end
  reply[i] = row
end
return reply
`,
  read: (reply) => (reply as ReadonlyArray<unknown>).map(numbers)
})
