import { startPostgres } from '../../test/support/postgres.ts'
import { streams, takeCounts } from '../counting/counts.ts'
import type { Section } from './section.ts'

/** What is the same on every machine, and what CI holds to its numbers. */
export const countsSection: Section = {
  name: 'counts',
  title: 'Counts',
  async run({ cleanup }) {
    const counts = await takeCounts(cleanup, await startPostgres(cleanup))
    return {
      tables: [
        {
          title: 'Per request, on node-postgres',
          columns: ['', 'database queries', 'promises created', 'header collections made'],
          rows: [
            ['warm session', counts.queriesWarm, counts.promisesWarm, counts.headerCollectionsWarm].map(String),
            ['miss', String(counts.queriesMiss), '–', '–'],
            ['forged cookie (401)', String(counts.queriesForged), '–', '–']
          ]
        },
        {
          title: 'Blocks of code that run for a warm request, in the gateway and in undici',
          columns: ['event streams open', 'blocks'],
          rows: [
            ['0', String(counts.stepsWarm)],
            [String(streams), String(counts.stepsAmongStreams)]
          ]
        }
      ],
      figures: {
        'warm-queries': [counts.queriesWarm],
        'miss-queries': [counts.queriesMiss],
        'forged-queries': [counts.queriesForged],
        'warm-promises': [counts.promisesWarm],
        'stream-steps': [counts.stepsAmongStreams - counts.stepsWarm],
        'warm-header-collections': [counts.headerCollectionsWarm]
      },
      leftOut: [],
      raw: counts
    }
  }
}
