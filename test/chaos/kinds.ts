import type { Random } from '../fuzz/random.ts'

// How often each is done, out of their sum.
const weights = {
  mint: 26,
  signIn: 4,
  signOut: 8,
  revokeOne: 8,
  revokeOthers: 4,
  revokeAll: 3,
  changePassword: 1,
  deleteBySql: 8,
  deleteAllBySql: 2,
  deleteUserBySql: 2,
  banBySql: 3,
  expireBySql: 6,
  extendBySql: 5,
  renameBySql: 4
} as const

/** What is done to sessions. */
export type Kind = keyof typeof weights

const kinds: readonly Kind[] = Object.keys(weights).filter((name): name is Kind => name in weights)
const sum = Object.values(weights).reduce((sum, weight) => sum + weight, 0)

/** One of them, as often as its weight says. */
export function pickKind(random: Random): Kind {
  let left = random.below(sum)
  for (const kind of kinds) {
    left -= weights[kind]
    if (left < 0) return kind
  }
  return 'mint'
}
