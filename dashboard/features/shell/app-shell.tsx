"use client"

import { clsx } from "clsx"
import { LogOut, Menu } from "lucide-react"
import Link from "next/link"
import { usePathname } from "next/navigation"
import { useState, type ReactNode } from "react"
import { Logo } from "@/components/logo"
import type { Theme } from "@/components/theme"
import { ThemeToggle } from "@/components/theme-toggle"
import { Button } from "@/components/ui/button"
import { Sheet } from "@/components/sheet"
import { ConnectionBanner } from "@/features/live/connection-banner"
import { ConnectionState } from "@/features/live/connection-state"
import { useLive } from "@/features/live/provider"
import { SimulatedBanner } from "@/features/live/simulated-banner"
import { PaletteButton, usePalette } from "@/features/palette"
import { logOut } from "@/lib/api"
import { destinations } from "./navigation"

interface AppShellProps {
  readonly theme: Theme
  readonly gateway: string
  readonly children: ReactNode
}

export function AppShell({ theme, gateway, children }: AppShellProps) {
  const [menuOpen, setMenuOpen] = useState(false)
  const palette = usePalette()
  return (
    <>
      <a
        href="#main"
        className="sr-only z-50 rounded-md bg-foreground px-3 py-2 text-inverse focus:not-sr-only focus:fixed focus:top-3 focus:left-3"
      >
        Skip to the content
      </a>
      <div className="flex min-h-dvh">
        <aside className="sticky top-0 hidden h-dvh w-56 shrink-0 flex-col border-r lg:flex">
          <Brand />
          <div className="px-3 pb-3">
            <PaletteButton onClick={palette.start} />
          </div>
          <Navigation />
          <Footer theme={theme} gateway={gateway} />
        </aside>
        <div className="flex min-w-0 grow flex-col">
          <div className="sticky top-0 z-30 flex h-13 items-center gap-2 border-b bg-background px-3 lg:hidden">
            <Button variant="ghost" size="icon" aria-label="Open the menu" onClick={() => setMenuOpen(true)}>
              <Menu />
            </Button>
            <Logo className="size-5" />
            <span className="font-semibold tracking-tight">Millrace</span>
            <span className="ml-auto flex items-center gap-2">
              <ConnectionState />
              <PaletteButton compact onClick={palette.start} />
            </span>
          </div>
          <SimulatedBanner />
          <ConnectionBanner />
          <main id="main" tabIndex={-1} className="mx-auto w-full max-w-[1440px] grow p-4 outline-none sm:p-6 lg:p-8">
            {children}
          </main>
        </div>
      </div>
      {palette.dialog}
      <Sheet
        open={menuOpen}
        onOpenChange={setMenuOpen}
        side="left"
        title="Millrace"
        description={gateway}
        width="max-w-64"
      >
        <div className="flex h-full flex-col pt-3">
          <Navigation onChoose={() => setMenuOpen(false)} />
          <Footer theme={theme} gateway={gateway} />
        </div>
      </Sheet>
    </>
  )
}

function Brand() {
  const { status } = useLive()
  return (
    <div className="flex h-16 items-center gap-2.5 px-5">
      <Logo className="size-6" />
      <span className="text-[15px] font-semibold tracking-tight">Millrace</span>
      {status === null ? null : <span className="mt-0.5 text-xs text-muted">{status.version}</span>}
    </div>
  )
}

function Navigation({ onChoose }: { readonly onChoose?: () => void }) {
  const path = usePathname()
  return (
    <nav aria-label="Pages" className="grow px-3">
      <ul className="space-y-0.5">
        {destinations.map(({ href, label, icon: Icon }) => {
          const current = path.startsWith(href)
          return (
            <li key={href}>
              <Link
                href={href}
                // Ten pages fetched ahead would add 14 kB to the scripts of the first one.
                prefetch={false}
                {...(onChoose === undefined ? {} : { onClick: onChoose })}
                aria-current={current ? "page" : undefined}
                className={clsx(
                  "flex h-8.5 items-center gap-2.5 rounded-md px-2 text-[13px] font-medium text-muted transition-colors hover:bg-subtle hover:text-foreground",
                  current && "bg-subtle text-foreground"
                )}
              >
                <Icon className="size-4" />
                {label}
              </Link>
            </li>
          )
        })}
      </ul>
    </nav>
  )
}

function Footer({ theme, gateway }: { readonly theme: Theme; readonly gateway: string }) {
  return (
    <div className="space-y-3 border-t px-5 py-4">
      <div className="space-y-1">
        <ConnectionState />
        <p className="truncate font-mono text-xs text-muted" title={gateway}>
          {gateway.replace(/^https?:\/\//, "")}
        </p>
      </div>
      <div className="flex items-center justify-between">
        <ThemeToggle theme={theme} />
        <Button variant="ghost" size="icon" aria-label="Log out" title="Log out" onClick={logOut}>
          <LogOut />
        </Button>
      </div>
    </div>
  )
}
