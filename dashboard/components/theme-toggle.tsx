"use client"

import { Monitor, Moon, Sun } from "lucide-react"
import { useState } from "react"
import { Segmented } from "@/components/ui/segmented"
import { themeCookie, type Theme } from "./theme"

const options = [
  { value: "system", label: "System theme", icon: <Monitor className="size-3.5" /> },
  { value: "light", label: "Light theme", icon: <Sun className="size-3.5" /> },
  { value: "dark", label: "Dark theme", icon: <Moon className="size-3.5" /> }
] as const
const yearSeconds = 365 * 24 * 60 * 60

const apply = (theme: Theme) => {
  document.cookie = `${themeCookie}=${theme}; Path=/; Max-Age=${yearSeconds}; SameSite=Strict`
  if (theme === "system") delete document.documentElement.dataset["theme"]
  else document.documentElement.dataset["theme"] = theme
}

export function ThemeToggle({ theme: initial }: { readonly theme: Theme }) {
  const [theme, setTheme] = useState(initial)
  return (
    <Segmented
      label="Theme"
      value={theme}
      options={options}
      onChange={(next) => {
        apply(next)
        setTheme(next)
      }}
    />
  )
}
