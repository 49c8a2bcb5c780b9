"use client"

import { useQuery } from "@tanstack/react-query"
import { Command } from "cmdk"
import { FileSearch, LogOut, Monitor, Moon, Sun, type LucideIcon } from "lucide-react"
import type { RequestPage } from "millrace/admin-api"
import { useRouter } from "next/navigation"
import { Dialog } from "radix-ui"
import { useState, type ReactNode } from "react"
import { chooseTheme } from "@/components/theme-choice"
import { destinations } from "@/features/shell/navigation"
import { getJson, logOut } from "@/lib/api"
import { formatClock } from "@/lib/time"

interface PaletteProps {
  readonly open: boolean
  readonly onOpenChange: (open: boolean) => void
}

const recent = 10

/** A text that may be the beginning of a request's id; ids of other makers are looked for too. */
const idLike = /^[\w-]{6,}$/

/** Everything by its name: pages, the latest requests and any other by its id, theme, logout. */
export function Palette({ open, onOpenChange }: PaletteProps) {
  return (
    <Dialog.Root open={open} onOpenChange={onOpenChange}>
      <Dialog.Portal>
        <Dialog.Overlay className="fixed inset-0 z-60 bg-black/30 backdrop-blur-[1px] data-[state=open]:animate-enter" />
        <Dialog.Content
          aria-describedby={undefined}
          className="fixed inset-x-4 top-[12dvh] z-60 mx-auto max-w-xl overflow-hidden rounded-xl border bg-surface shadow-2xl outline-none data-[state=open]:animate-enter"
        >
          <Dialog.Title className="sr-only">Command palette</Dialog.Title>
          <Commands onDone={() => onOpenChange(false)} />
        </Dialog.Content>
      </Dialog.Portal>
    </Dialog.Root>
  )
}

function Commands({ onDone }: { readonly onDone: () => void }) {
  const router = useRouter()
  const [text, setText] = useState("")
  const wanted = text.trim()
  const latest = useQuery({
    queryKey: ["requests", "latest", recent],
    queryFn: ({ signal }) => getJson<RequestPage>(`/api/requests?limit=${recent}`, signal)
  })
  const run = (action: () => void) => () => {
    onDone()
    action()
  }
  const openRequest = (id: string) => run(() => router.push(`/requests?id=${encodeURIComponent(id)}`))
  return (
    <Command label="Command palette" loop>
      <Command.Input
        value={text}
        onValueChange={setText}
        placeholder="A page, a request’s id, a command"
        className="h-12 w-full border-b bg-transparent px-4 text-sm outline-none placeholder:text-muted"
      />
      <Command.List
        label="Commands"
        className="max-h-[55dvh] overflow-y-auto p-2 **:[[cmdk-group-heading]]:px-2 **:[[cmdk-group-heading]]:py-1.5 **:[[cmdk-group-heading]]:text-xs **:[[cmdk-group-heading]]:font-medium **:[[cmdk-group-heading]]:text-muted"
      >
        <Command.Empty className="px-3 py-8 text-center text-[13px] text-muted">Nothing has this name.</Command.Empty>
        <Command.Group heading="Pages">
          {destinations.map(({ href, label, icon }) => (
            <Entry key={href} value={`page ${label}`} icon={icon} onSelect={run(() => router.push(href))}>
              {label}
            </Entry>
          ))}
        </Command.Group>
        {idLike.test(wanted) ? (
          <Command.Group heading="Requests by id">
            <Entry value={`id ${wanted}`} icon={FileSearch} onSelect={openRequest(wanted)}>
              Open the request <code className="font-mono text-xs">{wanted}</code>
            </Entry>
            <Entry
              value={`begins ${wanted}`}
              icon={FileSearch}
              onSelect={run(() => router.push(`/requests?range=30d&search=${encodeURIComponent(wanted)}`))}
            >
              Requests of 30 days whose id begins with <code className="font-mono text-xs">{wanted}</code>
            </Entry>
          </Command.Group>
        ) : null}
        {latest.data === undefined || latest.data.items.length === 0 ? null : (
          <Command.Group heading="Latest requests">
            {latest.data.items.map(({ id, time, model, modelRequested, status }) => (
              <Entry
                key={id}
                value={`request ${id} ${model ?? modelRequested ?? ""} ${status}`}
                icon={FileSearch}
                onSelect={openRequest(id)}
              >
                <code className="min-w-0 truncate font-mono text-xs">{id}</code>
                <span className="ml-auto shrink-0 pl-3 text-xs text-muted tabular-nums">
                  {model ?? modelRequested ?? "no model"}, {status}, {formatClock(Date.parse(time))}
                </span>
              </Entry>
            ))}
          </Command.Group>
        )}
        <Command.Group heading="Theme">
          <Entry value="dark theme" icon={Moon} onSelect={run(() => chooseTheme("dark"))}>
            Dark theme
          </Entry>
          <Entry value="light theme" icon={Sun} onSelect={run(() => chooseTheme("light"))}>
            Light theme
          </Entry>
          <Entry value="theme of the system" icon={Monitor} onSelect={run(() => chooseTheme("system"))}>
            Theme of the system
          </Entry>
        </Command.Group>
        <Command.Group heading="Session">
          <Entry value="log out" icon={LogOut} onSelect={run(() => void logOut())}>
            Log out
          </Entry>
        </Command.Group>
      </Command.List>
    </Command>
  )
}

interface EntryProps {
  readonly value: string
  readonly icon: LucideIcon
  readonly onSelect: () => void
  readonly children: ReactNode
}

function Entry({ value, icon: Icon, onSelect, children }: EntryProps) {
  return (
    <Command.Item
      value={value}
      onSelect={onSelect}
      className="flex h-9 cursor-pointer items-center gap-2.5 rounded-md px-2 text-[13px] data-[selected=true]:bg-subtle"
    >
      <Icon className="size-4 shrink-0 text-muted" />
      {children}
    </Command.Item>
  )
}
