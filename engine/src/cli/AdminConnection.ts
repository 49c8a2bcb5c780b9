/**
 * How a command reaches a running gateway: the flags for its address and its admin token, the client of its admin API,
 * and its failures in words.
 *
 * Commands that work on a gateway share these flags, so that they are called the same everywhere. The token is read from
 * the environment where no flag names it, and printed nowhere.
 */
import { Console, Effect, Option, Predicate, Redacted, Schema } from "effect"
import { Flag } from "effect/cli"
import { FetchHttpClient, HttpClient, HttpClientError, HttpClientRequest } from "effect/http"
import { HttpApiClient } from "effect/http-api"
import { AdminApi } from "../admin-api.ts"

/** A command could not do what it was asked for: exit code 1. */
export class CommandFailed extends Schema.TaggedError<CommandFailed>()("CommandFailed", { detail: Schema.String }) {
  override get message() {
    return this.detail
  }
}

/** Where `millrace serve` listens unless it is told otherwise. */
export const defaultUrl = "http://127.0.0.1:4000"

export const connection = {
  url: Flag.String("url").pipe(
    Flag.withDescription(`Address of the gateway (${defaultUrl} by default)`),
    Flag.withDefault(defaultUrl)
  ),
  token: Flag.String("token").pipe(
    Flag.withDescription("Its admin token (MILLRACE_ADMIN_TOKEN in the environment by default)"),
    Flag.optional
  ),
  json: Flag.Boolean("json").pipe(Flag.withDescription("Print JSON"), Flag.withDefault(false))
}

export interface Connection {
  readonly url: string
  readonly token: Option.Option<string>
}

/** The admin API of the gateway; fails where no token is given. */
export const clientOf = ({ token, url }: Connection) =>
  Effect.gen(function* () {
    const given = Option.getOrUndefined(token) ?? process.env["MILLRACE_ADMIN_TOKEN"]
    if (given === undefined) {
      return yield* new CommandFailed({ detail: "give the admin token by --token or MILLRACE_ADMIN_TOKEN" })
    }
    return yield* HttpApiClient.make(AdminApi, {
      baseUrl: url,
      transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(Redacted.make(given)))
    })
  }).pipe(Effect.provide(FetchHttpClient.layer))

/** What went wrong, in the words of the gateway where it has answered. */
export const told = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, CommandFailed, R> =>
  Effect.mapError(
    effect,
    (error) =>
      new CommandFailed({ detail: unreachable(error) ?? (Predicate.isError(error) ? error.message : String(error)) })
  )

const unreachable = (error: unknown): string | undefined => {
  if (!HttpClientError.isHttpClientError(error)) return undefined
  const { _tag, request } = error.reason
  if (_tag === "TransportError") return `no gateway answers at ${request.url}: is it running, and is --url right?`
  return _tag === "InvalidUrlError" ? `--url: expected a URL such as ${defaultUrl}` : undefined
}

/** The result as one line of JSON, or as lines for people. */
export const print = (json: boolean, value: unknown, lines: ReadonlyArray<string>): Effect.Effect<void> =>
  Console.log(json ? JSON.stringify(value) : lines.join("\n"))

/** With commas between thousands. */
export const number = (value: number): string => value.toLocaleString("en-US")
