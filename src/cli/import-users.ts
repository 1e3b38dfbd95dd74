import { extname } from 'node:path'
import { z } from 'zod'
import { createAuth } from '../../auth/better-auth.ts'
import { cookiePrefix } from '../../auth/better-auth-cookie-names.ts'
import { type HashProblem, isOwnHash, readImportedHash } from '../../auth/imported-hash.ts'
import { createPasswordHashLimit } from '../../auth/password-hash-limit.ts'
import { judgesPasswords } from '../../auth/policy-auth-options.ts'
import { createRateLimits } from '../../auth/rate-limit.ts'
import { createUserImport, type ImportOutcome, type UserToImport } from '../../auth/user-import.ts'
import { requireMigrated } from '../../db/migrate.ts'
import { openDatabase } from '../../db/open-database.ts'
import { readTimestamp } from '../../db/schema.ts'
import { ConfigError, publicUrlOf } from '../config/environment.ts'
import { loadOrCreateSecret } from '../config/generated-secret.ts'
import type { Settings } from '../config/load-settings.ts'
import { databaseOptions } from '../database-start.ts'
import { readUserFile, type UserFileFormat } from './user-file.ts'

export interface ImportOptions {
  /** By default what the file's name ends in. */
  readonly format?: string | undefined
  /** Write nothing. */
  readonly dryRun: boolean
  /** Believe the file where it says that an address was verified. */
  readonly trustVerified: boolean
}

const formats: Readonly<Record<string, UserFileFormat>> = { csv: 'csv', jsonl: 'jsonl', ndjson: 'jsonl' }

interface ReadUser {
  readonly line: number
  readonly user: UserToImport | HashProblem
}

/** So many users are looked up and written at once. */
const atOnce = 8

/**
 * Imports the users of a file, and yields a line for each: the number of its line and what became of it, and nothing of
 * what it says. Then one with the sums. Returns the exit status: 1 where a user was refused. Rejects when the database
 * cannot answer; what was imported until then stays. Throws a ConfigError when the file cannot be read.
 */
export async function* importUsers(
  path: string,
  settings: Settings,
  { format = extname(path).slice(1), dryRun, trustVerified }: ImportOptions
): AsyncGenerator<string, 0 | 1> {
  const kind = Object.hasOwn(formats, format) ? formats[format] : undefined
  if (kind === undefined) throw new ConfigError(['FILE: its name ends neither in .jsonl nor in .csv: give --format'])
  if (judgesPasswords(settings.policy.auth))
    throw new ConfigError([
      "auth.emailAndPassword.password: the policy file's own functions judge passwords, so that hashes of other systems cannot be imported"
    ])
  const database = await openDatabase(await databaseOptions(settings))
  try {
    await requireMigrated(database)
    const importUser = createUserImport(await authContext(settings, database), { dryRun, ids: database.ids })
    const sums = { added: 0, present: 0, refused: 0, verified: 0 }
    const report = async ({ line, user }: ReadUser) => {
      if ('problem' in user) {
        sums.refused++
        return `line ${line}: refused: ${user.problem}`
      }
      const outcome = await importUser({ ...user, emailVerified: trustVerified && user.emailVerified })
      sums[outcome === 'added' || outcome === 'present' ? outcome : 'refused']++
      if (outcome === 'added' && user.emailVerified) sums.verified++
      return `line ${line}: ${inWords(outcome, user, dryRun)}`
    }

    let batch: ReadUser[] = []
    for await (const { line, read } of readUserFile(path, kind, Object.keys(shape))) {
      const user = 'fields' in read ? userOf(read.fields) : read
      // Of two lines with one address the first counts, so that they are never written at once.
      if (batch.length === atOnce || batch.some((other) => sameAddress(other.user, user))) {
        yield* await Promise.all(batch.map(report))
        batch = []
      }
      batch.push({ line, user })
    }
    yield* await Promise.all(batch.map(report))

    const { added, present, refused, verified } = sums
    yield `${dryRun ? 'dry run, nothing was written: ' : ''}${added} added, ${present} there already, ${refused} refused`
    if (verified > 0 && !trustVerified)
      yield `${verified} of them have a verified address by the file: with --trust-verified that would be believed`
    return refused > 0 ? 1 : 0
  } finally {
    await database.close()
  }
}

function sameAddress(one: ReadUser['user'], other: ReadUser['user']): boolean {
  return 'email' in one && 'email' in other && one.email === other.email
}

function inWords(outcome: ImportOutcome, { passwordHash }: UserToImport, dryRun: boolean): string {
  if (outcome === 'present') return 'there already, and not changed'
  if (outcome === 'id taken') return 'refused: somebody else has its id'
  if (outcome === 'id unfit')
    return 'refused: its id is not of the kind that advanced.database.generateId makes: leave it out'
  return `${dryRun ? 'would be added' : 'added'}${passwordHash === undefined ? ', without a password' : ''}`
}

/** BetterAuth as the gateway has it, with whatever the policy file adds to its tables. */
async function authContext({ config, policy }: Settings, database: Awaited<ReturnType<typeof openDatabase>>) {
  const nobody = () => {}
  const publicUrl = publicUrlOf(config)
  const auth = createAuth({
    database,
    publicUrl,
    cookiePrefix: cookiePrefix(publicUrl, config.production),
    secret: config.secret ?? (await loadOrCreateSecret(config.dataDir)),
    trustedOrigins: config.trustedOrigins,
    publicSignUp: config.publicSignUp,
    extension: policy.auth,
    limits: createRateLimits(),
    passwordHashLimit: createPasswordHashLimit(),
    logger: { disabled: true },
    changes: { sessionChanged: nobody, userChanged: nobody }
  })
  return await auth.$context
}

// What CSV has for true and false: Postgres' own output, and Python's.
const [yes, no] = [
  ['true', 't', '1'],
  ['false', 'f', '0']
]
const emptyIsAbsent = (value: unknown) => (value === '' || value === null ? undefined : value)
const optional = <T extends z.ZodType>(type: T) => z.preprocess(emptyIsAbsent, type.optional())
const text = z.string().refine((value) => !value.includes('\0') && value.isWellFormed())

/** The fields of a user, with what each has to be. */
const shape = {
  id: optional(z.union([z.int().nonnegative().transform(String), z.string().regex(/^[\w-]{1,64}$/)])),
  email: z
    .string()
    .max(254)
    .pipe(z.email())
    .transform((email) => email.toLowerCase()),
  name: optional(text.max(200)),
  email_verified: optional(
    z.union([
      z.boolean(),
      z
        .string()
        .toLowerCase()
        .refine((word) => yes.includes(word) || no.includes(word))
        .transform((word) => yes.includes(word))
    ])
  ),
  password_hash: optional(z.string()),
  created_at: optional(
    z
      .string()
      .transform(readTimestamp)
      .refine((date) => !Number.isNaN(date.getTime()))
  )
} as const
const userShape = z.strictObject(shape)

/** A user of the file; what is wrong with it names a field and repeats nothing of it. */
function userOf(fields: Readonly<Record<string, unknown>>): UserToImport | HashProblem {
  const { data, error } = userShape.safeParse(fields)
  if (data === undefined) {
    const [field] = error.issues[0]?.path ?? []
    return { problem: typeof field === 'string' ? `${field} cannot be used` : 'has a field that is not known' }
  }
  const { id, email, name = '', email_verified: emailVerified = false, password_hash: hash, created_at } = data
  // Django marks so that a user has no password.
  const passwordHash = hash?.startsWith('!') === true ? undefined : hash
  if (passwordHash !== undefined && !isOwnHash(passwordHash)) {
    const read = readImportedHash(passwordHash)
    if ('problem' in read) return read
  }
  return { id, email, name, emailVerified, passwordHash, createdAt: created_at }
}
