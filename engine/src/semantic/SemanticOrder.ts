/**
 * Roles: who does what to whom, from where to where, what comes before what.
 *
 * Two prompts with the same words may still differ in them. Words that moved are allowed ("in Python, how do I…"), words
 * that changed places around a verb or a preposition are not, unless the relation between them goes both ways.
 */
import { isMainlyVerb } from "./SemanticLemma.ts"
import type { Alignment } from "./SemanticAlignment.ts"
import type { GateReason } from "./SemanticReason.ts"
import type { Content, Words } from "./SemanticWords.ts"

/** Relations that hold in both directions. */
const symmetric = new Set(
  `date marry married marriage friend friends close connect connected relate related relative acquaintance partner sibling twin
  cousin neighbor colleague coworker classmate roommate teammate engaged divorce divorced meet same equal similar identical
  adjacent compatible different alike spouse rival enemy ally far distance apart collaborate cooperate correlate intersect
  parallel perpendicular between versus both resemble associated associate affiliated acquainted buddy pal peer equivalent
  together couple match mix combine merge according_to`.split(/\s+/)
)

const source = new Set(["from"])
const target = new Set(["to", "into", "onto"])

/** What differs in the roles of matched words; undefined when nothing does. `nominal` prompts are no sentences. */
export const roleDifference = (
  asked: Words,
  stored: Words,
  { to }: Alignment,
  nominal: boolean
): GateReason | undefined => {
  const a = asked.contents
  const b = stored.contents
  const from = new Array<number>(b.length).fill(-1)
  to.forEach((j, i) => {
    if (j >= 0) from[j] = i
  })
  const matched = to.flatMap((j, i) => (j >= 0 ? [i] : []))
  for (const i of matched) {
    const before = a[i]!.preposition
    const after = b[to[i]!]!.preposition
    if ((source.has(before) && target.has(after)) || (target.has(before) && source.has(after))) return "direction"
  }
  if (targetsDiffer(a, b, to) || targetsDiffer(b, a, from)) return "direction"
  const passive = passiveDifference(asked, stored, to, from)
  if (passive !== undefined) return passive === "swapped" ? "direction" : undefined
  return inversions(asked, stored, nominal, matched, to, from)
}

/** What the one prompt goes to is something the other one doesn't go to, though it goes somewhere. */
const targetsDiffer = (a: ReadonlyArray<Content>, b: ReadonlyArray<Content>, to: ReadonlyArray<number>): boolean => {
  if (a.some(({ lemma, surface }) => symmetric.has(lemma) || symmetric.has(surface))) return false
  for (const prepositions of [target, source]) {
    const aims = a.flatMap(({ preposition }, i) => (prepositions.has(preposition) && to[i]! >= 0 ? [to[i]!] : []))
    const others = b.flatMap(({ preposition }, j) => (prepositions.has(preposition) ? [j] : []))
    if (aims.length > 0 && others.length > 0 && !aims.some((j) => others.includes(j) || others.includes(j - 1)))
      return true
  }
  return false
}

/** One prompt names who acts with "by"; in the other one they must stand before the verb. */
const passiveDifference = (
  asked: Words,
  stored: Words,
  to: ReadonlyArray<number>,
  from: ReadonlyArray<number>
): "same" | "swapped" | undefined => {
  if (asked.agent >= 0 === stored.agent >= 0) return undefined
  const [passive, map, active] = asked.agent >= 0 ? [asked, to, stored] : [stored, from, asked]
  const actor = map[passive.agent] ?? -1
  const verb = passive.agent > 0 ? (map[passive.agent - 1] ?? -1) : -1
  if (actor < 0 || verb < 0 || active.contents[actor]?.preposition === "by") return undefined
  return actor < verb ? "same" : "swapped"
}

/** "site:example.org" says the same wherever it stands. */
const isOperator = ({ exact, lemma }: Content): boolean => exact && /^[a-z]+:\S/.test(lemma)

/** Names and the like, which stand for themselves. */
const isEntity = ({ capitals, name, reason }: Content): boolean =>
  name || capitals || reason === "language" || reason === "format" || reason === "dates"

/** A word that is hardly a verb can't tell who does what to whom. */
const isThing = ({ base, lemma, reason }: Content): boolean =>
  reason === undefined && !isMainlyVerb(lemma) && !isMainlyVerb(base)

const inversions = (
  asked: Words,
  stored: Words,
  nominal: boolean,
  matched: ReadonlyArray<number>,
  to: ReadonlyArray<number>,
  from: ReadonlyArray<number>
): GateReason | undefined => {
  const a = asked.contents
  const b = stored.contents
  let moved = 0
  for (let x = 0; x + 1 < matched.length; x++) {
    if (to[matched[x + 1]!]! < to[matched[x]!]!) moved++
  }
  if (moved === 0) return undefined
  if (matched.length > 8 && moved > 1) return "order"
  const relative = asked.relative && stored.relative
  for (let x = 0; x < matched.length; x++) {
    for (let y = x + 1; y < matched.length; y++) {
      const i = matched[x]!
      const k = matched[y]!
      const j = to[i]!
      const l = to[k]!
      if (l > j) continue
      // The words i … k of the asked prompt stand as l … j in the stored one.
      if (isOperator(a[i]!) || isOperator(a[k]!)) continue
      if (isAside(a, i, b, j) || isAside(a, k, b, l)) continue
      if (coordinated(a, i, k) && coordinated(b, l, j)) continue
      const both = matched.filter((m) => m > i && m < k && to[m]! > l && to[m]! < j)
      const goesBothWays =
        both.some((m) => symmetric.has(a[m]!.lemma)) || asked.compares || bothWays(a, i, k) || bothWays(b, l, j)
      if (goesBothWays) continue
      const nouns =
        nominal &&
        both.every((m) => isThing(a[m]!) || isThing(b[to[m]!]!)) &&
        ![i, k].every((m) => isEntity(a[m]!) && isEntity(b[to[m]!]!))
      const compound = nominal && (isCompound(a, i, k, b, l, j, to) || isCompound(b, l, j, a, i, k, from))
      if (both.length > 0 && !nouns && !compound) return "order"
      if (a[k]!.preposition !== "" && a[k]!.preposition === b[j]!.preposition && k === i + 1 && j === l + 1)
        return "order"
      if (!nominal && k === i + 1 && j === l + 1 && activeSwap(a[i]!, a[k]!, b[j]!, b[l]!)) return "order"
      if (a[i]!.reason === "negation" || a[k]!.reason === "negation") continue
      if (relative) return "order"
      if (matched.length > 8 && !blockMoved(matched, to)) return "order"
    }
  }
  return undefined
}

/** The only language that is named, or a word for what is wanted, at one end of both prompts: "Python: read a file", "read a file in Python". */
const isAside = (a: ReadonlyArray<Content>, i: number, b: ReadonlyArray<Content>, j: number): boolean => {
  const word = a[i]!
  return (
    (word.reason === "language" || parts.has(word.lemma)) &&
    (i === 0 || i === a.length - 1) &&
    (j === 0 || j === b.length - 1) &&
    aside.test(word.preposition) &&
    aside.test(b[j]!.preposition) &&
    (word.reason !== "language" || a.filter(({ reason }) => reason === "language").length === 1)
  )
}

/** What is wanted of a thing, before it or behind it: "inner join example", "example of an inner join". */
const parts: ReadonlySet<string> = new Set(["example", "fix", "tutorial", "sql", "css", "html"])

const aside = /^(?:|in|with|for)$/

/** Things that a gerund says what they are for. */
const heads: ReadonlySet<string> = new Set(
  "app application software tool program site website service course class book tip technique method strategy skill system trick advice idea company platform plan guide machine kit".split(
    " "
  )
)

/** "Photo editing app" here, "app for editing photos" there: words `i`, a gerund, `k` against `k`, the same gerund, `i`. */
const isCompound = (
  a: ReadonlyArray<Content>,
  i: number,
  k: number,
  b: ReadonlyArray<Content>,
  l: number,
  j: number,
  to: ReadonlyArray<number>
): boolean => {
  if (k !== i + 2) return false
  const gerund = to[i + 1]!
  return (
    gerund > l &&
    gerund < j &&
    heads.has(a[k]!.lemma) &&
    /(?:ing|ment|tion|sion)$/.test(a[i + 1]!.surface) &&
    a[i + 1]!.preposition === "" &&
    a[k]!.preposition === "" &&
    /^(?:for|to|of)$/.test(b[gerund]!.preposition)
  )
}

/** A noun before its verb here, after it there, and the verb no participle: "my card gets here", "I get my card". */
const activeSwap = (x: Content, y: Content, movedX: Content, movedY: Content): boolean => {
  const verb = (one: Content, other: Content): boolean =>
    (isMainlyVerb(one.base) || isMainlyVerb(other.base)) &&
    !participle.test(one.surface) &&
    !participle.test(other.surface)
  return verb(x, movedX) !== verb(y, movedY)
}

const participle = /(?:ed|en|wn|ne|pt|ht|st|ld|nt|ing)$/

/** A symmetric word near two words makes their order free: "friends with", "married to". */
const bothWays = (contents: ReadonlyArray<Content>, from: number, until: number): boolean => {
  for (let i = Math.max(0, from - 1); i <= Math.min(contents.length - 1, until + 1); i++) {
    if (symmetric.has(contents[i]!.lemma) || symmetric.has(contents[i]!.surface)) return true
  }
  return false
}

/** Everything between two words and the second one itself is joined by "and", "or", "vs" or commas. */
const coordinated = (contents: ReadonlyArray<Content>, from: number, until: number): boolean => {
  for (let i = from + 1; i <= until; i++) {
    if (!contents[i]!.joined) return false
  }
  return until - from < 6
}

/** All words of a long prompt kept their order but for one block that stands elsewhere. */
const blockMoved = (matched: ReadonlyArray<number>, to: ReadonlyArray<number>): boolean => {
  let breaks = 0
  for (let x = 0; x + 1 < matched.length; x++) {
    if (to[matched[x + 1]!]! < to[matched[x]!]!) breaks++
  }
  return breaks <= 1
}
