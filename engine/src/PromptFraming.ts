/**
 * Tokens that a model family puts around the texts of a prompt: messages, tools, calls and formats.
 *
 * OpenAI documents those of messages (cookbook.openai.com, "How to count tokens with tiktoken": 3 a message and its role, 3
 * for the answer, 1 for a name); its reasoning models write messages in the Harmony format. Chat Completions and Responses
 * differ in all else. Those figures are what recorded calls reported beyond the tokens of their texts; each is shown by
 * `test/conformance/RecordedTokens.test.ts`.
 */
import type { Family } from "./ModelCatalog.ts"
import type { Tool } from "./Request.ts"
import { jsonOf, schemaTextOf, typescriptOf, wordsOf } from "./ToolText.ts"

/** The API of OpenAI's that a prompt goes to; other families have one. */
export type OpenAiApi = "chat" | "responses"

export interface Framing {
  /** Around each message, its role included. */
  readonly message: number
  /** Beyond `message` for an earlier answer in text. */
  readonly answer: number
  /** Once, for the beginning of the answer. */
  readonly priming: number
  /** Around a call; where `callsAreMessages`, around its result too. */
  readonly toolCall: number
  /** Beyond `toolCall` once for a turn with several calls. */
  readonly parallelCalls: number
  /** Calls and results are messages of their own, and their framing is in `toolCall`. */
  readonly callsAreMessages: boolean
  /** Times that the name of a called tool is written. */
  readonly callNames: 1 | 2
  /** Once, when there are tools. */
  readonly tools: (tools: ReadonlyArray<Tool>) => number
  /** When a tool must be called by its name. */
  readonly namedChoice: number
  /** Once, when the answer has a schema. */
  readonly format: number
  /** When the model is asked to think. */
  readonly thinking: number
  /** Saved where tools or a schema join the system message that the caller wrote. */
  readonly joinsSystem: number
  /** Whether reasoning of earlier turns is read again. */
  readonly readsReasoning: boolean
  readonly renderTools: (tools: ReadonlyArray<Tool>) => string
  readonly renderSchema: (schema: object) => string
}

export const framingOf = (family: Family, model: string, api: OpenAiApi): Framing => {
  switch (family) {
    case "openai":
      if (api === "responses") return openaiResponses
      return /audio/.test(model) ? openaiAudio : openaiChat
    case "openai-reasoning":
      return api === "chat" ? reasoningChat : reasoningResponses(model)
    case "claude":
      return /claude-3-[57]/.test(model) ? claude3 : claude
    case "gemini":
      return gemini
    case "other":
      return other
  }
}

const openai = {
  message: 4,
  answer: 0,
  priming: 3,
  parallelCalls: 15,
  callsAreMessages: true,
  namedChoice: 10,
  thinking: 0,
  joinsSystem: 0,
  readsReasoning: false,
  renderTools: typescriptOf,
  renderSchema: schemaTextOf
} satisfies Partial<Framing>

const openaiChat: Framing = {
  ...openai,
  toolCall: 16,
  callNames: 1,
  tools: () => 9,
  format: 14,
  joinsSystem: 4
}

const openaiAudio: Framing = { ...openaiChat, priming: 2 }

const openaiResponses: Framing = {
  ...openai,
  toolCall: 14,
  parallelCalls: 0,
  callNames: 2,
  tools: () => 3,
  format: 7
}

/** A tool without a description is written without its comment and the token that ends it. */
const undescribed = (tools: ReadonlyArray<Tool>): number =>
  tools.reduce((count, { description }) => count + (description === undefined || description === "" ? 1 : 0), 0)

const reasoning = {
  ...openai,
  answer: 2,
  priming: 2,
  parallelCalls: 13,
  callNames: 2,
  namedChoice: 0
} satisfies Partial<Framing>

const reasoningChat: Framing = {
  ...reasoning,
  toolCall: 19,
  tools: (tools) => (tools.length === 1 ? 91 : 90) - undescribed(tools),
  format: 11
}

const reasoningResponses = (model: string): Framing => {
  const first = /^gpt-5(-\d|-mini|-nano|-pro|$)/.test(model)
  const around = /^o\d/.test(model) ? 7 : /codex/.test(model) ? 12 : 9
  return { ...reasoning, toolCall: first ? 17 : 20, tools: (tools) => around - undescribed(tools), format: 6 }
}

const others = {
  answer: 0,
  parallelCalls: 0,
  callsAreMessages: false,
  callNames: 1,
  namedChoice: 0,
  format: 0,
  thinking: 0,
  joinsSystem: 0,
  readsReasoning: true,
  renderTools: jsonOf,
  renderSchema: jsonOf
} satisfies Partial<Framing>

const claude: Framing = {
  ...others,
  message: 4,
  priming: 3,
  toolCall: 8,
  tools: () => 530,
  format: 130,
  thinking: 26
}

const claude3: Framing = { ...claude, tools: () => 310 }

/** Gemini reads what tools say without their JSON, and counts no schemas. */
const gemini: Framing = {
  ...others,
  message: 0,
  priming: 0,
  toolCall: 4,
  tools: (tools) => 14 * tools.length,
  renderTools: wordsOf,
  renderSchema: () => ""
}

const other: Framing = { ...others, message: 4, priming: 3, toolCall: 8, tools: () => 50 }
