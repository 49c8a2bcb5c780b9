/**
 * Whether a prompt is written in English, the one language that the gate can judge.
 *
 * It goes by the script, by function words of other languages and by the share of English words. Names, code and quoted
 * text don't count. In doubt it says no: the prompt is then served by the exact cache alone.
 */
import { isKnown, lemmaOf } from "./SemanticLemma.ts"
import type { Token } from "./SemanticText.ts"

/** Frequent words of other languages in Latin script that are no English words. */
const foreign = new Set(
  `el los las una unos unas del al que qué como cómo cual cuál donde dónde cuando cuándo por porque para con sin sobre entre
  este esta esto ese esa eso mi mis tu tus su sus nuestro yo ella ellos nosotros usted ustedes es soy eres está estoy están
  hay fue ser estar tener tengo tiene quiero quiere puedo puede hacer necesito mejor muy más también pero ya ahora aquí
  le la les un une des du de et ou où qui quoi quel quelle comment pourquoi quand combien est sont suis êtes avez avoir être
  je tu il elle nous vous ils elles mon ma mes ton ta votre vos leur ce cette ces dans sur avec sans pour par mais très bien
  peux peut puis fait faire veux voudrais besoin
  der das den dem ein eine einen einem einer und oder aber nicht ist sind bin bist war wie warum wann wo wer welche welcher
  ich du er sie wir ihr mein meine dein deine kann kannst können muss soll möchte habe hat haben werden wird für mit ohne auf
  aus bei nach von zu zum zur über unter zwischen auch nur sehr gibt
  il lo gli uno di da che chi cosa come dove perché quanto quale sono sei è siamo ho hai ha abbiamo mio mia tuo tua nel nella
  della delle dei con senza più anche posso può fare voglio vorrei
  o os as um uma uns umas da das dos na nas no nos em com sem para não sim eu você ele ela nós meu minha seu sua qual quais
  onde quando quanto é são está estou tenho tem quero preciso fazer isso esse essa muito também mas
  het een van ik jij wij zij mijn jouw niet geen wel wat waar wanneer waarom hoe welke ben bent zijn heb heeft kan kunt moet
  voor met zonder naar uit bij ook maar
  och att är jag du hur vad när var kan inte med för på som det den en ett
  og jeg hvordan hva hvad ikke til av af
  nie jak co gdzie kiedy dlaczego jest są mam może się do na dla przez
  nasıl nedir ne bir ve için bu değil mi var yok
  apa bagaimana yang dan saya tidak untuk dengan ini itu adalah kamu
  kya hai kaise mein nahi kyun aap mera hain ka ki ke
  toi la gi khong cua`.split(/\s+/)
)

/** English function words; some are words of other languages too and count for both. */
const english = new Set(
  `the of and to in is are was were a an for on with at by from as that this it be i you my your me we our he she his her
  they their what how why when where who which can could should would do does did have has not or if about than then there
  will all any some more most please its us`.split(/\s+/)
)

/** Words that are in both lists in practice; one of them alone says nothing. */
const shared = new Set(
  "a as is no on me in do to an or war hat man at am for all her his was die it us we my our i he no son".split(" ")
)

/** Whether the words of a prompt are English. */
export const isEnglish = (text: string, tokens: ReadonlyArray<Token>): boolean => {
  const letters = text.match(/\p{L}/gu)?.length ?? 0
  const latin = text.match(/[A-Za-z\u00c0-\u024f]/g)?.length ?? 0
  if (letters > 0 && latin / letters < 0.7) return false
  let words = 0
  let known = 0
  let own = 0
  let other = 0
  for (const { capital, capitals, kind, quoted, text: word } of tokens) {
    if (kind !== "word" || quoted) continue
    if (english.has(word)) own++
    if (foreign.has(word) && !shared.has(word)) other++
    if (capital || capitals || word.length < 3) continue
    words++
    if (english.has(word) || isKnown(word) || isKnown(lemmaOf(word))) known++
  }
  if (other >= 2 && other >= own) return false
  if (other >= 1 && own === 0 && words >= 3 && known / words < 0.7) return false
  if (other === 0 && words < 7 && known > 0) return true
  return words < 4 || own >= 2 || known / words >= (words < 7 ? 0.3 : 0.5)
}
