/**
 * The semantic cache's gate: what it serves of labelled pairs, what a whole cache would serve, and how long it takes.
 *
 * Reads `../shared/data/pairs` and `../shared/data/prompts`; `--pairs FILE` judges another file of lines `{a, b, same}`. A
 * pair is served when both prompts can be judged and the gate finds no difference, or when they are equal but for
 * whitespace and case and neither depends on the time nor asks for an action; nothing is left out.
 */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import { gunzipSync } from "node:zlib"
import { rateOf } from "../../engine/src/SemanticShadow.ts"
import { analyse, type Features } from "../../engine/src/semantic/SemanticFeatures.ts"
import { compare } from "../../engine/src/semantic/SemanticGate.ts"
import { SemanticIndex } from "../../engine/src/semantic/SemanticIndex.ts"
import { quantile, type Goal, type Options, type Row, type Table } from "./report.ts"

interface Pair {
  readonly a: string
  readonly b: string
  readonly same: boolean
  readonly kind?: string
  readonly source?: string
}

/** What the gate does with a set of pairs; shares are 0–1, null where there is nothing to share. */
export interface Outcome {
  readonly pairs: number
  readonly same: number
  readonly different: number
  readonly hits: number
  readonly falseHits: number
  readonly falseHitRate: number | null
  /** 95 %, Wilson's score. */
  readonly falseHitRateInterval: readonly [low: number, high: number] | null
  readonly precision: number | null
  readonly recall: number | null
}

export interface Decided extends Outcome {
  /** Of one decision, the fastest of three: both prompts analysed and compared. */
  readonly decisionMsP50: number
  readonly decisionMsP95: number
  readonly decisionMsMax: number
  /** The same for pairs whose prompts have at most 30 words. */
  readonly decisionMsP95Short: number
  readonly bySource: Readonly<Record<string, Outcome>>
  readonly byKind: Readonly<Record<string, Outcome>>
  /** Why pairs with the same answer were not served. */
  readonly missedBy: Readonly<Record<string, number>>
}

interface WholeCache {
  readonly prompts: number
  readonly unjudgeable: number
  readonly hits: number
  readonly wrongIntent: number
  /** Hits of another intent, as shares of the hits and of all prompts. */
  readonly wrongOfHits: number
  readonly wrongOfPrompts: number
}

const data = path.resolve(import.meta.dirname, "../../../shared/data")

const read = (file: string): ReadonlyArray<Pair> =>
  readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => JSON.parse(line) as Pair)

interface Judged {
  readonly pair: Pair
  readonly hit: boolean
  readonly why: string
  readonly ms: number
  readonly words: number
}

/** Decisions of a pair that are timed; the fastest counts, since other processes want the cores as well. */
const rounds = 3

const verdictOf = (pair: Pair) => {
  const a = analyse(pair.a)
  const b = analyse(pair.b)
  if (a._tag === "Unjudgeable") return a
  return b._tag === "Unjudgeable" ? b : compare(b.features, a.features)
}

/** Single spaces and lower case; code keeps its case. */
const normalised = (text: string): string => {
  const plain = text.replace(/\s+/g, " ").trim()
  return plain.includes("`") ? plain : plain.toLowerCase()
}

const judge = (pair: Pair): Judged => {
  let ms = Number.POSITIVE_INFINITY
  let verdict: ReturnType<typeof verdictOf>
  let round = 0
  do {
    const before = performance.now()
    verdict = verdictOf(pair)
    ms = Math.min(ms, performance.now() - before)
  } while (++round < rounds)
  const refused = "_tag" in verdict && (verdict.reason === "time-dependent" || verdict.reason === "action")
  const hit = ("same" in verdict && verdict.same) || (!refused && normalised(pair.a) === normalised(pair.b))
  const why = hit || !("reason" in verdict) ? "served" : verdict.reason
  return { pair, hit, why, ms, words: Math.max(pair.a.split(/\s+/).length, pair.b.split(/\s+/).length) }
}

const outcome = (judged: ReadonlyArray<Judged>): Outcome => {
  const same = judged.filter(({ pair }) => pair.same).length
  const hits = judged.filter(({ hit }) => hit).length
  const falseHits = judged.filter(({ hit, pair }) => hit && !pair.same).length
  const rate = rateOf(falseHits, judged.length - same)
  return {
    pairs: judged.length,
    same,
    different: judged.length - same,
    hits,
    falseHits,
    falseHitRate: rate === null ? null : rate.value,
    falseHitRateInterval: rate === null ? null : [rate.low, rate.high],
    precision: hits === 0 ? null : (hits - falseHits) / hits,
    recall: same === 0 ? null : (hits - falseHits) / same
  }
}

const grouped = (judged: ReadonlyArray<Judged>, key: (pair: Pair) => string): Record<string, Outcome> =>
  Object.fromEntries(
    [...Map.groupBy(judged, ({ pair }) => key(pair))]
      .toSorted(([a], [b]) => a.localeCompare(b))
      .map(([name, group]) => [name, outcome(group)])
  )

const decide = (pairs: ReadonlyArray<Pair>): Decided => {
  const judged = pairs.map(judge)
  const times = judged.map(({ ms }) => ms)
  const missed = judged.filter(({ hit, pair }) => pair.same && !hit)
  return {
    ...outcome(judged),
    decisionMsP50: quantile(times, 0.5),
    decisionMsP95: quantile(times, 0.95),
    decisionMsMax: Math.max(...times),
    decisionMsP95Short: quantile(
      judged.filter(({ words }) => words <= 30).map(({ ms }) => ms),
      0.95
    ),
    bySource: grouped(judged, ({ source }) => source ?? "unknown"),
    byKind: grouped(judged, ({ kind }) => kind ?? "unknown"),
    missedBy: Object.fromEntries(
      [...Map.groupBy(missed, ({ why }) => why)]
        .map(([why, group]) => [why, group.length] as const)
        .toSorted(([, a], [, b]) => b - a)
    )
  }
}

/** Candidates that a lookup verifies, as the stage does. */
const candidatesMax = 5

/** Serves every utterance from the earlier ones that were not themselves served; a hit of another intent is wrong. */
const wholeCache = (file: string): WholeCache => {
  const rows = gunzipSync(readFileSync(file))
    .toString()
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly text: string; readonly intent: string })
  const index = new SemanticIndex<number>()
  const stored = new Map<number, Features>()
  let unjudgeable = 0
  let hits = 0
  let wrongIntent = 0
  for (const [id, row] of rows.entries()) {
    const analysis = analyse(row.text)
    if (analysis._tag === "Unjudgeable") {
      unjudgeable++
      continue
    }
    const served = serve(index, stored, analysis.features)
    if (served === undefined) {
      index.add(id, analysis.features)
      stored.set(id, analysis.features)
      continue
    }
    hits++
    if (rows[served]!.intent !== row.intent) wrongIntent++
  }
  return {
    prompts: rows.length,
    unjudgeable,
    hits,
    wrongIntent,
    wrongOfHits: wrongIntent / hits,
    wrongOfPrompts: wrongIntent / rows.length
  }
}

const serve = (
  index: SemanticIndex<number>,
  stored: ReadonlyMap<number, Features>,
  asked: Features
): number | undefined => {
  let best: number | undefined
  let similarity = 0
  for (const { id } of index.search(asked, candidatesMax)) {
    const verdict = compare(asked, stored.get(id)!)
    if (!verdict.same || verdict.similarity <= similarity) continue
    best = id
    similarity = verdict.similarity
  }
  return best
}

/** Inputs that must not take long: huge, without breaks, made for backtracking. */
const hostile: ReadonlyArray<readonly [name: string, text: string]> = [
  ["10 MB of words", "constructor __proto__ ".repeat(476_000)],
  ["a million spaces", " ".repeat(1_000_000)],
  ["1,200 quotation marks", "'".repeat(1200)],
  ["1,200 backticks", "`".repeat(1200)],
  ["i would like you, repeated", "i would like you to ".repeat(60)],
  ["please, repeated", "please could you tell me ".repeat(48)],
  ["one word of 1,200 letters", "a".repeat(1200)],
  ["1,200 digits", "1".repeat(1200)],
  ["600 letters and digits in turn", "a1".repeat(600)],
  ["hyphens and slashes", "a-b/c-".repeat(200)],
  ["160 times the same word", "fix ".repeat(160)],
  ["150 words of many synonyms", "get find show make buy help ".repeat(25)],
  ["emoji", "👩‍💻".repeat(240)],
  ["constructor and __proto__", "What is the constructor of __proto__ in toString and hasOwnProperty?"]
]

const hostileMs = (): Readonly<Record<string, number>> =>
  Object.fromEntries(
    hostile.map(([name, text]) => {
      const before = performance.now()
      const a = analyse(text)
      const b = analyse(`${text}?`)
      if (a._tag === "Judgeable" && b._tag === "Judgeable") compare(a.features, b.features)
      return [name, performance.now() - before]
    })
  )

/** Sources whose pairs are prompts written as paraphrases, not utterances that merely share an intent. */
const promptLike = new Set(["redis-langcache", "own", "checklist-qqp", "gated-semantic-cache"])

export interface Report extends Decided {
  /** Recall over the paraphrases of prompts alone; null where the file has none. */
  readonly recallPromptLike: number | null
  readonly stream?: Decided
  readonly wholeCache?: Readonly<Record<string, WholeCache>>
  readonly hostileMs: Readonly<Record<string, number>>
}

/** Judges a file of pairs, or all shared data. */
export const report = (file: string | undefined): Report => {
  const files =
    file === undefined ? ["pairs.jsonl", "adversarial.jsonl"].map((name) => path.join(data, "pairs", name)) : [file]
  const absent = files.find((name) => !existsSync(name))
  if (absent !== undefined) throw new Error(`${absent} is not here; give a file of pairs with --pairs`)
  const pairs = files.flatMap(read)
  for (const pair of pairs.slice(0, 300)) judge(pair)
  const decided = decide(pairs)
  const prompts = pairs.filter(({ same, source }) => same && promptLike.has(source ?? ""))
  const shared = {
    ...decided,
    recallPromptLike: prompts.length === 0 ? null : prompts.filter((pair) => judge(pair).hit).length / prompts.length,
    hostileMs: hostileMs()
  }
  if (file !== undefined) return shared
  return {
    ...shared,
    stream: decide(read(path.join(data, "pairs/stream.jsonl"))),
    wholeCache: {
      banking77: wholeCache(path.join(data, "prompts/banking77.jsonl.gz")),
      clinc150: wholeCache(path.join(data, "prompts/clinc150.jsonl.gz"))
    }
  }
}

const percent = (share: number | null): string => (share === null ? "–" : `${(share * 100).toFixed(1)} %`)

const outcomeRow = (name: string, of: Outcome, goals: ReadonlyArray<Goal> = []): Row => {
  const interval = of.falseHitRateInterval
  return {
    name,
    value: (of.falseHitRate ?? Number.NaN) * 100,
    low: interval === null ? undefined : interval[0] * 100,
    high: interval === null ? undefined : interval[1] * 100,
    goals: of.different === 0 ? [] : goals,
    note: `recall ${percent(of.recall)} of ${of.same}, precision ${percent(of.precision)}, ${of.falseHits} false of ${of.different}`
  }
}

const atMost = (value: number): ReadonlyArray<Goal> => [{ kind: "at-most", value }]

export const run = async ({ pairs }: Options): Promise<ReadonlyArray<Table>> => {
  const all = report(pairs)
  const { bySource, byKind, hostileMs, stream, wholeCache } = all
  const tables: Array<Table> = [
    {
      title: "False hits of different prompts, by source (interval: 95 %)",
      unit: "%",
      rows: [
        outcomeRow("all pairs", all, atMost(1)),
        ...(stream === undefined ? [] : [outcomeRow("stream (weak labels)", stream, atMost(1))]),
        ...Object.entries(bySource).map(([source, of]) => outcomeRow(source, of))
      ],
      note: `Missed by: ${Object.entries(all.missedBy)
        .map(([why, count]) => `${why} ${count}`)
        .join(", ")}`
    },
    {
      title: "False hits by kind",
      unit: "%",
      rows: Object.entries(byKind).map(([kind, of]) => outcomeRow(kind, of))
    }
  ]
  if (all.recallPromptLike !== null) {
    const goals: ReadonlyArray<Goal> = [{ kind: "at-least", value: 65 }]
    tables.push({
      title: "Recall on paraphrases of prompts",
      unit: "%",
      rows: [{ name: [...promptLike].join(", "), value: all.recallPromptLike * 100, goals }]
    })
  }
  if (wholeCache !== undefined) {
    tables.push({
      title: "A whole cache: hits of another intent, as a share of the hits",
      unit: "%",
      rows: Object.entries(wholeCache).map(([name, of]) => ({
        name,
        value: of.wrongOfHits * 100,
        goals: atMost(name === "banking77" ? 2 : 1),
        note: `${of.hits} hits of ${of.prompts} (${percent(of.hits / of.prompts)}), ${of.wrongIntent} of another intent (${percent(of.wrongOfPrompts)} of all), ${of.unjudgeable} not judged`
      }))
    })
  }
  tables.push(
    {
      title: "One decision: two prompts analysed and compared (fastest of three)",
      unit: "ms",
      rows: [
        { name: "median", value: all.decisionMsP50 },
        { name: "p95, up to 30 words", value: all.decisionMsP95Short, goals: atMost(1) },
        { name: "p95", value: all.decisionMsP95 },
        { name: "longest", value: all.decisionMsMax }
      ]
    },
    {
      title: "Inputs made to take long",
      unit: "ms",
      rows: Object.entries(hostileMs).map(([name, value]) => ({ name, value, goals: atMost(50) }))
    }
  )
  return tables
}
