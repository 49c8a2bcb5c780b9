/**
 * Messages of a request as other SDKs want them: tool results in messages of their own, each with its tool's name.
 *
 * Canonical user messages may hold tool results beside text, and a tool result may leave its name to its id. Order is
 * kept; nothing is left out.
 */
import { Result } from "effect"
import { InvalidRequest } from "./Errors.ts"
import type { ContentPart, Message } from "./Request.ts"

export type ToolResult = Extract<ContentPart, { readonly type: "tool-result" }>
type UserPart = Extract<ContentPart, { readonly type: "text" | "image" | "file" }>
type AssistantPart = Exclude<ContentPart, { readonly type: "tool-result" }>

/** One message of one kind; `field` is where it comes from. */
export type Turn = { readonly field: string } & (
  | { readonly role: "system"; readonly text: string }
  | { readonly role: "user"; readonly content: ReadonlyArray<UserPart> }
  | { readonly role: "assistant"; readonly content: ReadonlyArray<AssistantPart> }
  | { readonly role: "tool"; readonly content: ReadonlyArray<ToolResult & { readonly name: string }> }
)

export const turnsOf = (messages: ReadonlyArray<Message>): Result.Result<ReadonlyArray<Turn>, InvalidRequest> => {
  const names = toolNames(messages)
  const turns: Array<Turn> = []
  for (let index = 0; index < messages.length; index++) {
    const message = messages[index]!
    const field = `messages[${index}]`
    const content: ReadonlyArray<ContentPart> =
      typeof message.content === "string" ? [{ type: "text", text: message.content }] : message.content
    const wrong = content.findIndex((part) => !allowed[message.role].includes(part.type))
    if (wrong >= 0) {
      const detail = `expected ${allowed[message.role].join(" or ")}`
      return Result.fail(new InvalidRequest({ field: `${field}.content[${wrong}]`, detail }))
    }
    if (message.role === "system") {
      const text = content.map((part) => (part.type === "text" ? part.text : "")).join("")
      turns.push({ role: "system", text, field })
    } else if (message.role === "assistant") {
      turns.push({ role: "assistant", content: content as ReadonlyArray<AssistantPart>, field })
    } else split(content, names, field, turns)
  }
  return Result.succeed(turns)
}

const allowed: Readonly<Record<Message["role"], ReadonlyArray<ContentPart["type"]>>> = {
  system: ["text"],
  user: ["text", "image", "file", "tool-result"],
  assistant: ["text", "image", "file", "reasoning", "tool-call"],
  tool: ["tool-result"]
}

const toolNames = (messages: ReadonlyArray<Message>): ReadonlyMap<string, string> => {
  const names = new Map<string, string>()
  for (const { content } of messages) {
    if (typeof content === "string") continue
    for (const part of content) if (part.type === "tool-call") names.set(part.id, part.name)
  }
  return names
}

const split = (
  content: ReadonlyArray<ContentPart>,
  names: ReadonlyMap<string, string>,
  field: string,
  turns: Array<Turn>
): void => {
  let user: Array<UserPart> | undefined
  let tool: Array<ToolResult & { readonly name: string }> | undefined
  for (const part of content) {
    if (part.type === "tool-result") {
      user = undefined
      if (tool === undefined) turns.push({ role: "tool", content: (tool = []), field })
      tool.push({ ...part, name: part.name ?? names.get(part.id) ?? "" })
    } else {
      tool = undefined
      if (user === undefined) turns.push({ role: "user", content: (user = []), field })
      user.push(part as UserPart)
    }
  }
}
