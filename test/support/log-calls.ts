import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Expression, parse, type SpreadElement } from 'acorn'
import { simple } from 'acorn-walk'

const modules = resolve(import.meta.dirname, '../../node_modules')
const folders = ['better-auth/dist', '@better-auth/core/dist', '@better-auth/drizzle-adapter/dist']
const levels = new Set(['error', 'warn'])

/** What stands for everything in a message that its code does not spell out. */
export const hole = '…'

/**
 * Every message that BetterAuth's server code hands to a logger as a warning or an error, each once and in order: what
 * its code spells out, with a `hole` for everything else.
 */
export function loggedMessages(): string[] {
  const messages = folders.flatMap((folder) =>
    readdirSync(join(modules, folder), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.mjs') && !/(?:^|\/)client(?:\.|\/)/.test(file))
      .flatMap((file) => messagesIn(readFileSync(join(modules, folder, file), 'utf8')))
  )
  return [...new Set(messages)].sort()
}

/** The same in one file. */
export function messagesIn(code: string): string[] {
  const found: string[] = []
  simple(parse(code, { ecmaVersion: 'latest', sourceType: 'module' }), {
    CallExpression({ callee, arguments: [message] }) {
      if (message === undefined || callee.type !== 'MemberExpression') return
      const { object, property } = callee
      if (property.type !== 'Identifier' || !levels.has(property.name)) return
      const owner = object.type === 'MemberExpression' ? object.property : object
      if (owner.type === 'Identifier' && /^(?:\w*[lL]og|\w*[lL]ogger)$/.test(owner.name))
        found.push(spelledOut(message))
    }
  })
  return found
}

function spelledOut(message: Expression | SpreadElement): string {
  if (message.type === 'Literal' && typeof message.value === 'string') return message.value
  if (message.type === 'TemplateLiteral') return message.quasis.map(({ value }) => value.cooked ?? '').join(hole)
  if (message.type === 'BinaryExpression' && message.left.type !== 'PrivateIdentifier')
    return spelledOut(message.left) + spelledOut(message.right)
  return hole
}
