/**
 * Makes prompts that look alike and want different answers: one word of a prompt is replaced by another of its kind.
 */

/** Pairs of words by kind; swapping one for the other changes the answer. */
export const swaps: Readonly<Record<string, ReadonlyArray<readonly [string, string]>>> = {
  numbers: [
    ["3", "7"],
    ["12", "21"],
    ["five", "six"],
    ["2019", "2021"],
    ["100", "1000"],
    ["1.5", "15"],
    ["one", "two"]
  ],
  units: [
    ["km", "miles"],
    ["minutes", "hours"],
    ["dollars", "euros"],
    ["kg", "pounds"],
    ["celsius", "fahrenheit"]
  ],
  places: [
    ["Paris", "Rome"],
    ["London", "Berlin"],
    ["boston", "denver"]
  ],
  dates: [
    ["January", "June"],
    ["monday", "friday"],
    ["summer", "winter"]
  ],
  persons: [
    ["John", "Jane"],
    ["Alice", "Bob"],
    ["my", "your"],
    ["he", "she"],
    ["his", "her"]
  ],
  order: [
    ["before", "after"],
    ["first", "last"],
    ["next", "previous"],
    ["since", "until"],
    ["with", "without"],
    ["above", "below"],
    ["over", "under"],
    ["from", "to"]
  ],
  quantifiers: [
    ["most", "least"],
    ["more", "less"],
    ["all", "any"],
    ["always", "never"],
    ["best", "worst"],
    ["many", "few"],
    ["minimum", "maximum"],
    ["highest", "lowest"],
    ["cheapest", "fastest"],
    ["at least", "at most"],
    ["only", "also"]
  ],
  languages: [
    ["Python", "Java"],
    ["French", "Spanish"],
    ["python", "ruby"],
    ["english", "german"],
    ["C", "C++"]
  ],
  formats: [
    ["JSON", "YAML"],
    ["table", "list"],
    ["poem", "story"],
    ["haiku", "limerick"],
    ["pdf", "csv"]
  ],
  antonyms: [
    ["enable", "disable"],
    ["increase", "decrease"],
    ["add", "remove"],
    ["open", "close"],
    ["buy", "sell"],
    ["lock", "unlock"],
    ["import", "export"],
    ["cheap", "expensive"],
    ["hot", "cold"],
    ["safe", "unsafe"],
    ["legal", "illegal"],
    ["upload", "download"],
    ["deposit", "withdraw"],
    ["install", "uninstall"],
    ["encrypt", "decrypt"],
    ["formal", "informal"],
    ["long", "short"]
  ],
  questions: [
    ["how", "why"],
    ["when", "where"],
    ["who", "what"],
    ["what", "why"],
    ["is", "was"],
    ["do", "did"]
  ],
  things: [
    ["dog", "cat"],
    ["blue", "red"],
    ["doctor", "lawyer"],
    ["postgres", "mysql"],
    ["tomato", "potato"],
    ["visa", "mastercard"],
    ["merge", "rebase"],
    ["v1.2", "v1.3"],
    ["main.py", "main.js"],
    ["zorblax", "quindle"]
  ]
}

/** Every swap in both directions. */
export const allSwaps: ReadonlyArray<readonly [kind: string, word: string, other: string]> = Object.entries(
  swaps
).flatMap(([kind, pairs]) =>
  pairs.flatMap(([a, b]): ReadonlyArray<readonly [string, string, string]> => [
    [kind, a, b],
    [kind, b, a]
  ])
)

/** The prompt with the first occurrence of a word replaced; undefined where it has none. */
export const replaceWord = (prompt: string, word: string, other: string): string | undefined => {
  const pattern = new RegExp(
    `(?<![\\w'+#.])${word.replace(/[+.]/g, "\\$&")}(?![\\w'+#])`,
    /[A-Z]/.test(word) ? "" : "i"
  )
  return pattern.test(prompt) ? prompt.replace(pattern, () => other) : undefined
}

/** The prompt with a word put before its n-th word. */
export const insertWord = (prompt: string, at: number, word: string): string => {
  const words = prompt.split(" ")
  return [...words.slice(0, at), word, ...words.slice(at)].join(" ")
}

/** Prompts of many kinds, for when no shared data is at hand. */
export const prompts: ReadonlyArray<string> = [
  "How do I sort a dictionary by value in Python before I print it?",
  "Write a haiku about a dog that is always hungry",
  "What is the capital of the country with the highest mountain?",
  "Convert 12 km to miles",
  "Which doctor should I see first if my cat has a cold?",
  "Explain why the best engines increase pressure",
  "Suggest a cheap hotel in Paris for five people in January",
  "Give me a table of all planets with more than 3 moons",
  "What happens to my deposit when I close the account?",
  "How long do I boil a tomato from the garden?",
  "Summarise the history of Rome since 1900 in 100 words",
  "Is it legal to record a phone call in Texas without consent?",
  "Where can I find the minimum salary of a lawyer in London?",
  "Compare postgres and mysql for many small writes",
  "Who wrote the poem that John read to his sister?",
  "How do I enable dark mode and import settings on Linux?",
  "What did the first person on the moon do next?",
  "List the files that changed over the summer in main.py"
]
