import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { analyse, lengthMax } from "../../../engine/src/semantic/SemanticFeatures.ts"
import { compare } from "../../../engine/src/semantic/SemanticGate.ts"

const verdictOf = (text: string): string => {
  const analysis = analyse(text)
  return analysis._tag === "Judgeable" ? "judged" : analysis.reason
}

describe("SemanticFeatures", () => {
  it.each([
    ["language", "¿Cómo puedo restablecer mi contraseña?"],
    ["language", "Wie kann ich mein Passwort zurücksetzen?"],
    ["language", "Comment puis-je annuler mon abonnement ?"],
    ["language", "как мне сбросить пароль"],
    ["language", "パスワードをリセットする方法"],
    ["language", "mera password kaise reset karu kya hai"],
    ["time-dependent", "What's the weather like in Paris"],
    ["time-dependent", "what happened today in tech"],
    ["time-dependent", "What time is it in Tokyo?"],
    ["time-dependent", "latest news about OpenAI"],
    ["time-dependent", "who is the current president"],
    ["action", "Book me a flight to Rome"],
    ["action", "send an email to John"],
    ["action", "Please cancel my order"],
    ["action", "Could you remind me to call mom"],
    ["action", "set an alarm for 7"],
    ["empty", "  \n "],
    ["code-only", "```js\nconst a = 1 + 2\n```"],
    ["too-long", "word ".repeat(400)]
  ])("doesn't judge what is %s: %s", (reason, text) => {
    expect(verdictOf(text)).toBe(reason)
  })

  it.each([
    "How do I cancel my order?",
    "Where can I book a flight?",
    "What is the time complexity of quicksort?",
    "weather api comparison",
    "kubectl rollout undo",
    "¿Dónde? What does that word mean in English?",
    "Email marketing tips",
    "How can I send money abroad?"
  ])("judges %s", (text) => {
    expect(verdictOf(text)).toBe("judged")
  })

  it("takes bounded time for any input, words of Object.prototype included", () => {
    const pieces = fc.constantFrom(
      "constructor",
      "__proto__",
      "i would like you to ",
      "please ",
      "how do i ",
      "'",
      '"',
      "`",
      "```",
      " ",
      "\n",
      "a",
      "9",
      "-",
      "/",
      "(",
      ":",
      "https://",
      "not ",
      "and ",
      "$1,0",
      "²",
      "e\u0301",
      "\ue000",
      "\ud83d",
      "get find make "
    )
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 40 }), fc.integer({ min: 1, max: 40 }), (parts, times) => {
        const text = parts.join("").repeat(times).slice(0, lengthMax)
        const before = performance.now()
        const analysis = analyse(text)
        if (analysis._tag === "Judgeable") expect(compare(analysis.features, analysis.features).same).toBe(true)
        expect(performance.now() - before).toBeLessThan(1000)
      }),
      { numRuns: 500 }
    )
    const before = performance.now()
    expect(verdictOf("x".repeat(10_000_000))).toBe("too-long")
    expect(verdictOf(" ".repeat(1_000_000))).toBe("too-long")
    expect(performance.now() - before).toBeLessThan(1000)
  })

  it("never throws and always finds a prompt like itself", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 200 }), (text) => {
        const analysis = analyse(text)
        if (analysis._tag === "Judgeable")
          expect(compare(analysis.features, analysis.features)).toEqual({ same: true, similarity: 1 })
      }),
      { numRuns: 1000 }
    )
  })
})
