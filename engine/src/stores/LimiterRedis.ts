/**
 * Limits that instances share, and the members that share them, in Redis.
 *
 * Each use is one script, so one round trip and atomic; all keys have one hash tag, so that a cluster keeps them together.
 * Windows expire a little after they are empty. Nothing here decides what happens while Redis is away.
 */
import { Effect } from "effect"
import type { Ask, LimiterListener, LimiterStore, MemberStore, RateKey } from "../LimiterStore.ts"
import { leaseMs as defaultLeaseMs, leaseOf } from "../LimiterStore.ts"
import type { SharedLink } from "../SharedLink.ts"
import * as Scripts from "./LimiterScripts.ts"
import * as MemberScripts from "./MemberScripts.ts"

export interface LimiterRedisOptions {
  /** How long a member is taken for alive that was not heard of; 15 s unless told. */
  readonly leaseMs?: number | undefined
  /** Time of everything in epoch milliseconds; the clock of Redis unless told. */
  readonly nowMs?: (() => number) | undefined
}

const tag = "{millrace:flow}"
const members = `${tag}:members`
const sum = `${tag}:sum`
const waiting = `${tag}:waiting`
const generation = `${tag}:generation`
const freed = `${tag}:freed`
const paused = `${tag}:paused`
const lowered = `${tag}:lowered`
const partOf = (member: string) => `${tag}:part:${member}`
const windowOf = ({ kind, scope, windowMs }: RateKey) => `${tag}:${kind}:${windowMs}:${scope}`

/** More than this is not counted of one attempt: slices have four bytes. */
const amountMax = 1e9

const whole = (amount: number): number => Math.min(amountMax, Math.ceil(amount))

export const make = (link: SharedLink, options: LimiterRedisOptions = {}): LimiterStore => {
  const nowMs = options.nowMs ?? redisTime
  const keysOf = (member: string, rates: ReadonlyArray<RateKey>) => [
    members,
    sum,
    partOf(member),
    waiting,
    ...rates.map(windowOf)
  ]
  const askOf = ({ claim, member, places, rates }: Ask, force: 0 | 1) => {
    const args: Array<string | number> = [nowMs(), member, force, places.length, rates.length]
    args.push(claim?.id ?? "", claim?.waitedMs ?? 0)
    for (const { concurrent, scope } of places) args.push(leaseOf(scope), concurrent ?? -1)
    for (const { amount, burst, limit, need, scope, windowMs } of rates) {
      args.push(windowMs, limit, burst, whole(amount), Math.max(need, whole(amount)))
      args.push(places.findIndex((place) => place.scope === scope) + 1)
    }
    if (claim !== undefined) args.push(freed)
    return args
  }
  return {
    kind: "redis",
    admit: (ask) => {
      const { member, places, rates } = ask
      return Effect.map(link.run(Scripts.admit, keysOf(member, rates), askOf(ask, 0)), ({ values, verdict }) => {
        if (verdict < 0) return { _tag: "Stranger" }
        if (verdict === 1) {
          const [atMs = 0, ...counts] = values
          return {
            _tag: "Granted",
            atMs,
            used: counts.slice(0, rates.length),
            active: counts.slice(rates.length)
          }
        }
        const [waitUs = -1, place = 1] = values
        return {
          _tag: "Refused",
          scope: places[place - 1]!.scope,
          waitMs: waitUs < 0 ? undefined : waitUs / 1000
        }
      })
    },
    count: (ask) => link.tell(Scripts.admit, keysOf(ask.member, ask.rates), askOf(ask, 1)),
    giveBack: ({ member, places, rates, scopes }) => {
      const args: Array<string | number> = [nowMs(), member, freed, places.length, scopes.length, rates.length]
      args.push(...places.map(leaseOf), ...scopes.map(leaseOf))
      for (const { actual, late, limit, reserved, takenAtMs, windowMs } of rates) {
        args.push(windowMs, limit, takenAtMs, whole(reserved), whole(actual), whole(late))
      }
      link.tell(Scripts.giveBack, keysOf(member, rates), args)
    },
    restore: (rates) => {
      const told = rates.filter(({ passed }) => passed.length > 0)
      if (told.length === 0) return Effect.void
      const args: Array<string | number> = [nowMs()]
      for (const { key, passed } of told) {
        args.push(key.windowMs, key.limit, passed.length)
        for (const { agoMs, amount } of passed) args.push(Math.max(0, Math.floor(agoMs)), Math.round(amount))
      }
      return link.run(
        Scripts.restore,
        told.map(({ key }) => windowOf(key)),
        args
      )
    },
    look: (rates) =>
      rates.length === 0
        ? Effect.succeed([])
        : Effect.map(
            link.run(Scripts.look, rates.map(windowOf), [nowMs(), ...rates.map(({ windowMs }) => windowMs)]),
            (rows) => rows.map((row, index) => useOf(row, rates[index]!))
          ),
    pause: (provider, forMs) => link.publish(paused, JSON.stringify([provider, Math.ceil(forMs)])),
    lowered: ({ kind, limit, scope, windowMs }) =>
      link.publish(lowered, JSON.stringify([scope, kind, windowMs, limit])),
    listen: (on) =>
      Effect.all([
        link.listen(freed, {
          message: (name) => on.freed(name.slice(leaseOf("").length)),
          gap: () => on.freed(undefined)
        }),
        link.listen(paused, { message: (text) => tellPause(text, on), gap: () => {} }),
        link.listen(lowered, { message: (text) => tellLowered(text, on), gap: () => {} })
      ]).pipe(Effect.asVoid)
  }
}

/** A message that can't be read is of another version. */
const tellPause = (text: string, on: LimiterListener): void => {
  const [provider, forMs] = parseList(text)
  if (typeof provider === "string" && typeof forMs === "number" && forMs > 0) on.paused(provider, forMs)
}

const tellLowered = (text: string, on: LimiterListener): void => {
  const [scope, kind, windowMs, limit] = parseList(text)
  if (typeof scope !== "string" || (kind !== "requests" && kind !== "tokens")) return
  if (typeof windowMs !== "number" || typeof limit !== "number" || !(limit >= 1)) return
  on.lowered({ scope, kind, windowMs, limit })
}

const parseList = (text: string): ReadonlyArray<unknown> => {
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) ? value : []
  } catch {
    return []
  }
}

const redisTime = (): number => -1

/** A row of `look`: what is used, level, age of the level, then age and amount of each part. */
const useOf = (row: ReadonlyArray<number>, { limit, windowMs }: RateKey) => {
  const [used = 0, levelThousandths = 0, levelAgoMs = 0, ...rest] = row
  const drained = levelThousandths / 1000 - (levelAgoMs * pacedShare * limit) / windowMs
  const parts: Array<{ readonly agoMs: number; readonly amount: number }> = []
  for (let i = 0; i + 1 < rest.length; i += 2) parts.push({ agoMs: rest[i]!, amount: rest[i + 1]! })
  return { used, level: Math.max(0, drained), parts }
}

/** Share of the rate at which `SlidingWindow` paces. */
const pacedShare = 0.98

export const makeMembers = (link: SharedLink, options: LimiterRedisOptions = {}): MemberStore => {
  const { leaseMs = defaultLeaseMs, nowMs = redisTime } = options
  const keysOf = (member: string) => [members, sum, partOf(member)]
  const bury = (member: string, alive: 0 | 1) => link.tell(MemberScripts.bury, keysOf(member), [nowMs(), member, alive])
  return {
    up: link.up,
    onChange: link.onChange,
    dropped: () => link.health().dropped,
    join: (member, before, counts) =>
      link.run(
        MemberScripts.join,
        [...keysOf(member), generation, ...before.map(partOf)],
        [nowMs(), member, leaseMs, member, before.length, ...before, ...counts.flat()]
      ),
    beat: (member, counts) =>
      link.run(MemberScripts.beat, keysOf(member), [nowMs(), member, leaseMs, ...counts.flat()]),
    bury: (member) => bury(member, 0),
    leave: (member) => bury(member, 1)
  }
}
