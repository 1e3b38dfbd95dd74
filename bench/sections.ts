import type { Section } from './sections/section.ts'
import { warmSection } from './sections/warm.ts'

/** Every section, in the order in which they run. */
export const sections: readonly Section[] = [warmSection]
