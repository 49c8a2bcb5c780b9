/**
 * One connection to Redis, from its opening to its end: it never reconnects, so whoever has it knows what it stands for.
 *
 * Commands are pipelined, and answered in the order in which they were sent. The first answer that is late ends the
 * connection, and so does whatever else goes wrong with it; then everything on its way fails at once. A late answer is one
 * that has not been read although the event loop came by: our own process being busy is not held against Redis.
 */
import type { createClient } from "@redis/client"
import { redisReason } from "./RedisLocation.ts"

export interface RedisConnectionOptions {
  readonly url: string
  /** Milliseconds within which it has to be connected and logged in. */
  readonly connectTimeoutMs: number
  /** Milliseconds within which a command has to be answered. */
  readonly timeoutMs: number
  /** Told once, when it ends without having been asked to. */
  readonly onLost: (reason: string) => void
}

/** What waits for an answer. */
export interface Waiting {
  readonly answered: (reply: unknown) => void
  /** Told what Redis refused, or why the connection ended. */
  readonly failed: (reason: string, lost: boolean) => void
}

type Client = ReturnType<typeof createClient>

interface Sent extends Waiting {
  /** When it has to be answered, in milliseconds of `performance.now()`. */
  readonly dueAtMs: number
  readonly bytes: number
}

export class RedisConnection {
  /** Bytes of the commands that wait for their answers, about. */
  bytes = 0
  /** When the last answer came, in milliseconds of `performance.now()`. */
  answeredAtMs = performance.now()
  private readonly client: Client
  private readonly options: RedisConnectionOptions
  private readonly sent = new Set<Sent>()
  private timer: NodeJS.Timeout | undefined
  private ended = false

  /** Opens one; rejects with the words of what went wrong. */
  static async open(options: RedisConnectionOptions): Promise<RedisConnection> {
    const { createClient } = await import("@redis/client")
    const client: Client = createClient({
      url: options.url,
      disableOfflineQueue: true,
      maintNotifications: "disabled",
      socket: { connectTimeout: options.connectTimeoutMs, reconnectStrategy: false }
    })
    const connection = new RedisConnection(client, options)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(
        () => reject(new Error(`not connected within ${options.connectTimeoutMs} ms`)),
        options.connectTimeoutMs
      )
    })
    try {
      await Promise.race([client.connect(), late])
      if (connection.ended) throw new Error("the connection was closed")
      return connection
    } catch (error) {
      connection.end()
      throw new Error(redisReason(error, options.url), { cause: error })
    } finally {
      clearTimeout(timer)
    }
  }

  private constructor(client: Client, options: RedisConnectionOptions) {
    this.client = client
    this.options = options
    let ready = false
    client.on("ready", () => {
      ready = true
    })
    // While it is being opened, `open` tells what went wrong.
    client.on("error", (error) => {
      if (ready) this.lose(redisReason(error, options.url))
    })
  }

  /** Commands that wait for their answers. */
  get outstanding(): number {
    return this.sent.size
  }

  send(command: ReadonlyArray<string>, waiting: Waiting): void {
    if (this.ended) return waiting.failed("the connection was closed", true)
    let bytes = 0
    for (const argument of command) bytes += argument.length
    const dueAtMs = performance.now() + this.options.timeoutMs
    const sent: Sent = { dueAtMs, bytes, answered: waiting.answered, failed: waiting.failed }
    this.sent.add(sent)
    this.bytes += bytes
    this.watch(this.options.timeoutMs)
    this.client.sendCommand(command).then(
      (reply) => {
        if (this.took(sent)) sent.answered(reply)
      },
      (error: unknown) => {
        if (this.took(sent)) sent.failed(redisReason(error, this.options.url), false)
      }
    )
  }

  /** Listens to a channel; what it hears before the answer to this is told too. */
  subscribe(channel: string, told: (text: string) => void): Promise<void> {
    return this.client.subscribe(channel, told)
  }

  unsubscribe(channel: string): void {
    if (!this.ended) this.client.unsubscribe(channel).catch(() => {})
  }

  /** Ends it; what is on its way fails. */
  end(): void {
    this.finish("the connection was closed", () => {})
  }

  private lose(reason: string): void {
    this.finish(reason, this.options.onLost)
  }

  private finish(reason: string, told: (reason: string) => void): void {
    if (this.ended) return
    this.ended = true
    clearTimeout(this.timer)
    this.client.destroy()
    const lost = [...this.sent]
    this.sent.clear()
    this.bytes = 0
    told(reason)
    for (const { failed } of lost) failed(reason, true)
  }

  private took(sent: Sent): boolean {
    if (!this.sent.delete(sent)) return false
    this.bytes -= sent.bytes
    this.answeredAtMs = performance.now()
    return true
  }

  /** Looks after the oldest command when its time is over: one timer, however many are on their way. */
  private watch(inMs: number): void {
    if (this.timer !== undefined) return
    const dueAtMs = performance.now() + inMs
    this.timer = setTimeout(() => {
      const lagMs = Math.min(performance.now() - dueAtMs, this.options.timeoutMs)
      if (lagMs < lagMsMax) this.judgeSoon()
      else this.timer = setTimeout(() => this.judgeSoon(), lagMs).unref()
    }, inMs).unref()
  }

  /** What has arrived is read before the judgement. */
  private judgeSoon(): void {
    setImmediate(() => {
      this.timer = undefined
      const [oldest] = this.sent
      if (this.ended || oldest === undefined) return
      const leftMs = oldest.dueAtMs - performance.now()
      if (leftMs <= 0) this.lose(`no answer within ${this.options.timeoutMs} ms`)
      else this.watch(leftMs)
    })
  }
}

/** Milliseconds by which a timer may be late before our own process counts as busy, and Redis is given as much more time. */
const lagMsMax = 10
