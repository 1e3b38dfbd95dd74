// What the gateway and `@fastify/reply-from` use of undici, in place of all of it (src/module-hooks.js).
exports.Agent = require('undici/lib/dispatcher/agent')
exports.BalancedPool = require('undici/lib/dispatcher/balanced-pool')
exports.Client = require('undici/lib/dispatcher/client')
exports.Dispatcher = require('undici/lib/dispatcher/dispatcher')
exports.Pool = require('undici/lib/dispatcher/pool')
exports.buildConnector = require('undici/lib/core/connect')
