/**
 * `budgets` of the configuration: every default is filled in, and every mistake is told with its path.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { decode, type EngineConfigInput } from "../../engine/src/Config.ts"

const errors = (budgets: unknown): string =>
  Effect.runSync(
    Effect.match(decode({ providers: [{ name: "openai", apiKey: "k" }], budgets } as EngineConfigInput, { env: {} }), {
      onFailure: ({ message }) => message,
      onSuccess: () => ""
    })
  )

const one = { name: "month", scope: "global", period: "month", usd: 10 } as const

describe("budgets in the configuration", () => {
  it("fills in what is left out", () => {
    const { budgets } = Effect.runSync(decode({ budgets: [one] }, { env: {} }))
    assert.deepStrictEqual(budgets, [
      {
        ...one,
        of: undefined,
        timeZone: "UTC",
        warnAt: [0.8, 1],
        reserve: "bound",
        unpriced: "refuse",
        onStoreFailure: "allow"
      }
    ])
  })

  it("takes one name or several, and sorts shares", () => {
    const budgets = [
      { ...one, name: "a", scope: "tenant", of: "acme", warnAt: [1, 0.5, 0.5] },
      { ...one, name: "b", scope: "model", of: ["gpt-5*", "anthropic/*"], tokens: 5 }
    ] as const
    const decoded = Effect.runSync(decode({ budgets }, { env: {} })).budgets
    assert.deepStrictEqual(
      decoded.map(({ of, warnAt }) => [of, warnAt]),
      [
        [["acme"], [0.5, 1]],
        [
          ["gpt-5*", "anthropic/*"],
          [0.8, 1]
        ]
      ]
    )
  })

  const mistakes: ReadonlyArray<readonly [string, unknown, string]> = [
    ["no list", {}, "budgets: expected a list of budgets, got an object"],
    [
      "a zone that is none",
      [{ ...one, timeZone: "Mars/Base" }],
      'budgets[0].timeZone: expected the IANA name of a time zone, such as Europe/Berlin, got "Mars/Base"'
    ],
    [
      "nothing to count",
      [{ name: "x", scope: "global", period: "day" }],
      "budgets[0].usd: expected dollars, or tokens beside it, got nothing"
    ],
    ["no money", [{ ...one, usd: 0 }], "budgets[0].usd: expected dollars, over 0 and at most 9000000, got 0"],
    ["half a token", [{ ...one, tokens: 0.5 }], "budgets[0].tokens: expected a positive integer, got 0.5"],
    ["a name twice", [one, one], "budgets[1].name: duplicate of budgets[0].name"],
    [
      "a name of a key's budget",
      [{ ...one, name: "key:month" }],
      "budgets[0].name: expected a name of letters, digits, '.', '_' and '-', at most 64 characters, got \"key:month\""
    ],
    [
      "an unknown scope",
      [{ ...one, scope: "team" }],
      'budgets[0].scope: expected one of global, tenant, key, model, provider, got "team"'
    ],
    [
      "an unknown period",
      [{ ...one, period: "week" }],
      'budgets[0].period: expected one of minute, hour, day, month, total, got "week"'
    ],
    [
      "names of everybody",
      [{ ...one, of: "acme" }],
      "budgets[0].of: a budget of scope global counts everybody; leave it out"
    ],
    [
      "no such provider",
      [{ ...one, scope: "provider", of: ["opnai"] }],
      'budgets[0].of[0]: "opnai" is not a provider, did you mean "openai"?'
    ],
    [
      "a share over 1",
      [{ ...one, warnAt: [2] }],
      "budgets[0].warnAt[0]: expected a number over 0 and at most 1, got 2"
    ],
    ["a misspelt key", [{ ...one, timezone: "UTC" }], 'budgets[0].timezone: unknown key, did you mean "timeZone"?']
  ]
  for (const [name, budgets, message] of mistakes) {
    it(`refuses ${name}`, () => assert.strictEqual(errors(budgets), message))
  }
})
