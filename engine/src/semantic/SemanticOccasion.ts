/**
 * Prompts whose answer belongs to one moment: those that depend on the time of asking and those that ask for a deed.
 *
 * "What's the weather today" and "book me a flight" must not be answered from memory; "how do I book a flight" may. It
 * reads the words of a prompt in lower case, contractions written out.
 */

const timeWords =
  / (?:today|tonight|tomorrow|yesterday|nowadays|(?:right |just )?now(?! (?:that|and))|at the moment|at present|currently (?:is|are|the)|so far|this (?:morning|afternoon|evening|week|weekend|month|year|quarter|season|semester|summer|winter|spring|fall|autumn)|(?:next|last|past|coming|upcoming) (?:night|week|weekend|month|year|quarter|season|semester|monday|tuesday|wednesday|thursday|friday|saturday|sunday|summer|winter|few (?:days|weeks|months))|(?:days?|weeks?|months?|years?|hours?|minutes?) (?:ago|from now)|(?:later|earlier) (?:on|today)|what (?:time|day|date|month|year) (?:is it|is this|it is|are we|do you have)|(?:is|tell me|what is|give me) the (?:current )?(?:time|date)(?: (?:in|for|at|now|please))?(?= |$)(?! (?:zone|complexity|limit|difference|of|to|when|that|it|i|my|for (?:a|an|the)))|current(?:ly)? (?:time|date|day|weather|temperature|price|news|score|president|status|events?|traffic|exchange|interest|rate|rates)|(?:latest|recent|breaking|newest) (?:news|headlines?|scores?|results?|updates?|events?)|headlines|(?<!climate (?:and|vs|or) )(?:weather|forecast)(?! (?:api|model|app|pattern|system|proof|(?:and|vs|or) climate))|still open|open now|live (?:score|scores|stream|results?)) /

/** News and prices depend on the time unless a date is named. */
const quotes =
  / (?:news|stock price|share price|price of (?:bitcoin|gold|oil|ethereum)|exchange rate|score of|traffic) /
const dated = / (?:(?:19|20)\d\d(?:-\d\d-\d\d)?|api|feature|article|website|writing) /

const ask = `(?:(?:please|kindly|hi|hello|hey|ok|so|just|can|could|would|will|you|go|ahead|and|i|want|need|like|help|me|mind|to) )*`

/** Deeds that are asked for with an object that belongs to somebody or is named: "cancel my order", "send him an email". */
const owned = `(?:me|us|my|our|him|her|his|them|their|this|that|it|all my|the|a|an|some|two|three|four|one|\\d+|for|mom|dad|everyone)`
const deeds = new RegExp(
  `^ ${ask}(?:(?:book|reserve|order|buy|purchase|cancel|send|resend|text|call|phone|message|email|e-mail|pay|wire|schedule|reschedule|remind|submit|approve|deploy|restart|reboot|post|tweet|unsubscribe|subscribe|refund|block|freeze|unfreeze|unblock|activate|deactivate|close|delete|erase|mute|unmute|pause|resume|dial|ring|notify|forward|stop|renew|upgrade|downgrade|transfer|move|deposit|withdraw|lock|unlock|snooze|confirm|rsvp) ${owned} |(?:set|create|make|add|start|change|update|turn|put|remove|take|play|stop|skip|switch|connect|check|track|sign|log) (?:\\w+ ){0,4}(?:alarm|alarms|timer|timers|reminder|reminders|appointment|appointments|meeting|reservation|reservations|lights?|volume|thermostat|temperature|todo|to do|shopping list|grocery list|calendar|playlist|song|music|podcast|movie|tv|ac|heating|order|orders|booking|ticket|tickets|on|off) |(?:send|transfer|wire|pay) (?:\\$?\\d|\\w+ (?:to|from) |money |payment )|(?:play|resume) |(?:turn|switch) (?:on|off|up|down) |wake me |connect me |add .{1,60} to (?:my|the|our) |remove .{1,60} from (?:my|the|our) )`
)

/** Verbs of deeds that are ordinary questions when something like this stands before them. */
const asking =
  /^ (?:\w+ ){0,4}(?:how|what|where|when|why|who|which|can i|could i|may i|do i|is it|am i|are there|is there|should i|able to|possible) /

/** Whether the answer depends on when the prompt is asked. */
export const dependsOnTime = (line: string): boolean => {
  const padded = ` ${line} `
  return timeWords.test(padded) || (quotes.test(padded) && !dated.test(padded))
}

/** Whether the prompt asks for something to be done in the world. */
export const asksForDeed = (line: string): boolean => {
  const padded = ` ${line} `
  return deeds.test(padded) && !asking.test(padded)
}
