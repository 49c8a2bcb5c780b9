/**
 * Single flight: identical calls at the same time make one upstream call (law 6).
 *
 * At admission a call that the exact cache has looked up and not found joins the flight of its key, or starts one; the
 * stages below see the flight's own call. It applies exactly where the cache does, and not to `only`. At settlement one
 * caller of a flight, its payer, tells the attempts and costs; the others were `coalesced` and cost nothing. It stores
 * nothing: once an answer is complete, the cache has it.
 */
import { Context, Effect, Layer, Scope } from "effect"
import type { Call } from "./Call.ts"
import type { EndingOptions } from "./Ending.ts"
import { Flight, type FlightHost, type OpenFlight } from "./Flight.ts"
import { FlightMember, type MemberHost } from "./FlightMember.ts"
import type { Open, Stage } from "./Stage.ts"

export interface SingleFlightOptions extends EndingOptions {
  readonly enabled: boolean
  /** Bytes of an answer that are kept while it comes; 8 MiB unless given. */
  readonly bufferBytesMax?: number | undefined
  /** How a flight goes upstream where other instances may have the same one; straight on without it. */
  readonly shared?: ((next: Open) => OpenFlight) | undefined
}

export interface SingleFlightStats {
  /** Upstream calls under way that can be joined. */
  readonly flights: number
  /** Settled calls that were served from another's upstream call. */
  readonly coalesced: number
}

export class SingleFlight extends Context.Service<
  SingleFlight,
  {
    readonly stage: Stage
    readonly stats: () => SingleFlightStats
  }
>()("millrace/SingleFlight") {
  /** Flights of this process, and by `shared` of others. */
  static readonly layer = (options: SingleFlightOptions) => Layer.sync(SingleFlight, () => make(options))
}

const defaultBufferBytesMax = 8 << 20

const make = (options: SingleFlightOptions): SingleFlight["Service"] => {
  const { bufferBytesMax = defaultBufferBytesMax, enabled, shared } = options
  const flights = new Map<string, Flight>()
  let coalesced = 0

  const stage: Stage = (next) => {
    const enter: MemberHost["again"] = (member) =>
      Effect.withFiber((fiber) => {
        const found = flights.get(member.call.journal.cacheKey!)
        if (found?.admits(member.call) === true) found.join(member)
        else {
          const flight = new Flight(host, member, fiber.context)
          flights.set(flight.key, flight)
          flight.start()
        }
        return member.open()
      })
    const host: FlightHost & MemberHost = {
      open: shared === undefined ? next : shared(next),
      ending: options,
      bufferBytesMax,
      closeDoor: (flight) => {
        if (flights.get(flight.key) === flight) flights.delete(flight.key)
      },
      again: enter,
      onCoalesced: () => {
        coalesced++
      }
    }
    return (call) =>
      enabled && joins(call)
        ? Effect.flatMap(Effect.scope, (scope) => {
            const member = new FlightMember(host, call)
            return Effect.andThen(Scope.addFinalizer(scope, member.close), enter(member))
          })
        : next(call)
  }

  return SingleFlight.of({ stage, stats: () => ({ flights: flights.size, coalesced }) })
}

/** The cache leaves a key where it applies; a call for the cache alone must not lead to one upstream. */
const joins = ({ journal, request }: Call): boolean => journal.cacheKey !== undefined && request.cacheMode !== "only"
