/**
 * Failures that are one and the same: the message of an error without what differs from call to call, and its fingerprint.
 *
 * Providers put ids, numbers, model names, keys and pieces of the prompt into their messages. What is kept here is only
 * words of a fixed list, the words in which APIs speak of errors; numbers become `#`, everything else `…`. A row of such
 * words that also stands in the prompt is left out too. So a message can be stored and shown where content is not (law 12).
 * It acts when a failed call is settled, and never on a call that succeeds.
 */
import { hash } from "node:crypto"
import type { EngineError } from "./Errors.ts"
import type { ContentPart, Request } from "./Request.ts"

/** Characters of a message at most. */
export const messageLengthMax = 200

/** What a failure is grouped by. */
export interface Failing {
  readonly kind: string
  readonly provider: string | null
  readonly model: string | null
  readonly message: string
}

/** Sixteen hex characters; the same for failures that differ in no more than letter case of the message. */
export const fingerprintOf = ({ kind, message, model, provider }: Failing): string =>
  hash("sha256", JSON.stringify([kind, provider, model, message.toLowerCase()])).slice(0, 16)

/** The message of an error in words of the list; empty where none is left. */
export const messageOf = (error: EngineError, request: Pick<Request, "messages" | "embed">): string => {
  if (error._tag === "InternalError") return ""
  const text = ("detail" in error ? error.detail : undefined) ?? error.message
  if (error.fault === "policy" || (error.fault === "provider" && !("detail" in error))) return ourMessageOf(text)
  const code = "code" in error ? nameOf(error.code) : ""
  const words = normalised(text, textsOf(request))
  const name = code !== "" || words !== "" ? code : nameOf("type" in error ? error.type : undefined)
  return cut(name === "" || words.toLowerCase().startsWith(name) ? words : words === "" ? name : `${name}: ${words}`)
}

/** Messages of ours by their text without numbers: refusals come in crowds, and must cost little. */
const ourMessages = new Map<string, string>()
const ourMessagesMax = 500

/** These hold no words of a caller or a provider, so they are not compared with the prompt. */
const ourMessageOf = (text: string): string => {
  const key = text.slice(0, textLengthMax).replaceAll(/\d+/g, "0")
  let message = ourMessages.get(key)
  if (message === undefined) {
    message = normalised(key, [])
    if (ourMessages.size >= ourMessagesMax) ourMessages.clear()
    ourMessages.set(key, message)
  }
  return message
}

/** A text in words of the list, without what also stands in the prompt. */
export const normalised = (text: string, prompt: ReadonlyArray<string>): string => {
  const tokens = tokensOf(text)
  const known = tokens.every(({ is }) => is !== "unknown")
  const runs = runsOf(tokens).filter((run, index) => {
    const words = run.filter(({ is }) => is === "word")
    if (words.length === 0) return false
    const opens = index === 0 && run[0] === tokens[0] && (words.length >= 2 || run.at(-1)!.text.endsWith(":"))
    return known || opens || words.length >= 3
  })
  if (runs.length === 0) return ""
  const length = prompt.reduce((sum, each) => sum + each.length, 0)
  if (length > promptLengthMax && !known) return ""
  const said = length > promptLengthMax ? "" : ` ${prompt.map(spoken).join(" ")} `
  const kept = runs.flatMap((run) => withoutEchoes(run, said))
  if (kept.length === 0) return ""
  const first = kept[0]![0] === tokens[0] ? "" : "… "
  const last = kept.at(-1)!.at(-1) === tokens.at(-1) ? "" : " …"
  return cut(`${first}${kept.map((run) => run.map((token) => token.text).join(" ")).join(" … ")}${last}`)
}

/** What of a prompt is looked through for echoes, in characters; in doubt a message with unknown words is dropped. */
const promptLengthMax = 65_536
/** So many words in a row that also stand in the prompt are taken for an echo of it. */
const echoWords = 3
const textLengthMax = 600
const piecesMax = 6

interface Token {
  readonly text: string
  /** A word of the list, a number, a place that held quoted text, or anything else. */
  readonly is: "word" | "number" | "quoted" | "unknown"
}

const address = /\b[a-z][a-z0-9+.-]*:\/\/\S+|\S+@\S+/gi
/** Between two marks of a kind, or from a mark that is not closed to the end. */
const quoted = /"[^"]*(?:"|$)|`[^`]*(?:`|$)|“[^”]*(?:”|$)|«[^»]*(?:»|$)|(?<![\p{L}\d])'.*?(?:'(?![\p{L}\d])|$)/gu
const number = /^[$#]?\d[\d.,:/]*(?:%|ms|s|m|h|kb|mb)?$|^v\d+(?:alpha|beta)?\d*$/i
const gap = "\u0000"

const tokensOf = (text: string): ReadonlyArray<Token> => {
  const start = text.slice(0, textLengthMax).replaceAll(gap, " ").replace(quoted, ` ${gap} `).replace(address, " @ ")
  const tokens: Array<Token> = []
  for (const each of start.split(/\s+/)) {
    if (each === "") continue
    if (each.includes(gap)) tokens.push({ text: "…", is: "quoted" })
    else {
      const [, bare = "", mark = ""] = /^[([{<*]*(.*?)[)\]}>*]*([.,:;!?]?)[.)\]}>*]*$/s.exec(each) ?? []
      if (number.test(bare)) tokens.push({ text: `#${mark}`, is: "number" })
      else if (isKnown(bare)) tokens.push({ text: `${bare}${mark}`, is: "word" })
      else if (/[\p{L}\d@]/u.test(each)) tokens.push({ text: "…", is: "unknown" })
    }
  }
  return tokens
}

/** A word of the list, also in the possessive, and names that are made of such words alone. */
const isKnown = (text: string): boolean => {
  if (text === "" || text.length > 60 || !/^[a-z][a-z_'’./-]*$/i.test(text)) return false
  const word = text.toLowerCase().replaceAll("’", "'")
  if (words.has(word) || words.has(word.replace(/'s$/, ""))) return true
  const pieces = word.split(/[_./-]+/)
  return pieces.length > 1 && pieces.length <= piecesMax && pieces.every((piece) => words.has(piece))
}

const nameOf = (code: string | undefined): string =>
  code !== undefined && isKnown(code.toLowerCase()) ? code.toLowerCase() : ""

/** Words and numbers that stand in a row. */
const runsOf = (tokens: ReadonlyArray<Token>): ReadonlyArray<ReadonlyArray<Token>> => {
  const runs: Array<Array<Token>> = []
  let open = false
  for (const token of tokens) {
    const inside = token.is === "word" || token.is === "number"
    if (inside && open) runs.at(-1)!.push(token)
    else if (inside) runs.push([token])
    open = inside
  }
  return runs
}

/** A run without the words that stand in the same order in what was said; it may fall into several. */
const withoutEchoes = (run: ReadonlyArray<Token>, said: string): ReadonlyArray<ReadonlyArray<Token>> => {
  const plain: Array<string> = []
  const places: Array<number> = []
  for (const [place, { is, text }] of run.entries()) {
    // A name such as max_tokens is two words.
    for (const each of is === "word" ? spoken(text).split(" ") : []) {
      plain.push(each)
      places.push(place)
    }
  }
  if (plain.length < echoWords) return said.trim() !== "" && said.trim() === plain.join(" ") ? [] : [run]
  const echo = new Set<number>()
  for (let at = 0; at + echoWords <= plain.length; at++) {
    if (!said.includes(` ${plain.slice(at, at + echoWords).join(" ")} `)) continue
    for (let place = places[at]!; place <= places[at + echoWords - 1]!; place++) echo.add(place)
  }
  if (echo.size === 0) return [run]
  const rest = run.map((token, index): Token => (echo.has(index) ? { text: "…", is: "unknown" } : token))
  return runsOf(rest).filter((each) => each.filter(({ is }) => is === "word").length >= echoWords)
}

/** Small letters, one space between words; what is none of a to z is left out, since no word of the list has any of it. */
const spoken = (text: string): string =>
  text
    .toLowerCase()
    .replaceAll(/[^a-z]+/g, " ")
    .trim()

/** What a provider was sent as text, the results of tools included. */
const textsOf = ({ embed, messages }: Pick<Request, "messages" | "embed">): ReadonlyArray<string> => [
  ...(embed?.input ?? []),
  ...messages.flatMap(({ content }) => (typeof content === "string" ? [content] : content.flatMap(textsOfPart)))
]

const textsOfPart = (part: ContentPart): ReadonlyArray<string> => {
  if (part.type === "text" || part.type === "reasoning") return [part.text]
  if (part.type === "tool-call") return [part.arguments]
  if (part.type !== "tool-result") return []
  return typeof part.content === "string" ? [part.content] : part.content.flatMap(textsOfPart)
}

/** At most `messageLengthMax` characters, and no word in part. */
const cut = (text: string): string =>
  text.length <= messageLengthMax ? text : `${text.slice(0, messageLengthMax - 2).replace(/\s+\S*$/, "")} …`

/** Words in which APIs and this engine speak of errors: no names, no nouns of a business, nothing that identifies anybody. */
const words: ReadonlySet<string> = new Set(
  `a abilities ability able about above abuse accept accepted accepts access accessible account action active add
  added additional after again against ahead alias all allow allowed allows already also an and another answer
  answered answers any anyof api apikey app application are argument arguments array arrays as ask asked assistant at
  attempt attempts audio authenticate authenticated authentication authorization authorized auto automatically
  available away back backend bad balance base based batch batches be bearer because been before behind being below
  beta between billing block blocked blocks body bodylimit both bound bounds browser budget burst busy but by bytes
  cache cached call called caller calls came can can't cannot capacity category cause causes certain certificate
  certificates change changed characters chat check choice choose chunk circuit circular client close closed cluster
  code column compatible compilation complete completion completions complex component compress compression
  concurrency concurrent condition configuration configure configured conflict connect connected connection
  connections contact contain contained contains content contents context continue control conversation convert
  correct corrupt cost could couldn't count create created credentials credit credits current currently custom data
  day days deadline decode decoding deep deeply default defined definition definitions delay delete deleted denied
  deny depleted deployed deployment deprecated depth deserialize detail details detected developer device did didn't
  different dimensions directory disabled discontinued dns do document documentation documents does doesn't domain
  don't done down download downloaded downloading due duplicate during each eai early econnaborted econnrefused
  econnreset effort ehostunreach either element elements else embedding embeddings empty enable enabled encode
  encoded encoding encountered end ended endpoint endpoints ends engine enotfound ensure enter entity enum
  environment epipe error errors etimedout event every exact exceed exceeded exceeding exceeds except exception
  exhausted exist existing exists expected expired expires explicitly external extra fail failed fails failure
  failures fault feature fetch few field fields file files filter filtered filtering filters find finish finished
  first fit fix flagged for forbidden format formatted formed forward found free frequency from full function
  functions further gateway general generate generated generating generation get getaddrinfo give given global got
  grammar grant greater group guide guidelines had handle handler handshake hang has have having header headers heavy
  held help high higher hit hold holds host hostname hour hours however html http https hung id identifier if ignored
  image images implemented in inactive include included includes including incomplete incorrect increase increasing
  increment index indices inference info information input inputs inside instance instead instruction instructions
  insufficient integer intended interface internal interrupted into invalid is isn't issue issues it item items its
  join json key keyboard keys kind know known language large larger last later latest learn least left length less
  level levels library like limit limited limiting limits line list listed load loaded loading local location log
  logged login logit logprobs long longer loop low lower made maintenance make makes malformed management many mask
  match matched matching max maximum maxwait maxwaiting may me mean media medium membership memory message messages
  metadata method methods metric middle mime min minimum minute minutes mismatch missing mode model models moderation
  modify moment moments month more ms multiple must name named names need needed needs nested network never new next
  no node none not nothing null nullable number object objects occurred of off offline on once one ones only open
  operation option optional options or order organization organizations other our out outage output outputs outside
  over overload overloaded own owner packet page paid param parameter parameters params parse parsed parser parsing
  part parts pass passed path pattern paused payload payment peer penalty pending per perform period permanently
  permission permissions permit permitted place plan plans please plugin point policies policy pooling port position
  positive possible preceding prefix presence present preview previous price pricing primary process processed
  processing processor project prompt prompts propagate properties property protocol provide provided provider
  providers proxy purchase queue queued quota quotas range rate rates reach reached read reading reason reasoning
  receive received recent recently recharge recheck recitation record redirect reduce reducing refer reference
  references refresh refused region regional reject rejected release remain remaining remove replace replay reply
  report reported reports request requested requester requests require required requires reset resets resource
  resources respond responded response responses rest result results retries retry retrying return returned returns
  review right role room root route router rule rules run running runtime safe safety same sample sampling scale
  schema schemas scope search second seconds section see seed seems self send sending sent sequence server servers
  service services session set sets settings setup several should shut shutting sign signature signing simplify
  simplifying since single size sizes slow small smaller so socket sockets some something soon sorry source specific
  specified specify speed spend spending split standard start started state status step stop stopped storage store
  stored stream streamed streaming strict string strings structured subscription subset such sufficient suffix supply
  support supported supporting supports sure suspended switch system tags target task tcp team temperature
  temporarily temporary tenant terminal terminated text than that the their them then there these they thinking this
  those thread threshold throttled throttling through thus tier time timed timeout times tls to together token
  tokenizer tokens too tool tools top total traffic transport triggered triggering trouble true try trying turn turns
  two type types unable unauthenticated unauthorized unavailable under unexpected unhandled unicode unified unknown
  unlimited unprocessable unreachable unreadable unrecognized unsupported until up update updated upgrade upload
  upstream uri url urls usage use used user using valid validate validation value values variable variant vector
  version versions very via video view violate violated violates violation vision visit wait waited waiting want
  warming was way we week went were what when where whether which while who will window with within without won't
  word words work worker workload workspace would write wrong x xml year you your yourself zero`.split(/\s+/)
)
