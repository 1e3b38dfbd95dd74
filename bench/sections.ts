import { bodiesSection } from './sections/bodies.ts'
import { countsSection } from './sections/counts.ts'
import { idleSection } from './sections/idle.ts'
import { missSection } from './sections/miss.ts'
import type { Section } from './sections/section.ts'
import { sessionsSection } from './sections/sessions.ts'
import { signinSection } from './sections/signin.ts'
import { startupSection } from './sections/startup.ts'
import { warmSection } from './sections/warm.ts'
import { workersSection } from './sections/workers.ts'

/** Every section, in the order in which they run. */
export const sections: readonly Section[] = [
  countsSection,
  warmSection,
  missSection,
  signinSection,
  bodiesSection,
  idleSection,
  sessionsSection,
  workersSection,
  startupSection
]
