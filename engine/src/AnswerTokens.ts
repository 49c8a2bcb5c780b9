/**
 * Tokens of answers whose provider reports none: a stream that breaks off, a server that counts nothing.
 *
 * What a model's answers were reported to have teaches how its tokenizer counts them; a text is then estimated as it is
 * when it ends. Only answers that are all text teach, without the reasoning that nobody sees, and after the first ones each
 * eighth does. Nothing is counted while an answer streams.
 */
import type { Model } from "./ModelCatalog.ts"
import type { Completion } from "./Reply.ts"
import { Calibration } from "./TokenCalibration.ts"
import { addFeatures, noFeatures, type TextFeatures } from "./TokenEstimate.ts"

/** Answers of a model that all teach; of the later ones, each eighth does. */
const eager = 64

interface Learned {
  readonly calibration: Calibration
  answers: number
}

export class AnswerTokens {
  /** By the catalogue's entry of a model, so that models which it forgets are forgotten here too. */
  private readonly models = new WeakMap<Model, Learned>()

  /** Estimated tokens of an answer's text, 0 for the empty one. */
  estimate(text: string, model: Model | undefined): number {
    if (text === "") return 0
    const features = featuresOf(text)
    const calibration = (model === undefined ? undefined : this.models.get(model)?.calibration) ?? unlearned
    return calibration.correct(features)
  }

  learn({ content, usage }: Completion, model: Model): void {
    const reported = usage.output - usage.reasoning
    if (usage.estimated || reported <= 0 || content.length === 0) return
    let learned = this.models.get(model)
    if (learned === undefined) this.models.set(model, (learned = { calibration: new Calibration(), answers: 0 }))
    learned.answers++
    if (learned.answers > eager && learned.answers % 8 !== 0) return
    let text = ""
    for (const block of content) {
      if (block.type !== "text") return
      text += block.text
    }
    if (text !== "") learned.calibration.learn(featuresOf(text), reported)
  }
}

const unlearned = new Calibration()

const featuresOf = (text: string): TextFeatures => {
  const features = noFeatures()
  addFeatures(text, features)
  return features
}
