/**
 * What a stream costs: per chunk, and once per stream. Both come from streams of 1 and of 1,000 chunks in the same
 * rounds: the difference is the chunks' share.
 */
import { Effect, Stream } from "effect"
import { rounds, rowOf, type Entry, type Rounds } from "./measure.ts"
import { streamer } from "./peers/ai-sdk.ts"
import { instantModel } from "./peers/effect-ai.ts"
import { aiEngine, engineService } from "./millrace.ts"
import type { Goal, Options, Table } from "./report.ts"
import { ask, chunkText, uniquePrompt } from "./workload.ts"

const long = 1000

interface Peer {
  readonly name: string
  /** Reads a stream of so many chunks to its end. */
  readonly read: (chunks: number) => Promise<(prompt: string) => Promise<unknown>>
  readonly perChunk?: ReadonlyArray<Goal>
  readonly fixed?: ReadonlyArray<Goal>
}

const peers: ReadonlyArray<Peer> = [
  {
    name: "async generator",
    read: async (chunks) => async () => {
      let seen = 0
      for await (const text of generator(chunks)) seen += text.length
      return seen
    }
  },
  {
    name: "Effect Stream, rechunk(1)",
    read: async (chunks) => {
      const texts = Array.from({ length: chunks }, () => chunkText)
      const stream = Stream.fromIterable(texts).pipe(Stream.rechunk(1))
      return () => Effect.runPromise(Stream.runDrain(stream))
    }
  },
  {
    name: "effect/ai streamText",
    read: async (chunks) => {
      const model = await instantModel(chunks)
      return (prompt) => Effect.runPromise(Stream.runDrain(model.streamText({ prompt })))
    }
  },
  {
    name: "AI SDK streamText",
    read: async (chunks) => streamer(chunks)
  },
  {
    name: "Millrace, in fiber",
    read: async (chunks) => {
      const engine = await engineService(chunks)
      return (prompt) => Effect.runPromise(Stream.runDrain(engine.streamText(ask(prompt))))
    },
    perChunk: [{ kind: "at-most", value: 0.8 }],
    fixed: [{ kind: "at-most", value: 30 }]
  },
  {
    name: "Millrace, AIEngine",
    read: async (chunks) => {
      const engine = await aiEngine(chunks)
      return async (prompt) => {
        let seen = 0
        for await (const text of engine.streamText(ask(prompt))) seen += text.length
        return seen
      }
    }
  }
]

export const run = async (options: Options): Promise<ReadonlyArray<Table>> => {
  const entries: Array<Entry> = []
  for (const peer of peers) {
    for (const chunks of [1, long]) {
      const read = await peer.read(chunks)
      entries.push({
        name: `${peer.name} × ${chunks}`,
        run: async (count) => {
          for (let i = 0; i < count; i++) await read(uniquePrompt())
        }
      })
    }
  }
  const measured = await rounds(entries, options)
  const present = peers.filter((peer) => measured.has(`${peer.name} × 1`) && measured.has(`${peer.name} × ${long}`))
  const derive = (figure: (one: number, many: number) => number): Rounds =>
    new Map(
      present.map(({ name }) => {
        const many = measured.get(`${name} × ${long}`)!
        return [name, measured.get(`${name} × 1`)!.map((one, round) => figure(one, many[round]!))]
      })
    )
  const perChunk = derive((one, many) => (many - one) / (long - 1))
  const fixed = derive((one) => one)
  return [
    {
      title: `Stream, per chunk (streams of ${long} chunks)`,
      unit: "µs",
      rows: present.map((peer) => rowOf({ name: peer.name, goals: peer.perChunk }, perChunk))
    },
    {
      title: "Stream, fixed cost (streams of one chunk)",
      unit: "µs",
      rows: present.map((peer) => rowOf({ name: peer.name, goals: peer.fixed }, fixed))
    }
  ]
}

async function* generator(chunks: number): AsyncGenerator<string> {
  for (let i = 0; i < chunks; i++) yield chunkText
}
