/**
 * Keeps Redis in reach: two connections, one for scripts and one for messages, that are up and down together.
 *
 * It connects in the background, and tests once a second that Redis answers, so that mostly no request finds out. What takes
 * it down (a connection that ends, a late answer, an answer by which Redis can't do its work) takes it down for everybody;
 * then it is tried again, later each time, with a script that writes. It waits in real time, since a real server is waited
 * for, and never on behalf of whoever sends.
 */
import { randomBytes } from "node:crypto"
import { type SharedListener, type SharedScript, sharedScript } from "../SharedLink.ts"
import { RedisConnection } from "./RedisConnection.ts"

export interface RedisUplinkOptions {
  readonly url: string
  /** Milliseconds within which a script has to be answered, 100 by default. */
  readonly timeoutMs?: number | undefined
  /** Milliseconds within which a connection has to be made, 2000 by default. */
  readonly connectTimeoutMs?: number | undefined
  /** Milliseconds after a failure until it is tried again, 250 by default; more when it fails again and again. */
  readonly retryMs?: number | undefined
  /** Milliseconds from one test of an idle link to the next, 1000 by default. */
  readonly testMs?: number | undefined
  /** Milliseconds that the start waits for the first connection, 1000 by default. */
  readonly startWaitMs?: number | undefined
}

/** Commands and bytes that may be on their way; what comes on top is dropped, or fails. */
const outstandingMax = 10_000
const bytesMax = 32_000_000

/** Milliseconds that closing waits for what is on its way. */
const closeWaitMs = 500

/** A link that was up for less is not trusted at once when it comes back. */
const steadyMs = 10_000
const retryMsMax = 2000
const distrustMsMax = 16_000

/** Answers by which Redis as a whole can't do its work now; others are about one script. */
const unable =
  /^(?:BUSY|CLUSTERDOWN|LOADING|MASTERDOWN|MISCONF|MOVED|NOAUTH|NOPERM|NOREPLICAS|OOM|READONLY|TRYAGAIN|UNKILLABLE|WRONGPASS)\b/

const deaf = "channels can't be subscribed to"

/** Writes, so that a server that takes no writes is not held for well. */
const test = sharedScript({
  name: "test",
  lua: `redis.call("SET", KEYS[1], "1", "PX", 10000) return 1`,
  read: () => undefined
})

interface Pair {
  readonly scripts: RedisConnection
  readonly messages: RedisConnection
  /** Hashes of the scripts that it was sent. */
  readonly known: Set<string>
  /** Channels that it hears. */
  readonly channels: Set<string>
}

export class RedisUplink {
  readonly instance = randomBytes(9).toString("base64url")
  readonly told = new Set<(up: boolean) => void>()
  dropped = 0
  roundTrips = 0
  sinceMs = Date.now()
  roundTripMs: number | null = null
  reason: string | null = "not connected yet"
  pair: Pair | undefined
  private readonly options: RedisUplinkOptions
  private readonly onTurn: (up: boolean, reason: string) => void
  private readonly timeoutMs: number
  private readonly retryMs: number
  private readonly listeners = new Map<string, Set<SharedListener>>()
  private closed = false
  /** Whether it was told that Redis is not used. */
  private toldAway = false
  private timer: NodeJS.Timeout | undefined
  private waitMs: number
  private distrustMs: number

  static async start(options: RedisUplinkOptions, onTurn: (up: boolean, reason: string) => void): Promise<RedisUplink> {
    const uplink = new RedisUplink(options, onTurn)
    let timer: NodeJS.Timeout | undefined
    const waited = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, options.startWaitMs ?? 1000)
    })
    await Promise.race([uplink.connect(), waited])
    clearTimeout(timer)
    return uplink
  }

  private constructor(options: RedisUplinkOptions, onTurn: (up: boolean, reason: string) => void) {
    this.options = options
    this.onTurn = onTurn
    this.timeoutMs = options.timeoutMs ?? 100
    this.retryMs = options.retryMs ?? 250
    this.waitMs = this.retryMs
    this.distrustMs = this.retryMs
  }

  /** Why nothing can be asked now; undefined when something can. */
  refusal(): string | undefined {
    if (this.pair === undefined) return this.reason ?? "not connected yet"
    const { bytes, outstanding } = this.pair.scripts
    return outstanding >= outstandingMax || bytes >= bytesMax ? "too much is on its way" : undefined
  }

  /** Sends a script to a pair that was there a moment ago. */
  send(
    pair: Pair,
    script: SharedScript<unknown>,
    keys: ReadonlyArray<string>,
    args: ReadonlyArray<string | number>,
    answered: (reply: unknown) => void,
    failed: (reason: string, lost: boolean) => void
  ): void {
    const sentAtMs = performance.now()
    const call = (whole: boolean) => {
      const command = [whole ? "EVAL" : "EVALSHA", whole ? script.lua : script.sha, String(keys.length), ...keys]
      for (const argument of args) command.push(String(argument))
      pair.scripts.send(command, {
        answered: (reply) => {
          this.timed(performance.now() - sentAtMs)
          answered(reply)
        },
        failed: (reason, lost) => {
          if (!lost && !whole && reason.startsWith("NOSCRIPT")) return call(true)
          if (!lost && unable.test(reason)) this.down(pair, reason)
          failed(reason, lost)
        }
      })
    }
    const first = !pair.known.has(script.sha)
    if (first) pair.known.add(script.sha)
    call(first)
  }

  publish(channel: string, text: string): void {
    const pair = this.pair
    if (pair === undefined || this.refusal() !== undefined) {
      this.dropped += 1
      return
    }
    pair.scripts.send(["PUBLISH", channel, text], {
      answered: () => {},
      failed: (reason, lost) => {
        this.dropped += 1
        if (!lost && unable.test(reason)) this.down(pair, reason)
      }
    })
  }

  listen(channel: string, on: SharedListener): () => void {
    let all = this.listeners.get(channel)
    if (all === undefined) this.listeners.set(channel, (all = new Set()))
    all.add(on)
    const pair = this.pair
    if (pair?.channels.has(channel) === true) on.gap()
    else if (pair !== undefined && all.size === 1) this.hear(pair, channel)
    return () => {
      all.delete(on)
      if (all.size > 0 || this.listeners.get(channel) !== all) return
      this.listeners.delete(channel)
      this.pair?.channels.delete(channel)
      this.pair?.messages.unsubscribe(channel)
    }
  }

  async close(): Promise<void> {
    this.closed = true
    clearTimeout(this.timer)
    const pair = this.pair
    if (pair !== undefined) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, closeWaitMs)
        const done = () => {
          clearTimeout(timer)
          resolve()
        }
        // Answers come in order: this one comes after all that were sent before.
        pair.scripts.send(["PING"], { answered: done, failed: done })
      })
    }
    this.end(pair)
  }

  private open(onLost: (reason: string) => void): Promise<RedisConnection> {
    const { connectTimeoutMs = 2000, url } = this.options
    return RedisConnection.open({ url, connectTimeoutMs, timeoutMs: this.timeoutMs, onLost })
  }

  private async connect(): Promise<void> {
    let pair: Pair | undefined = undefined
    const lost = (reason: string) => {
      if (pair !== undefined) this.down(pair, reason)
    }
    const opened = await Promise.allSettled([this.open(lost), this.open(lost)])
    const [scripts, messages] = opened
    if (scripts.status === "rejected" || messages.status === "rejected" || this.closed) {
      for (const each of opened) if (each.status === "fulfilled") each.value.end()
      const failed = opened.find((each) => each.status === "rejected")
      return this.again(failed === undefined ? "the connection was closed" : (failed.reason as Error).message)
    }
    pair = { scripts: scripts.value, messages: messages.value, known: new Set(), channels: new Set() }
    const failure = await this.tested(pair)
    if (failure !== undefined || this.closed) {
      this.end(pair)
      return this.again(failure ?? "the connection was closed")
    }
    this.up(pair)
  }

  /** Subscribes, writes and waits for both; the words of what went wrong. */
  private async tested(pair: Pair): Promise<string | undefined> {
    const channels = [...this.listeners.keys()]
    const subscribed = Promise.all(channels.map((channel) => this.subscribe(pair, channel)))
    const [messages, scripts] = await Promise.all([this.answers(pair, true), this.answers(pair, false)])
    if (messages !== undefined || scripts !== undefined) return messages ?? scripts
    return (await subscribed).every((heard) => heard) ? undefined : deaf
  }

  private answers(pair: Pair, messages: boolean): Promise<string | undefined> {
    return new Promise((resolve) => {
      const answered = () => resolve(undefined)
      const failed = (reason: string) => resolve(reason)
      if (messages) pair.messages.send(["PING"], { answered, failed })
      else this.send(pair, test, [`millrace:{test}:${this.instance}`], [], answered, failed)
    })
  }

  private subscribe(pair: Pair, channel: string): Promise<boolean> {
    const heard = (text: string) => {
      for (const { message } of this.listeners.get(channel) ?? []) message(text)
    }
    return pair.messages.subscribe(channel, heard).then(
      () => {
        // Whoever listened may have stopped meanwhile.
        if (this.listeners.has(channel)) pair.channels.add(channel)
        return true
      },
      () => false
    )
  }

  /** Begins to listen on a pair that is up. */
  private hear(pair: Pair, channel: string): void {
    void this.subscribe(pair, channel).then((heard) => {
      if (this.pair !== pair) return
      if (heard) this.began(channel)
      else this.down(pair, deaf)
    })
  }

  private began(channel: string): void {
    for (const { gap } of this.listeners.get(channel) ?? []) gap()
  }

  private up(pair: Pair): void {
    this.pair = pair
    this.reason = null
    this.sinceMs = Date.now()
    for (const channel of this.listeners.keys()) {
      if (pair.channels.has(channel)) this.began(channel)
      else this.hear(pair, channel)
    }
    this.toldAway = false
    this.onTurn(true, "")
    for (const told of this.told) told(true)
    this.testLater(pair)
  }

  private down(pair: Pair, reason: string): void {
    if (this.pair !== pair) return
    const upMs = Date.now() - this.sinceMs
    this.distrustMs = upMs < steadyMs ? Math.min(this.distrustMs * 2, distrustMsMax) : this.retryMs
    this.waitMs = this.distrustMs
    this.pair = undefined
    this.reason = reason
    this.sinceMs = Date.now()
    this.end(pair)
    this.toldAway = true
    this.onTurn(false, reason)
    for (const told of this.told) told(false)
    this.schedule()
  }

  private end(pair: Pair | undefined): void {
    if (this.pair === pair) this.pair = undefined
    pair?.scripts.end()
    pair?.messages.end()
  }

  private again(reason: string): void {
    this.reason = reason
    if (!this.toldAway) this.onTurn(false, reason)
    this.toldAway = true
    this.waitMs = Math.max(this.distrustMs, Math.min(this.waitMs * 2, retryMsMax))
    this.schedule()
  }

  private schedule(): void {
    if (this.closed) return
    // Instances that lost it together don't come back together.
    this.timer = setTimeout(() => void this.connect(), this.waitMs * (0.8 + 0.4 * Math.random())).unref()
  }

  private testLater(pair: Pair): void {
    const testMs = this.options.testMs ?? 1000
    this.timer = setTimeout(() => {
      if (this.pair !== pair) return
      void this.answers(pair, true)
      if (performance.now() - pair.scripts.answeredAtMs >= testMs / 2) void this.answers(pair, false)
      this.testLater(pair)
    }, testMs).unref()
  }

  private timed(ms: number): void {
    this.roundTrips += 1
    this.roundTripMs = this.roundTripMs === null ? ms : this.roundTripMs + (ms - this.roundTripMs) / 10
  }
}
