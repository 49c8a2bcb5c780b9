/**
 * The dashboard of providers and flow control: who is down, what is tried again elsewhere, who waits for whose limits.
 */
import {
  below,
  chosen,
  dashboard,
  doubtful,
  lines,
  perSecond,
  rateWindow,
  share,
  stacked,
  states
} from "./operations-panels.ts"
import { among, not } from "./operations-promql.ts"

const successShare = (by: ReadonlyArray<"provider">) =>
  `${chosen.rate("ai_attempts_total", rateWindow, { by, where: { outcome: "success" } })} / ` +
  chosen.rate("ai_attempts_total", rateWindow, { by, where: { outcome: among("success", "error", "rate_limited") } })

const used = (limit: "requests_per_minute" | "tokens_per_minute" | "concurrent") => {
  const query = { by: ["provider"], where: { limit } } as const
  return {
    expr:
      `1 - ${chosen.gauge("ai_rate_limit_available", "min", query)} / ` + chosen.gauge("ai_rate_limit", "max", query),
    legend: `{{provider}} ${limit.replaceAll("_", " ")}`
  }
}

export const providers = dashboard(
  "millrace-providers",
  "Millrace / Providers and flow control",
  "How each provider does, what is tried again elsewhere, and who waits for whose limits.",
  [
    {
      title: "Health",
      panels: [
        {
          title: "Circuits",
          description: "An open circuit means that a provider is not asked, because too many of its calls failed.",
          unit: "short",
          width: 24,
          make: states,
          queries: [{ expr: chosen.gauge("ai_circuit_state", "max", { by: ["provider"] }), legend: "{{provider}}" }]
        },
        {
          title: "Successful attempts",
          description: "Share of the attempts that reached a provider and were not left by us.",
          unit: share,
          make: lines,
          queries: [{ expr: successShare(["provider"]), legend: "{{provider}}" }]
        },
        {
          title: "Attempts by outcome",
          description: "Attempts a second. Lost ones were answered later than another at the same time.",
          unit: perSecond,
          make: stacked,
          queries: [
            {
              expr: chosen.rate("ai_attempts_total", rateWindow, { by: ["provider", "outcome"] }),
              legend: "{{provider}} {{outcome}}"
            }
          ]
        },
        {
          title: "429s",
          description: "Share of the attempts that a provider refused because of its limits or quota. Alert: over 5 %.",
          unit: share,
          make: lines,
          thresholds: below(0.05),
          queries: [
            {
              expr:
                `${chosen.rate("ai_attempts_total", rateWindow, { by: ["provider"], where: { outcome: "rate_limited" } })} / ` +
                chosen.rate("ai_attempts_total", rateWindow, { by: ["provider"] }),
              legend: "{{provider}}"
            }
          ]
        },
        {
          title: "p95 response time",
          description: "By who answered, cached answers included.",
          unit: "s",
          make: lines,
          queries: [
            {
              expr: chosen.quantile(0.95, "ai_response_duration_seconds", rateWindow, { by: ["provider", "model"] }),
              legend: "{{provider}}/{{model}}"
            }
          ]
        },
        {
          title: "p95 time to the first token",
          description: "By who answered, cached answers included.",
          unit: "s",
          make: lines,
          queries: [
            {
              expr: chosen.quantile(0.95, "ai_time_to_first_token_seconds", rateWindow, { by: ["provider", "model"] }),
              legend: "{{provider}}/{{model}}"
            }
          ]
        },
        {
          title: "Failures",
          description: "Requests that failed, by the provider that was asked last.",
          unit: perSecond,
          make: stacked,
          queries: [
            {
              expr: `${chosen.rate("ai_errors_total", rateWindow, { by: ["provider", "kind"] })} > 0`,
              legend: "{{provider}} {{kind}}"
            }
          ]
        }
      ]
    },
    {
      title: "Second attempts",
      panels: [
        {
          title: "Retries",
          description: "Further attempts at the same provider, by the failure before.",
          unit: perSecond,
          make: stacked,
          queries: [
            {
              expr: chosen.rate("ai_retries_total", rateWindow, { by: ["provider", "reason"] }),
              legend: "{{provider}} {{reason}}"
            }
          ]
        },
        {
          title: "Fallbacks",
          description: "Attempts that moved on to another provider.",
          unit: perSecond,
          make: stacked,
          queries: [
            { expr: chosen.rate("ai_fallbacks_total", rateWindow, { by: ["from", "to"] }), legend: "{{from}} → {{to}}" }
          ]
        },
        {
          title: "Hedges",
          description: "Second attempts beside one that was late, by what became of them.",
          unit: perSecond,
          make: stacked,
          queries: [
            {
              expr: chosen.rate("ai_hedges_total", rateWindow, { by: ["provider", "outcome"] }),
              legend: "{{provider}} {{outcome}}"
            }
          ]
        }
      ]
    },
    {
      title: "Flow control",
      panels: [
        {
          title: "Limits in use",
          description: "Share of each limit that is taken now, by the fullest instance.",
          unit: share,
          make: lines,
          thresholds: doubtful(0.8, 0.95),
          queries: [used("requests_per_minute"), used("tokens_per_minute"), used("concurrent")]
        },
        {
          title: "Limits in force",
          description: "As configured or learned, a minute.",
          unit: "short",
          make: lines,
          queries: [
            {
              expr: chosen.gauge("ai_rate_limit", "max", {
                by: ["provider", "limit"],
                where: { limit: not("concurrent") }
              }),
              legend: "{{provider}} {{limit}}"
            }
          ]
        },
        {
          title: "Being served",
          description: "Requests at a provider, and how many may be.",
          unit: "short",
          make: lines,
          queries: [
            { expr: chosen.gauge("ai_active_requests", "sum", { by: ["provider"] }), legend: "{{provider}}" },
            {
              expr: chosen.gauge("ai_rate_limit", "sum", { by: ["provider"], where: { limit: "concurrent" } }),
              legend: "{{provider}} limit"
            }
          ]
        },
        {
          title: "Queue",
          description: "Share of queue.maxWaiting that waits. Alert: over 80 %.",
          unit: share,
          make: lines,
          thresholds: below(0.8),
          queries: [
            {
              expr:
                `${chosen.gauge("ai_queue_depth", "max", { by: ["provider"] })} / ` +
                chosen.gauge("ai_queue_limit", "max", { by: ["provider"] }),
              legend: "{{provider}}"
            }
          ]
        },
        {
          title: "Waits",
          description:
            "Of the requests that waited for a provider's limits and were admitted; and of the first in the queue now.",
          unit: "s",
          make: lines,
          queries: [
            {
              expr: chosen.quantile(0.95, "ai_rate_limit_wait_seconds", rateWindow, { by: ["provider"] }),
              legend: "{{provider}} p95"
            },
            {
              expr: chosen.gauge("ai_queue_oldest_wait_seconds", "max", { by: ["provider"] }),
              legend: "{{provider}} oldest now"
            }
          ]
        },
        {
          title: "Refused by our own limits",
          description: "Requests a second that found the queue full, or would have waited too long.",
          unit: perSecond,
          make: stacked,
          queries: [
            {
              expr: chosen.rate("ai_errors_total", rateWindow, {
                by: ["provider", "kind"],
                where: { kind: among("QueueFull", "RateLimitExceeded", "DeadlineExceeded") }
              }),
              legend: "{{provider}} {{kind}}"
            }
          ]
        }
      ]
    },
    {
      title: "Several instances",
      panels: [
        {
          title: "Instances",
          description:
            "That share limits, as each of them counts; and requests that wait for the others. 0 without Redis.",
          unit: "short",
          make: lines,
          queries: [
            { expr: chosen.gauge("ai_instances", "max", {}), legend: "instances" },
            { expr: chosen.gauge("ai_shared_queue_depth", "sum", {}), legend: "waiting for others" }
          ]
        },
        {
          title: "Redis: round trip",
          description: "The slowest instance's moving average. Beyond storage.redisTimeout it goes without Redis.",
          unit: "s",
          make: lines,
          queries: [{ expr: chosen.gauge("ai_redis_round_trip_seconds", "max", {}), legend: "round trip" }]
        },
        {
          title: "Redis: scripts",
          description:
            "Answered a second, sent and perhaps lost, and attempts that went by an instance's own part of the limits.",
          unit: perSecond,
          make: lines,
          queries: [
            { expr: chosen.rate("ai_redis_round_trips_total", rateWindow), legend: "answered" },
            { expr: chosen.rate("ai_redis_dropped_total", rateWindow), legend: "lost" },
            { expr: chosen.rate("ai_limits_alone_total", rateWindow), legend: "decided alone" }
          ]
        }
      ]
    }
  ]
)
