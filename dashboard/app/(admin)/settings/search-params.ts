import { anyText } from "@/lib/url-state"

export const settingsParams = { search: anyText }
