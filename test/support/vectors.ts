/**
 * Shared prompts in memory: every vector is compared, so that it says what the others have to find.
 */
import { Effect } from "effect"
import type { GroupFilter } from "../../engine/src/CacheGroup.ts"
import type { SharedPrompt, VectorStore, WrongAnswer } from "../../engine/src/VectorStore.ts"

export class PromptTable {
  readonly prompts = new Map<string, SharedPrompt>()
  readonly removed: Array<WrongAnswer> = []

  open(space: string): VectorStore {
    const idOf = (key: string) => `${space}\n${key}`
    const own = () => [...this.prompts].filter(([id]) => id.startsWith(`${space}\n`)).map(([, prompt]) => prompt)
    return {
      prepare: Effect.void,
      put: (prompts) =>
        Effect.sync(() => {
          for (const prompt of prompts) this.prompts.set(idOf(prompt.key), prompt)
        }),
      nearest: (partition, vector, limit, nowMs) =>
        Effect.sync(() =>
          own()
            .filter((each) => each.partition === partition && each.vector.length === vector.length)
            .filter(({ expiresAtMs }) => expiresAtMs > nowMs)
            .map((each) => ({ ...each, score: cosine(each.vector, vector) }))
            .sort((a, b) => b.score - a.score)
            .slice(0, limit)
            .map(({ addedAtMs, key, score, text }) => ({ addedAtMs, key, score, text }))
        ),
      get: (keys, nowMs) =>
        Effect.sync(() => own().filter(({ expiresAtMs, key }) => expiresAtMs > nowMs && keys.includes(key))),
      remove: (wrong) =>
        Effect.sync(() => {
          this.prompts.delete(idOf(wrong.key))
          this.removed.push(wrong)
        }),
      purge: (filter) =>
        Effect.sync(() => {
          const gone = [...this.prompts].filter(([, { answer }]) => fits(filter, JSON.parse(answer) as GroupFilter))
          for (const [id] of gone) this.prompts.delete(id)
          return gone.length
        }),
      removals: (place) => Effect.sync(() => ({ removed: this.removed.slice(place), place: this.removed.length })),
      prune: (nowMs) =>
        Effect.sync(() => {
          for (const [id, { expiresAtMs }] of this.prompts) if (expiresAtMs <= nowMs) this.prompts.delete(id)
        })
    }
  }
}

const fits = (filter: GroupFilter, group: GroupFilter): boolean =>
  Object.entries(filter).every(([name, value]) => value === undefined || group[name as keyof GroupFilter] === value)

export const cosine = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let [product, left, right] = [0, 0, 0]
  for (let i = 0; i < a.length; i++) {
    product += a[i]! * b[i]!
    left += a[i]! * a[i]!
    right += b[i]! * b[i]!
  }
  return product / Math.sqrt(left * right)
}
