"use client"

import { Plus, X } from "lucide-react"
import { Button } from "@/components/ui/button"
import { Input, Textarea } from "@/components/ui/input"
import { Select } from "@/components/ui/select"
import { nextId, roles, turn, type Role, type Turn } from "./draft"

export const roleLabels: Record<Role, string> = {
  system: "System",
  user: "User",
  assistant: "Assistant",
  tool: "Tool"
}

interface MessageEditorProps {
  readonly turns: ReadonlyArray<Turn>
  readonly problem: string | undefined
  readonly onChange: (turns: ReadonlyArray<Turn>) => void
}

/** The conversation, turn by turn, each with its role. */
export function MessageEditor({ turns, problem, onChange }: MessageEditorProps) {
  const replace = (id: number, part: Partial<Turn>) =>
    onChange(turns.map((each) => (each.id === id ? { ...each, ...part } : each)))
  const add = () => {
    const last = turns.at(-1)?.role
    onChange([...turns, turn(nextId(turns), last === "user" ? "assistant" : "user")])
  }
  return (
    <fieldset className="min-w-0 space-y-3" aria-describedby={problem === undefined ? undefined : "messages-problem"}>
      <legend className="sr-only">Messages</legend>
      {turns.map((each, place) => (
        <TurnEditor
          key={each.id}
          turn={each}
          label={labelOf(turns, place)}
          place={place + 1}
          removable={turns.length > 1}
          onChange={(part) => replace(each.id, part)}
          onRemove={() => onChange(turns.filter(({ id }) => id !== each.id))}
        />
      ))}
      {problem === undefined ? null : (
        <p id="messages-problem" className="text-xs text-bad-text">
          {problem}
        </p>
      )}
      <Button size="xs" onClick={add}>
        <Plus />
        Add a message
      </Button>
    </fieldset>
  )
}

interface TurnEditorProps {
  readonly turn: Turn
  readonly label: string
  /** From 1 on. */
  readonly place: number
  readonly removable: boolean
  readonly onChange: (part: Partial<Turn>) => void
  readonly onRemove: () => void
}

function TurnEditor({ turn: each, label, place, removable, onChange, onRemove }: TurnEditorProps) {
  const { content, role, toolCallId, toolCalls } = each
  return (
    <div className="rounded-lg border bg-subtle/50 p-2" data-turn={role}>
      <div className="mb-1.5 flex items-center gap-2">
        <span className="w-32">
          <Select
            aria-label={`Role of turn ${place}`}
            compact
            value={role}
            onChange={(event) => onChange({ role: event.target.value as Role })}
          >
            {roles.map((value) => (
              <option key={value} value={value}>
                {roleLabels[value]}
              </option>
            ))}
          </Select>
        </span>
        {role === "tool" ? (
          <Input
            aria-label={`Call that turn ${place} answers`}
            placeholder="Id of the call"
            className="h-8! min-w-0 font-mono text-xs!"
            value={toolCallId}
            onChange={(event) => onChange({ toolCallId: event.target.value })}
          />
        ) : null}
        {removable ? (
          <Button
            variant="ghost"
            size="icon"
            className="ml-auto"
            aria-label={`Remove turn ${place}`}
            onClick={onRemove}
          >
            <X />
          </Button>
        ) : null}
      </div>
      <Textarea
        aria-label={label}
        rows={role === "user" ? 3 : 2}
        placeholder={role === "system" ? "None" : undefined}
        value={content}
        onChange={(event) => onChange({ content: event.target.value })}
      />
      {toolCalls.map(({ function: called, id }) => (
        <p key={id} className="mt-1.5 truncate font-mono text-xs text-muted" title={called.arguments}>
          {called.name}({called.arguments})
        </p>
      ))}
    </div>
  )
}

/** `User message`, and with its number where a role has several. */
const labelOf = (turns: ReadonlyArray<Turn>, place: number): string => {
  const { role } = turns[place]!
  const before = turns.slice(0, place).filter((each) => each.role === role).length
  return `${roleLabels[role]} message${before === 0 ? "" : ` ${before + 1}`}`
}
