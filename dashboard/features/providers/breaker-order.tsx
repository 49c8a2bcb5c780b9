"use client"

import type { BreakerOrder } from "millrace/admin-api"
import { useId, useState } from "react"
import { Confirm } from "@/components/confirm"
import { Label } from "@/components/ui/label"
import { Select } from "@/components/ui/select"
import { useChange } from "@/lib/use-change"

/** What an operator wants of the circuits of a provider, or of one of its models. */
export interface Order {
  readonly provider: string
  readonly model: string | null
  readonly state: BreakerOrder["state"]
}

const minuteMs = 60_000
const holds = [
  { label: "5 minutes", ms: 5 * minuteMs },
  { label: "1 hour", ms: 60 * minuteMs },
  { label: "24 hours", ms: 24 * 60 * minuteMs },
  { label: "7 days", ms: 7 * 24 * 60 * minuteMs }
]

const words = {
  open: {
    verb: "Open",
    effect:
      "Calls are refused here at once and go to the other candidates of the request; where there is none, they fail with CircuitOpen.",
    unheld: "Until the first probe"
  },
  closed: {
    verb: "Close",
    effect: "Calls are let through, and the failures that were counted are forgotten.",
    unheld: "Until calls fail again"
  },
  auto: {
    verb: "Leave to the outcomes",
    effect: "What was ordered by hand ends. The circuit opens and closes again by how its calls end.",
    unheld: ""
  }
} as const

interface BreakerOrderDialogProps {
  readonly order: Order
  readonly open: boolean
  readonly onClose: () => void
}

/** Asks before a circuit is opened, closed or left to the outcomes, and for how long that holds. */
export function BreakerOrderDialog({ order, open, onClose }: BreakerOrderDialogProps) {
  const [forMs, setForMs] = useState<number | null>(null)
  const change = useChange(["providers"])
  const holdId = useId()
  const { verb, effect, unheld } = words[order.state]
  const target = order.model === null ? `every model of ${order.provider}` : `${order.provider}/${order.model}`

  const close = () => {
    change.reset()
    setForMs(null)
    onClose()
  }
  const confirm = async () => {
    const body = {
      state: order.state,
      ...(order.model === null ? {} : { model: order.model }),
      ...(forMs === null ? {} : { forMs })
    } satisfies BreakerOrder
    const path = `/api/providers/${encodeURIComponent(order.provider)}/breaker`
    if ((await change.run({ method: "POST", path, body })) !== undefined) close()
  }

  return (
    <Confirm
      open={open}
      onOpenChange={(next) => {
        if (!next) close()
      }}
      title={order.state === "auto" ? `Leave ${target} to the outcomes?` : `${verb} the breaker of ${target}?`}
      description={effect}
      action={order.state === "auto" ? "Leave it" : `${verb} it`}
      danger={order.state === "open"}
      pending={change.pending}
      failure={change.failure}
      onConfirm={confirm}
    >
      {order.state === "auto" ? null : (
        <div className="mt-4">
          <Label htmlFor={holdId}>Holds for</Label>
          <div className="mt-1.5">
            <Select
              id={holdId}
              value={forMs ?? ""}
              onChange={(event) => setForMs(event.target.value === "" ? null : Number(event.target.value))}
            >
              <option value="">{unheld}</option>
              {holds.map(({ label, ms }) => (
                <option key={ms} value={ms}>
                  {label}
                </option>
              ))}
            </Select>
          </div>
        </div>
      )}
    </Confirm>
  )
}
