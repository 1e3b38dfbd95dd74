// Fastify with @fastify/http-proxy as its documentation mounts it, without any authentication.
import httpProxy from '@fastify/http-proxy'
import { fastify } from 'fastify'
import { announce, told } from './announce.ts'

const app = fastify()
await app.register(httpProxy, { upstream: told()['upstream'] ?? '' })
await app.ready()
announce(app.server)
