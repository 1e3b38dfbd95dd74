import { createUserImport } from '../../auth/user-import.ts'
import type { AuthApp } from './auth-app.ts'

/** A user as another system had it, with the hash of {@link importedPassword}. */
export async function importUser({ auth }: Pick<AuthApp, 'auth'>, email: string, passwordHash: string): Promise<void> {
  const importUser = createUserImport(await auth.$context, { dryRun: false, ids: 'text' })
  const outcome = await importUser({ email, name: '', emailVerified: false, passwordHash })
  if (outcome !== 'added') throw new Error(outcome)
}

/** What is stored as the password of this address. */
export async function storedHash({ database }: Pick<AuthApp, 'database'>, email: string): Promise<unknown> {
  const { rows } = await database.withDirectClient(({ query }) =>
    query('select password from account join "user" on "user".id = user_id where email = $1', [email])
  )
  return rows[0]?.['password']
}

/** Stores this as the password of this address, as whoever has the database can. */
export async function storeHash({ database }: Pick<AuthApp, 'database'>, email: string, hash: string): Promise<void> {
  await database.withDirectClient(({ query }) =>
    query('update account set password = $2 where user_id = (select id from "user" where email = $1)', [email, hash])
  )
}

/** The password of all hashes below. */
export const importedPassword = 'größte Schildkröte 🐢'

/**
 * Made by the systems that are named, with parameters that take a few milliseconds: argon2-cffi 25.1, bcrypt 5.0, passlib 1.7
 * and Django 5.2; the PHC string of PBKDF2 by Python's own hashlib.
 */
export const importedHashes = {
  argon2id: '$argon2id$v=19$m=1024,t=2,p=2$Q5YHLcQy8FWXIHanAPQUbw$Yrr4yPLBSTekhX0B9QTcUB5WHoNkTNIUGiG518WmK2s',
  argon2i: '$argon2i$v=19$m=64,t=1,p=1$O7YZ6yOzh5asJET9pd8iPg$csEMFfb6sh9MW7f9Ure/7DjAZD7z/rCYUq2h/44y4SE',
  bcrypt: '$2b$04$KEitbYke/xKudPCDPP.ozOn/HAWc5ezP036A00A9/75f3Uq17EcsG',
  bcrypt2a: '$2a$04$GGEbnkXJKk/U4QhCyV7RGurcQ9Kp5Nos6JT38Uo5pc8AyJwSG9MzS',
  bcrypt2y: '$2y$04$KEitbYke/xKudPCDPP.ozOn/HAWc5ezP036A00A9/75f3Uq17EcsG',
  pbkdf2: '$pbkdf2-sha256$1000$opQyRoiREmJsLaU0BoDw/g$.r8GZ48TEeQa9UWMFzIRCJ375ZTrsrf0DeNewbqTrIo',
  pbkdf2sha512:
    '$pbkdf2-sha512$1000$PyckZIwxRuh9zxnjXGsthQ$axS5BrTSQGzyRfESHyikadTRqQBg/UXXwpL2IH4B2kiaNbqmPYo/z1qWDF5fN7Zd50G1yYYjh99.wq0XiD2WnA',
  pbkdf2sha1: '$pbkdf2$1000$Sel9D0Go9d47J8QYo/T.nw$zLxBMIbp9tjvirMDgYnLOGydUZw',
  pbkdf2phc: '$pbkdf2-sha256$i=1000,l=32$COTdAfMjR3cFxyQVD3TVGw$QhEqnNz3mNbp4mcEF9MMyx9kRX+jCSKieHS8neicyFo',
  scrypt: '$scrypt$ln=10,r=8,p=1$B2BszRljbG1tLSXE2BvjPA$F4/oGT/YapsxqNFKvsMrnIP9pqPQa9D8a6SyAzcyxew',
  djangoPbkdf2: 'pbkdf2_sha256$1000$OhFC2S1ShvwlJnrPSdEUlZ$1yrc3QYQ8w8b+lpD0Lv+ehj7xEdCrcisafF2zjtN4x4=',
  djangoPbkdf2Sha1: 'pbkdf2_sha1$1000$oRArlSX6qRCv7uXvZ5YrLF$PV5c0Itt43NAUDkw3z3v25iwZUg=',
  djangoArgon2:
    'argon2$argon2id$v=19$m=256,t=1,p=8$MGJIek54djFzQnNRR2JiUVI0cHR2Rw$aCD6BRY9lpX+K5J52JeWeeq7EiBAO1m7j/86fJhBkQw',
  djangoBcryptSha256: 'bcrypt_sha256$$2b$04$zGP1AXVymX0pe/yOA9XJrOXzW7Mf0aV74t51vr8UH9gF/XDc7F/N6',
  djangoBcrypt: 'bcrypt$$2b$04$U2AT1//aRbWekLHoH1d5ZuF1AO9aaauqSVsu4GMMO6bEZeeADtv4S',
  djangoScrypt:
    'scrypt$1024$8VDq6ldj0oGiIcwjai3fmq$8$5$XyhOGBst+mtEyNv94FXBEXYCMVThyjnPXMQJpvyoexK/h+EV24ebUR1KjQ7pp2zf+yCovXgTOqncgRdzymdbLg=='
}
