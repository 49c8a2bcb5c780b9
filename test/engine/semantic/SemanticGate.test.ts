import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { analyse } from "../../../engine/src/semantic/SemanticFeatures.ts"
import { compare, type Verdict } from "../../../engine/src/semantic/SemanticGate.ts"
import { prompts } from "../../support/near-misses.ts"

const verdictOf = (asked: string, stored: string): Verdict => {
  const a = analyse(asked)
  const b = analyse(stored)
  if (a._tag === "Unjudgeable" || b._tag === "Unjudgeable") throw new Error(`not judged: ${asked} | ${stored}`)
  return compare(a.features, b.features)
}

const serves = (asked: string, stored: string): boolean => verdictOf(asked, stored).same

const reasonOf = (asked: string, stored: string): string => {
  const verdict = verdictOf(asked, stored)
  return verdict.same ? "served" : verdict.reason
}

describe("SemanticGate serves what asks the same", () => {
  it.each([
    ["How do I sort a dictionary by value in Python?", "In Python, how do I sort a dictionary by value?"],
    ["How do I reset my password?", "What are the steps to reset my password?"],
    ["How can I cancel my subscription?", "what's the best way to cancel my subscription"],
    ["What is the price of renewing a passport?", "How much does a passport renewal cost?"],
    ["How tall is the Eiffel Tower?", "What is the height of the Eiffel Tower?"],
    ["What is 15% of 240?", "what is 15 percent of 240"],
    ["Recommend a laptop under $1,000", "recommend a laptop under 1000 dollars"],
    ["What is the minimum wage in the US?", "What is the minimum wage in the United States?"],
    ["Convert 10 miles to kilometers", "How many km are 10 miles?"],
    ["Was the bridge built by the Romans?", "Did the Romans build the bridge?"],
    ["Is Anna married to Boris?", "Is Boris married to Anna?"],
    ["Compare Postgres and MySQL for analytics", "Postgres vs MySQL for analytics"],
    ["Why is the sky blue?", "what's the reason for the sky being blue"],
    ["How does photosynthesis work?", "How does photosythesis work?"],
    ["Explain recursion with an example", "With an example, explain recursion"],
    ["Write a 200-word summary of the Odyssey", "Write a summary of the Odyssey in 200 words"],
    ["site:example.org climate report", "climate report site:example.org"],
    ["Closest gas station", "nearest petrol station"],
    ["Who wrote Hamlet?", "Who is the author of Hamlet?"],
    ["Is quinoa gluten-free?", "Is quinoa without gluten?"],
    ["Health benefits of green tea", "Benefits of drinking green tea"],
    ["Things to do in Rome", "What to do in Rome"],
    ["The Godfather director", "Who directed The Godfather?"],
    ["What is the population of Canada?", "How many people live in Canada?"],
    ["Why do cats purr?", "What is the reason cats purr?"],
    ["Best time to visit Iceland", "When is the best time to visit Iceland?"],
    ["How does a hybrid car work?", "Explain how hybrid cars work"],
    ["Best video editing laptops", "Best laptops for video editing"],
    ["sql inner join example", "example of an inner join in sql"],
    ["Why does my Docker container keep restarting?", "Docker container keeps restarting"],
    ["How to improve my credit score fast", "Ways to boost your credit score quickly"],
    ["Who painted the Mona Lisa?", "The Mona Lisa was painted by whom?"]
  ])("%s | %s", (a, b) => {
    expect(reasonOf(a, b)).toBe("served")
    expect(reasonOf(b, a)).toBe("served")
  })

  const before = fc.constantFrom(
    "",
    "please ",
    "Could you please ",
    "hi, ",
    "Hello! ",
    "I'd like to know: ",
    "Can you tell me "
  )
  const after = fc.constantFrom("", "?", "??", " please", " thanks", ". Thank you!", "  ")
  const questions = prompts.filter((prompt) => /^(?:What|How|Who|Where|Which|Explain)/.test(prompt))

  it("whatever politeness, case and punctuation stand around it", () => {
    fc.assert(
      fc.property(fc.constantFrom(...questions), before, after, (prompt, start, end) => {
        const bare = prompt.replace(/[?.]$/, "")
        const lower = bare[0]!.toLowerCase() + bare.slice(1)
        expect(reasonOf(`${start}${start === "" ? bare : lower}${end}`, prompt)).toBe("served")
      })
    )
  })

  it("with a similarity from 0.85 for other words to 1 for the same ones", () => {
    const other = verdictOf("Closest gas station in town", "nearest petrol station in town")
    const same = verdictOf("What is a monad?", "what is a  monad")
    expect(other.same && other.similarity).toBeGreaterThanOrEqual(0.85)
    expect(other.same && other.similarity).toBeLessThan(0.95)
    expect(same).toEqual({ same: true, similarity: 1 })
  })
})

describe("SemanticGate names what differs", () => {
  it.each([
    ["numbers", "Convert 10 miles to kilometers", "Convert 12 miles to kilometers"],
    ["units", "How hot is 40 degrees Celsius?", "How hot is 40 degrees Fahrenheit?"],
    ["quotes", 'Count the vowels in "banana"', 'Count the vowels in "bandana"'],
    ["code", "Is this right? `^\\d+$`", "Is this right? `^\\D+$`"],
    ["links", "Summarise https://example.com/a", "Summarise https://example.com/b"],
    ["negation", "Which foods help with gout?", "Which foods do not help with gout?"],
    ["names", "Write a bio of Ada Lovelace", "Write a bio of Grace Hopper"],
    ["language", "Write quicksort in Go", "Write quicksort in Rust"],
    ["format", "Write a haiku about rain", "Write a limerick about rain"],
    ["direction", "Flights from London to Oslo in spring", "Flights from Oslo to London in spring"],
    ["order", "Did Spain beat Italy?", "Did Italy beat Spain?"],
    ["person", "What is my balance?", "What is your balance?"],
    ["tense", "Why is the bridge closed?", "Why was the bridge closed?"],
    ["question", "When was the tower built?", "Why was the tower built?"],
    ["quantifier", "Did all of the tests pass?", "Did most of the tests pass?"],
    ["alternatives", "Is she an actress or a nurse?", "Is she an actress and a nurse?"],
    ["unknown-word", "How do I restart a zorblax?", "How do I restart a quindle?"]
  ])("%s: %s | %s", (reason, a, b) => {
    expect(reasonOf(a, b)).toBe(reason)
    expect(serves(b, a)).toBe(false)
  })

  it.each([
    ["How to get over a cold", "How to get a cold"],
    ["Gift ideas for dad", "Gift cards for dad"],
    ["Benefits of eating collagen", "Benefits of taking collagen"],
    ["Is sugar bad for you?", "Is sugar bad for your dog?"],
    ["Hire a director", "Who hires a director?"],
    ["President of Kenya", "Vice president of Kenya"],
    ["How many people live in Goa?", "How many people leave Goa?"],
    ["What is a solar panel?", "How does a solar panel work?"],
    ["What happens if I eat mold?", "What happens if my dog eats mold?"],
    ["Best time to visit Peru", "Best way to visit Peru"],
    ["How do I contact my landlord?", "How do I contact your landlord?"],
    ["What to eat during a fast", "What to eat before a fast"],
    ["Can someone hack my phone?", "Can I hack my phone?"],
    ["Ways to stop a nosebleed", "How to prevent a nosebleed"],
    ["How to find friendly dogs", "How to find dogs"],
    ["Dog training courses", "Courses for training cats"]
  ])("%s | %s: two answers", (a, b) => {
    expect(serves(a, b)).toBe(false)
    expect(serves(b, a)).toBe(false)
  })

  it("and says when only words that it doesn't know stood in the way", () => {
    expect(verdictOf("How do I restart a zorblax?", "How do I reboot a zorblax server?")).toMatchObject({
      same: false,
      onlyUnknownWords: true
    })
    expect(verdictOf("How do I restart 2 servers?", "How do I restart 3 servers?")).toMatchObject({
      same: false,
      onlyUnknownWords: false
    })
  })

  it("and takes nothing of what a text is about for something else when the words themselves are asked for", () => {
    expect(serves("Translate big house to French", "Translate large house to French")).toBe(false)
    expect(serves("How do you say please in Korean?", "How do you say thanks in Korean?")).toBe(false)
  })
})
