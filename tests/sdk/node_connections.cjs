// An app that opens connections in each way of Node's own modules; prints what each sees.
//
// node_connections.cjs PORT: a server there says "database" first.
'use strict';

const net = require('node:net');
const tls = require('node:tls');

const PORT = Number(process.argv[2]);

// All that a connection gets until it has this text, or its error.
function seen(socket, until, say) {
  return new Promise((resolve) => {
    let text = '';
    socket.on('data', (data) => {
      text += data;
      if (text.includes(until)) {
        socket.destroy();
        resolve(text);
      }
    });
    socket.on('error', (error) => resolve([error.code || error.message, error.syscall]));
    if (say) socket.write(say); // before it is connected
  });
}

const direct = (host, options, done) => done(new Error('direct'));
const excluded = { host: 'excluded.test', port: 443, lookup: direct };
const http2 = { host: 'api.speech.test', port: 443, ALPNProtocols: ['h2'], lookup: direct };

async function main() {
  const result = {
    https: await seen(net.connect(443, 'api.speech.test'), 'echo one', 'one\n'),
    http: await seen(net.createConnection({ host: 'api.speech.test', port: '80' }), 'hello'),
    socket: await seen(new net.Socket().connect(443, 'socket.speech.test'), 'hello'),
    refused: await seen(net.connect(443, 'refused.test'), '?'),
    unknown: await seen(net.connect(443, 'unknown.test'), '?'),
    unresolved: await seen(net.connect(443, 'unresolved.test'), '?'),
    database: await seen(net.connect(PORT, '127.0.0.1'), 'database'),
    'no proxy': await seen(net.connect(excluded), '?'),
    http2: await seen(tls.connect(http2), '?'),
  };
  console.log(JSON.stringify(result));
}

main();
