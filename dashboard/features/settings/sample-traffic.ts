"use client"

import { useQueryClient } from "@tanstack/react-query"
import { useState } from "react"
import { goToLogin } from "@/lib/api"

/** What a click plays: calls as the playground sends them, some of them alike, some that must fail. */
export const sampleCalls = 60
const atOnce = 5
const failEvery = 12

const questions = [
  "What is a millrace?",
  "How does a water wheel turn a stone?",
  "Which grain does a mill grind first?",
  "Why do rivers meander?",
  "How much flour does a baker need in a day?",
  "What did a miller earn in 1750?",
  "How is a sluice built?",
  "When did steam replace water?",
  "What is an overshot wheel?",
  "How loud is a mill?"
]

const callOf = (index: number, model: string) => ({
  model: index % failEvery === failEvery - 1 ? "no-such-provider/no-such-model" : model,
  messages: [
    {
      role: "user",
      content: `${questions[index % questions.length]!}${index % 3 === 0 ? ` (${index}, ${Date.now()})` : ""}`
    }
  ],
  max_tokens: 40 + (index % 4) * 20
})

interface Play {
  readonly sent: number
  readonly controller: AbortController
}

/** Plays sample traffic through the gateway. Ends by itself, when it is stopped, or when the session has ended. */
export const useSampleTraffic = () => {
  const queries = useQueryClient()
  const [play, setPlay] = useState<Play | null>(null)
  const [done, setDone] = useState<number | null>(null)

  const start = async (models: ReadonlyArray<string>) => {
    const controller = new AbortController()
    let next = 0
    let ended = 0
    setDone(null)
    setPlay({ sent: 0, controller })
    const worker = async () => {
      while (next < sampleCalls && !controller.signal.aborted) {
        const index = next++
        const model = models[index % models.length]!
        const response = await fetch("/api/playground", {
          method: "POST",
          headers: { "content-type": "application/json" },
          body: JSON.stringify(callOf(index, model)),
          signal: controller.signal
        }).catch(() => undefined)
        if (response?.status === 401) {
          controller.abort()
          goToLogin()
        }
        await response?.text().catch(() => undefined)
        if (response === undefined) continue
        ended++
        setPlay({ sent: ended, controller })
      }
    }
    await Promise.all(Array.from({ length: atOnce }, worker))
    setPlay(null)
    setDone(ended)
    await queries.invalidateQueries()
  }

  return { sent: play?.sent ?? null, done, start, stop: () => play?.controller.abort() }
}
