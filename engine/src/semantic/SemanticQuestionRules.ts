/**
 * How questions are put in English: the words at both ends of a prompt that say what kind of answer it wants.
 *
 * Rules are anchored at the beginning or the end and are tried in their order, so the more particular ones come first. They
 * read words in lower case with single spaces, contractions written out; no rule can take more than linear time.
 */

/** Kinds of answers. */
export type Kind =
  | "topic"
  | "show"
  | "define"
  | "what"
  | "compare"
  | "how-to"
  | "way"
  | "tips"
  | "wish"
  | "statement"
  | "help"
  | "can"
  | "must"
  | "should"
  | "yes-no"
  | "why"
  | "when"
  | "where"
  | "who"
  | "whose"
  | "which"
  | "how"
  | "how-much"
  | "how-many"
  | "how-long"
  | "how-often"
  | "cost"
  | "what-if"

const words = (pattern: string): RegExp => new RegExp(`^(?:${pattern})(?= |$)`)

/** Greetings and courtesy at the beginning. */
export const polite = words(
  `hi(?: there| all| team| everyone)?|hello(?: there)?|hey(?: there| guys| you)?|greetings|good (?:morning|afternoon|evening|day)|please|kindly|ok|so|well|um|uh|hmm|alright|also|just|and|but|` +
    `(?:quick |one |another )?question|excuse me|sorry|thanks|thank you(?! (?:note|letter|card|email|message|gift|speech))|i (?:have|got) (?:a|another|one) (?:quick |simple )?question(?: about| on| regarding| for you)?|` +
    `i (?:was|am) (?:just )?(?:wondering|curious)(?: about| if you (?:could|can|would)(?: please)?(?: tell me| explain| help me)?)?|` +
    `i wonder(?: if you (?:could|can))?|(?:would|do) you mind|(?:can|could|would|will) you(?: please| kindly| possibly| maybe| also| just)*(?: be able to)?(?: help me(?: to| with| by)?)?|` +
    `(?:can|could|may|might) i (?:please )?ask(?: you)?|(?:do|would) you (?:happen to )?know|any idea|` +
    `does (?:anyone|anybody|someone) know|i (?:just |really |also )?(?:need|want|would like|would love|wanted|am trying|am looking|like) to (?:know|find out|understand|ask)(?: more)?(?: about)?|` +
    `(?:let me know|tell me)(?: more)?(?: about)?|help me(?: to| with| out| understand| figure out| find out)?|` +
    `i (?:just |really )?(?:need|want|would like|would love) (?:you to|(?:some |your )?(?:help|assistance)(?: with| to| on| in)?)|` +
    `i am (?:looking for|interested in)|looking for|is there any chance you (?:could|can)|if (?:possible|you can|you could)|` +
    `it would be (?:great|nice|helpful) if you could|would it be possible for you to|are you able to|` +
    `in (?:short|brief|general)|(?:as )?an? (?:quick|simple) question|for me|to me`
)

/** Courtesy at the end. */
export const politeEnd =
  / (?:please|thanks(?: a lot| so much| in advance| again)?|thank you(?: so much| very much| in advance)?|for me|to me|kindly|asap|cheers|ok|right|if possible|if you can|if you could|(?:is|would) (?:that|this|it) (?:be )?possible|anyway|though|exactly|in (?:detail )?please)$/

const i = "(?: (?:i|you|we|one|someone|somebody|a person|people))"

/** Rules in the order in which they are tried; what they match is taken off. */
export const rules: ReadonlyArray<readonly [RegExp, Kind, string?]> = [
  [words(`what if`), "what-if"],
  [
    words(
      `what (?:happens|would happen|will happen|can happen) (?:if|when)(?: (?:i|you|we|someone|somebody|a person|people))?|(?:what are the )?consequences of`
    ),
    "what-if",
    "happens"
  ],
  [
    words(
      `how (?:do|does|did|can|could|should|would|might|shall|must|am|are)${i}(?: (?:go about|best|actually|even|possibly|properly|get to|manage to|able to|supposed to))*|how to(?: (?:best|properly))?|how (?:does one|can one)`
    ),
    "how-to"
  ],
  [
    words(
      `what(?: (?:is|are|would be|was|were|might be))? (?:the |a |an |some |my |your |all )*(?:good |best |better |easy |right |correct |proper |recommended |possible |different |various |standard |simple )*(?:ways?|methods?|process|procedure|steps?|instructions?|approach|approaches)(?: (?:i|we|you) (?:need|have|should|can|could) (?:to )?(?:take|follow|do)?)? (?:to|of|for)|` +
        `what (?:do|should|must|can|could|would|shall) (?:i|we|you) (?:have to |need to )?do (?:in order to|to|if (?:i|we|you) (?:want|need|wish) to)|` +
        `what steps (?:do|should|must|can) i (?:need to |have to )?take to|` +
        `(?:give me |show me |list |provide )?(?:the |some |a )*(?:good |best |better |top |great |simple |easy |easiest |right |proper |different |effective |most |practical |proven |useful )*(?:ways?|methods?|steps?|instructions?|procedure|process|directions?|walkthrough)(?: by step)?(?: guide| instructions)? (?:to|for|of|on how to)|` +
        `(?:explain|describe|show|teach|tell|guide|walk)(?: me| us)?(?: on| through)?(?: about)? how (?:to|i can|i could|you can|we can|one can|do i|i should|i)|` +
        `(?:guide|tutorial|instructions|directions|advice|tips) (?:on|about|for) how to|(?:a |the )?(?:guide|tutorial) (?:to|on|for|about)|i (?:do not|did not) know how to|i can not figure out how to|any way to`
    ),
    "how-to"
  ],
  [
    words(
      `is there (?:a |any |some |an )*(?:easy |good |better )?(?:way|method|option|possibility)s?(?: for me| for us)?(?: to| that i can| i can| where i can| of)`
    ),
    "way"
  ],
  [
    words(
      `why|how come|what (?:is|are|was|were) the (?:main |possible |primary |common |biggest )*reasons?(?: (?:for|of|why|that|behind))?|(?:the )?reasons? (?:for|why|behind)|(?:the |main |common |possible )*causes? of|what (?:is|are) (?:making|causing)|what (?:can cause|causes|caused|makes|made)|for what reason|explain why|what (?:is|are|was|were) the (?:main |possible |primary )*causes? (?:of|for)|for which reason`
    ),
    "why"
  ],
  [words(`when|what year|which year|in (?:what|which) year`), "when"],
  [words(`(?:at |by |on |around )?(?:what|which) (?:time|hour)s?`), "when", "time"],
  [words(`(?:on |by )?(?:what|which) (?:date|day)`), "when", "day"],
  [
    words(
      `(?:explain |tell me |show me )?where (?:can|could|do|should|would|might)${i} (?:find|see|locate|access|look for|look at|view)`
    ),
    "where",
    "find"
  ],
  [words(`where (?:is|are)|what is the location of|(?:the )?location of`), "where", "is"],
  [words(`(?:explain |tell me |show me )?where|(?:in |at )?(?:what|which) (?:place|location)s?`), "where"],
  [words(`whose`), "whose"],
  [words(`who|whom|which person|what person|who is the person (?:who|that)`), "who"],
  [
    words(
      `how (?:long|much time)(?: (?:does|do|did|will|would|can|could|should)(?: it| this| that)? take(?: for| to)?)?|what is the (?:duration|length of time) (?:of|for|to)|how many (?:days|hours|minutes) (?:does|do|will) it take(?: for| to)?`
    ),
    "how-long"
  ],
  [words(`how (?:often|frequently)|how many times|what is the frequency of`), "how-often"],
  [words(`how many|(?:what is |what are |find )?the number of|number of|the amount of`), "how-many"],
  [words(`how much|how expensive`), "how-much"],
  [words(`how`), "how"],
  [
    words(
      `(?:is|was|would|will) it (?:be )?(?:possible|allowed|permitted|permissible) (?:for (?:me|us) )?(?:to|that i|if i|for)|(?:can|could|may|might) (?:i|we|people|a person|one)|(?:am|are) (?:i|we) (?:able|allowed|permitted|eligible) to|will i be able to|do i have the (?:option|ability) to`
    ),
    "can"
  ],
  [
    words(
      `(?:do|must|would|will|does|did) (?:i|we|you|one) (?:have|need|got|required) to|must (?:i|we|you)|(?:am|are) (?:i|we) (?:required|obliged|supposed) to|is it (?:necessary|required|mandatory|compulsory|obligatory) (?:for (?:me|us) )?to`
    ),
    "must"
  ],
  [
    words(
      `(?:should|shall|ought) (?:i|we)|(?:is|would) it (?:be )?(?:a good idea|wise|advisable|smart|recommended|better|best) (?:for (?:me|us) )?to|is it worth`
    ),
    "should"
  ],
  [
    words(
      `what (?:should|can|could|do|must|shall) (?:i|we|you) (?:have to |need to )?do(?: (?:if|when|about|with|now))?`
    ),
    "help"
  ],
  [
    words(
      `(?:what is |what are |give me |tell me |explain |write )?(?:the |a |an )?(?:meaning|definition|explanation|introduction|intro|overview) (?:of|for|to)(?: the (?:word|term|phrase))?|what is meant by|define|explain(?: (?:to me|me|for me))? what(?: (?:is|are))?(?: (?:the )?(?:concept|idea|notion|meaning|term) of)?|describe|what (?:is|are) the concept of|give (?:me )?an explanation of`
    ),
    "define"
  ],
  [
    words(`explain(?: (?:to me|me|for me))?(?: (?:is|are))?(?: (?:the )?(?:concept|idea|notion|meaning|term) of)?`),
    "define",
    "explains"
  ],
  [
    words(
      `(?:what (?:is|are) )?(?:the |a |main |key |some |important |explain )*(?:differences?|distinctions?|comparison) (?:between|of)|compare|contrast`
    ),
    "compare"
  ],
  [
    words(
      `what (?:is|are|was|were)(?: (?:the|some|a|an|all))*|(?:what|which) (?:city|country|person|company|place|animal|thing)(?= (?:is|are|was|were) )|(?:what|which)(?: (?:kinds?|types?|sorts?|forms?) of)?`
    ),
    "what"
  ],
  [
    words(
      `(?:give|share|provide|offer|suggest|list)?(?: me| us)?(?: some| any| a few)?(?: good| best| top| useful| helpful| great| practical| quick| simple| easy| effective)* ?(?:tips|advice|suggestions|pointers)(?: and tricks| and advice)? (?:for|on|to|about|how)`
    ),
    "tips"
  ],
  [
    words(
      `(?:show|give|find|get|provide|fetch|retrieve|locate|calculate|compute|determine|search(?: for)?|look up|look for|suggest|recommend|tell|enumerate|list)(?: me| us)?(?: with)?(?: (?:a list of|the list of|some|a|an|the))*|(?:display|return|share|name|offer|view|see|present|print|output|state|mention|pull up|bring up) (?:me|us|the|some|all the|a list of)|i (?:want|need|would like) to (?:see|view|get a list of)|(?:the |a )?list of|what about|how about`
    ),
    "show"
  ],
  [
    words(
      `i (?:really |just |also )?(?:want|need|would like|would love|wish|am trying|am looking|am hoping|have|wanted|needed|like) to`
    ),
    "wish"
  ],
  [words(`i (?:want|need|would like)`), "wish", "noun"],
  [
    words(`(?:is|are|am)(?: there)?|(?:if|whether)(?= (?:i|you|it|there|we|they|he|she|the|a|my|your) )`),
    "yes-no",
    "is"
  ],
  [words(`(?:was|were)(?: there)?`), "yes-no", "was"],
  [words(`(?:do|does)(?! not)`), "yes-no", "is"],
  [words(`did`), "yes-no", "was"],
  [words(`has|have(?= (?:i|you|we|they|the|my))|had`), "yes-no", "has"],
  [words(`will|would`), "yes-no", "will"],
  [words(`can|could|may|might`), "yes-no", "can"],
  [words(`should|ought`), "yes-no", "should"]
]

/** What may stand at the end of a prompt and says what kind of answer it wants. */
export const endings: ReadonlyArray<readonly [RegExp, Kind]> = [
  [/ (?:explained|explanation|definition|meaning|overview explained)$/, "define"],
  [/ (?:tips|advice)$/, "tips"],
  [/ by (?:who|whom)$/, "who"],
  [/ (?:tutorial|guide|how to|instructions|step by step|step by step guide)$/, "how-to"],
  [/ (?:difference|differences|comparison|compared)$/, "compare"],
  [/ (?:list|recommendations|suggestions)$/, "show"],
  [/,? what (?:(?:should|can|do|could|must) i (?:have to |need to )?|to )do(?: now| about (?:it|this|that))?$/, "help"],
  [/ why(?: is that| is this)?$/, "why"]
]
