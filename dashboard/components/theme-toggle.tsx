"use client"

import { Monitor, Moon, Sun } from "lucide-react"
import { Segmented } from "@/components/ui/segmented"
import type { Theme } from "./theme"
import { chooseTheme, useTheme } from "./theme-choice"

const options = [
  { value: "system", label: "System theme", icon: <Monitor className="size-3.5" /> },
  { value: "light", label: "Light theme", icon: <Sun className="size-3.5" /> },
  { value: "dark", label: "Dark theme", icon: <Moon className="size-3.5" /> }
] as const

export function ThemeToggle({ theme: first }: { readonly theme: Theme }) {
  const theme = useTheme(first)
  return <Segmented label="Theme" value={theme} options={options} onChange={chooseTheme} />
}
