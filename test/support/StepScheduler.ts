/**
 * A scheduler that takes one operation at a time, so that a test can interrupt a fiber between any two of them.
 */
import type { Fiber, Scheduler } from "effect"

export class StepScheduler implements Scheduler.Scheduler {
  readonly executionMode = "async"
  private readonly tasks: Array<() => void> = []

  /** A turn has to hold the resumption, the operation before the pause, and the one that is paused again. */
  shouldYield(fiber: Fiber.Fiber<unknown, unknown>): boolean {
    return fiber.currentOpCount >= 3
  }

  makeDispatcher(): Scheduler.SchedulerDispatcher {
    return {
      scheduleTask: (task) => {
        this.tasks.push(task)
      },
      flush: () => this.run()
    }
  }

  /** Runs one turn of one fiber; false when nobody has anything to do. */
  step(): boolean {
    const task = this.tasks.shift()
    task?.()
    return task !== undefined
  }

  run(): void {
    while (this.step());
  }
}
