import { settingSources } from "@/features/settings/effective-config"
import { anyText, oneOf } from "@/lib/url-state"

export const settingsParams = { search: anyText, source: oneOf(settingSources, null) }
