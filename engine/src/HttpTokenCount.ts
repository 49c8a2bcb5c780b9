/**
 * Asks a provider how many tokens a prompt has, where it offers that.
 *
 * One exchange with the provider's `timeout`, beside the pipeline: a count spends no tokens, so it draws on no limit and is
 * neither cached nor retried.
 */
import { Cause, Effect, Result } from "effect"
import { type EngineError, ProviderTimeout, ProviderUnreachable } from "./Errors.ts"
import { counterOf } from "./protocols/TokenCounting.ts"
import type { Endpoint, Protocol } from "./protocols/Protocol.ts"
import type { Request } from "./Request.ts"
import type { Response, Transport } from "./Transport.ts"

export interface TokenCountOptions {
  /** One that counts. */
  readonly protocol: Protocol
  readonly transport: Transport["Service"]
  readonly timeoutMs: number
}

/** The provider's figure; undefined where it can't count this prompt, or does not count after all. */
export const countTokens = (
  options: TokenCountOptions,
  request: Request,
  endpoint: Endpoint
): Effect.Effect<number | undefined, EngineError> => {
  const { protocol, timeoutMs, transport } = options
  const counter = counterOf(protocol.dialect)!
  const target = { provider: endpoint.provider, model: endpoint.model }
  const encoded = counter.encode(request, endpoint)
  if (Result.isFailure(encoded)) {
    return encoded.failure._tag === "UnsupportedAbility" ? Effect.succeed(undefined) : Effect.fail(encoded.failure)
  }
  const exchange = Effect.gen(function* () {
    const response = yield* Effect.mapError(
      transport.send(encoded.success),
      ({ detail }) => new ProviderUnreachable({ ...target, detail })
    )
    const body = yield* textOf(response)
    const { headers, status } = response
    if (status === 404 || status === 405) return undefined
    if (status < 200 || status > 299) return yield* Effect.fail(protocol.decodeError(status, headers, body, endpoint))
    return counter.decode(body)
  })
  return Effect.timeoutOrElse(Effect.scoped(exchange), {
    duration: timeoutMs,
    orElse: () => Effect.fail(new ProviderTimeout({ ...target, timeoutMs }))
  })
}

/** Bytes of an answer that are read at most. */
const bytesMax = 1 << 20

const textOf = (response: Response): Effect.Effect<string> => {
  const chunks: Array<Uint8Array> = []
  let bytes = 0
  const text = () => Buffer.concat(chunks).toString("utf8")
  const step: Effect.Effect<string> = Effect.matchEffect(response.pull, {
    onSuccess: (pulled) => {
      for (const chunk of pulled) {
        chunks.push(chunk)
        bytes += chunk.byteLength
      }
      return bytes > bytesMax ? Effect.sync(text) : step
    },
    onFailure: (failure) => {
      if (Cause.isDone(failure)) response.finished()
      return Effect.sync(text)
    }
  })
  return step
}
