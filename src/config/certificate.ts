import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { errorCode } from './secret-files.ts'

/** What is wrong with a PEM file of certificates, null when it can be used. */
export function certificateProblem(path: string): string | null {
  try {
    return canParse(readFileSync(path)) ? null : 'the file holds no certificate'
  } catch (error) {
    return `the file cannot be read (${errorCode(error)})`
  }
}

function canParse(certificate: Buffer): boolean {
  try {
    return new X509Certificate(certificate).subject !== ''
  } catch {
    return false
  }
}
