// What the gateway uses of `node:http`, in place of all of it (src/module-hooks.js).
const http = require('node:http')

exports.IncomingMessage = http.IncomingMessage
exports.ServerResponse = http.ServerResponse
exports.createServer = http.createServer
exports.request = http.request
