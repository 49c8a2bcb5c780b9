import {
  Activity,
  ChartNoAxesColumn,
  Database,
  KeyRound,
  LayoutDashboard,
  List,
  PiggyBank,
  Server,
  Settings,
  SquareTerminal,
  TriangleAlert,
  type LucideIcon
} from "lucide-react"

interface Destination {
  readonly href: string
  readonly label: string
  readonly icon: LucideIcon
}

/** The pages, in the order of the menu. */
export const destinations: ReadonlyArray<Destination> = [
  { href: "/overview", label: "Overview", icon: LayoutDashboard },
  { href: "/live", label: "Live", icon: Activity },
  { href: "/requests", label: "Requests", icon: List },
  { href: "/usage", label: "Usage", icon: ChartNoAxesColumn },
  { href: "/cache", label: "Cache", icon: Database },
  { href: "/providers", label: "Providers", icon: Server },
  { href: "/keys", label: "Keys", icon: KeyRound },
  { href: "/budgets", label: "Budgets", icon: PiggyBank },
  { href: "/errors", label: "Errors", icon: TriangleAlert },
  { href: "/playground", label: "Playground", icon: SquareTerminal },
  { href: "/settings", label: "Settings", icon: Settings }
]
