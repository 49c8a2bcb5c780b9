/**
 * The dashboard of the cache and of money: what is answered and saved, what is spent, and how far budgets are.
 */
import { kpis } from "./operations-objectives.ts"
import {
  above,
  below,
  chosen,
  dashboard,
  doubtful,
  lines,
  other,
  perSecond,
  range,
  rateWindow,
  share,
  stacked,
  stat,
  usd
} from "./operations-panels.ts"
import { not } from "./operations-promql.ts"

const answered = { where: { type: not("miss") } } as const
const hourly = (expression: string) => `3600 * ${expression}`

export const cacheAndCost = dashboard(
  "millrace-cache-cost",
  "Millrace / Cache and cost",
  "What the cache answers and saves, what is spent on whom, and how far budgets are.",
  [
    {
      title: "In the time shown",
      panels: [
        {
          title: "Spent",
          description: "Dollars at providers.",
          unit: usd,
          width: 4,
          make: stat,
          queries: [{ expr: chosen.increase("ai_cost_usd_total", range), legend: "spent" }]
        },
        {
          title: "Saved",
          description: "Dollars that the cache saved.",
          unit: usd,
          width: 4,
          make: stat,
          queries: [{ expr: chosen.increase("ai_saved_usd_total", range), legend: "saved" }]
        },
        {
          title: "Saved tokens",
          description: "Tokens of answers that the cache served.",
          unit: "short",
          width: 4,
          make: stat,
          queries: [{ expr: chosen.increase("ai_saved_tokens_total", range), legend: "saved" }]
        },
        {
          title: "Hit rate",
          description: "Lookups that the cache answered. Target: over 40 %.",
          unit: share,
          width: 4,
          make: stat,
          thresholds: above(kpis.hitRate.target),
          queries: [
            {
              expr: `${chosen.increase("ai_cache_hits_total", range, answered)} / ${chosen.increase("ai_cache_hits_total", range)}`,
              legend: "hit rate"
            }
          ]
        },
        {
          title: "Dollars per 1000 requests",
          description: "Cached and failed ones included.",
          unit: usd,
          width: 4,
          make: stat,
          queries: [
            {
              expr: `1000 * ${chosen.increase("ai_cost_usd_total", range)} / ${chosen.increase("ai_requests_total", range)}`,
              legend: "per 1000"
            }
          ]
        },
        {
          title: "Usage rows dropped",
          description: "Rows that the usage database did not take. Alert: any.",
          unit: "short",
          width: 4,
          make: stat,
          thresholds: below(1),
          queries: [{ expr: chosen.increase("ai_usage_rows_dropped_total", range), legend: "dropped" }]
        }
      ]
    },
    {
      title: "Cache",
      panels: [
        {
          title: "Hit rate",
          description: "Exact, semantic and coalesced answers as a share of lookups. Target: over 40 %.",
          unit: share,
          make: lines,
          thresholds: above(kpis.hitRate.target),
          queries: [
            {
              expr:
                `${chosen.rate("ai_cache_hits_total", rateWindow, { by: ["type"], ...answered })} / on () group_left () ` +
                chosen.rate("ai_cache_hits_total", rateWindow),
              legend: "{{type}}"
            },
            { expr: other(kpis.hitRate.record), legend: "{{job}} all" }
          ]
        },
        {
          title: "Lookups",
          description: "By result, a second.",
          unit: perSecond,
          make: stacked,
          queries: [{ expr: chosen.rate("ai_cache_hits_total", rateWindow, { by: ["type"] }), legend: "{{type}}" }]
        },
        {
          title: "Entries",
          description: "Of the exact and of the semantic cache.",
          unit: "short",
          make: lines,
          queries: [{ expr: chosen.gauge("ai_cache_entries", "sum", { by: ["kind"] }), legend: "{{kind}}" }]
        },
        {
          title: "Evictions",
          description:
            "Entries that left for others before their time was over: many of them mean that the cache is too small.",
          unit: "short",
          make: lines,
          queries: [{ expr: chosen.rate("ai_cache_evictions_total", rateWindow), legend: "evictions a second" }]
        },
        {
          title: "Saved dollars",
          description: "An hour, by how the cache answered.",
          unit: usd,
          make: stacked,
          queries: [
            { expr: hourly(chosen.rate("ai_saved_usd_total", rateWindow, { by: ["type"] })), legend: "{{type}}" }
          ]
        },
        {
          title: "Saved",
          description:
            "Dollars and tokens that the cache saved, as a share of what the last hour would have taken. Target: over 30 % of the dollars.",
          unit: share,
          make: lines,
          thresholds: above(kpis.cost.target),
          queries: [
            { expr: other(kpis.cost.record), legend: "{{job}} dollars" },
            { expr: other("job:ai_tokens:saved_ratio_rate1h"), legend: "{{job}} tokens" }
          ]
        }
      ]
    },
    {
      title: "Cost",
      panels: [
        {
          title: "Spent by provider",
          description: "Dollars an hour.",
          unit: usd,
          make: stacked,
          queries: [
            { expr: hourly(chosen.rate("ai_cost_usd_total", rateWindow, { by: ["provider"] })), legend: "{{provider}}" }
          ]
        },
        {
          title: "Spent by model",
          description: "Dollars an hour.",
          unit: usd,
          make: stacked,
          queries: [
            {
              expr: hourly(chosen.rate("ai_cost_usd_total", rateWindow, { by: ["provider", "model"] })),
              legend: "{{provider}}/{{model}}"
            }
          ]
        },
        {
          title: "Budgets",
          description:
            "Share that is spent or reserved in the current period, of whoever has spent the largest. Alert: over 80 %.",
          unit: share,
          make: lines,
          thresholds: doubtful(0.8, 1),
          queries: [
            {
              expr: chosen.gauge("ai_budget_used_ratio", "max", { by: ["budget", "scope"] }),
              legend: "{{budget}} ({{scope}})"
            }
          ]
        },
        {
          title: "Tokens",
          description:
            "A second; prompt includes what the provider read from its own cache, completion includes reasoning.",
          unit: "short",
          make: lines,
          queries: [{ expr: chosen.rate("ai_tokens_used_total", rateWindow, { by: ["type"] }), legend: "{{type}}" }]
        },
        {
          title: "Read from providers' caches",
          description: "Share of the prompt tokens.",
          unit: share,
          make: lines,
          queries: [
            {
              expr:
                `${chosen.rate("ai_tokens_used_total", rateWindow, { by: ["provider"], where: { type: "cached" } })} / ` +
                chosen.rate("ai_tokens_used_total", rateWindow, { by: ["provider"], where: { type: "prompt" } }),
              legend: "{{provider}}"
            }
          ]
        },
        {
          title: "Refused by budgets",
          description: "Attempts a second that a budget had no room for.",
          unit: perSecond,
          make: stacked,
          queries: [
            {
              expr: chosen.rate("ai_budget_refusals_total", rateWindow, { by: ["budget", "unit"] }),
              legend: "{{budget}} ({{unit}})"
            }
          ]
        }
      ]
    }
  ]
)
