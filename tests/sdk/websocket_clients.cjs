// WebSocket clients of Node: one session each with an echo server, and what they saw.
//
// websocket_clients.cjs HOST PORT PLAIN_PORT TLS_BUNDLE NAMES...
//
// HOST is a made-up name: it resolves to this machine, unless CLIENTS_SYSTEM_RESOLVER is set.
// Prints a line of JSON for each of NAMES.
'use strict';

const dns = require('node:dns');
const fs = require('node:fs');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');
const threads = require('node:worker_threads');

const isWorker = !threads.isMainThread;
const [host, port, plainPort, bundle, ...names] = isWorker ? threads.workerData : process.argv.slice(2);
const { lookup } = dns;
if (!process.env.CLIENTS_SYSTEM_RESOLVER) {
  dns.lookup = (name, options, done) => lookup(name === host ? '127.0.0.1' : name, options, done);
}
// Recorded, connections to port 443 come to PORT.
const webPort = process.env.WSPROXY_PROXY ? 443 : port;
const { NODE_PATH = '', CLIENTS_SYSTEM_RESOLVER: resolver } = process.env;
const OWN = resolver ? { NODE_PATH, CLIENTS_SYSTEM_RESOLVER: resolver } : { NODE_PATH };
const ca = fs.readFileSync(bundle);
const plainUrl = (name) => `ws://${host}:${plainPort}/${name}`;
const url = (name, at = port) => `wss://${host}:${at}/${name}`;

// Talks over anything with the events of the browsers' WebSocket.
function converse(ws, bytes = 0) {
  const received = [];
  return new Promise((resolve) => {
    const errors = [];
    ws.onopen = () => ws.send(bytes ? Buffer.alloc(bytes, 'x') : 'hello');
    ws.onmessage = ({ data }) => {
      received.push(typeof data === 'string' ? data : data.length);
      if (received.length === 1) ws.send('bye');
    };
    ws.onerror = (event) => errors.push(event.message || event.type || 'error');
    ws.onclose = ({ code }) => resolve(errors.length ? { errors, code } : { received, code });
  });
}

function websocket(name, config) {
  const { client: Client } = require('websocket');
  return new Promise((resolve, reject) => {
    const client = new Client(config);
    client.on('connectFailed', reject);
    client.on('connect', (connection) => {
      const received = [];
      connection.on('message', ({ utf8Data }) => {
        received.push(utf8Data);
        if (received.length === 1) connection.sendUTF('bye');
      });
      connection.on('close', (code) => resolve({ received, code }));
      connection.sendUTF('hello');
    });
    client.connect(url(name));
  });
}

// The events of a socket, in their order.
function events(socket, request, done) {
  return new Promise((resolve) => {
    const seen = [];
    let text = '';
    for (const name of ['connect', 'ready', 'secureConnect', 'end', 'close']) {
      socket.on(name, () => seen.push(name));
    }
    socket.on('error', (error) => seen.push([error.code, error.syscall]));
    socket.on('data', (data) => { text += data; });
    socket.on('close', () => resolve({ seen, text: done(text) }));
    if (request) socket.write(request);
  });
}

function worker(name, options) {
  const argv = [host, port, plainPort, bundle, name];
  return new Promise((resolve, reject) => {
    const made = new threads.Worker(__filename, { workerData: argv, ...options });
    made.on('message', resolve);
    made.on('error', reject);
  });
}

const REQUEST = `GET /plain HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
const firstLine = (text) => text.split('\r\n')[0];

async function unused() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const free = server.address().port;
  await new Promise((resolve) => server.close(resolve));
  return free;
}

const CLIENTS = {
  ws: (name) => converse(new (require('ws'))(url(name))),
  'ws-agent': (name) => converse(new (require('ws'))(url(name), { agent: new https.Agent() })),
  'ws-ca': (name) => converse(new (require('ws'))(url(name), { ca })),
  'ws-secure-context': (name) => {
    const agent = new https.Agent({ secureContext: tls.createSecureContext({ ca }) });
    return converse(new (require('ws'))(url(name), { agent }));
  },
  'ws-own-socket': (name) => {
    // TLS begins before the socket is connected.
    const createConnection = () => tls.connect({ socket: net.connect(webPort, host), servername: host });
    return converse(new (require('ws'))(url(name), { createConnection }));
  },
  'ws-refused': async (name) => {
    const ws = new (require('ws'))(url(name, await unused()));
    return new Promise((resolve) => {
      ws.on('error', ({ code, syscall }) => resolve({ code, syscall }));
    });
  },
  'ws-plain': (name) => converse(new (require('ws'))(plainUrl(name))),
  'ws-eof': (name) => converse(new (require('ws'))(url(name))),
  'ws-reset': (name) => converse(new (require('ws'))(url(name))),
  'ws-large': (name) => converse(new (require('ws'))(url(name)), 5_000_000),
  'ws-proxy-agent': (name) => {
    const { HttpsProxyAgent } = require('https-proxy-agent');
    const proxy = process.env.HTTPS_PROXY;
    const agent = proxy && new HttpsProxyAgent(proxy);
    return converse(new (require('ws'))(url(name), { agent }));
  },
  undici: (name) => converse(new (require('undici').WebSocket)(url(name))),
  'undici-plain': (name) => converse(new (require('undici').WebSocket)(plainUrl(name))),
  'undici-eof': (name) => converse(new (require('undici').WebSocket)(url(name))),
  'undici-reset': (name) => converse(new (require('undici').WebSocket)(url(name))),
  native: (name) => converse(new WebSocket(url(name))),
  fetch: async (name) => {
    const response = await fetch(url(name).replace('wss', 'https'));
    return { status: response.status };
  },
  websocket: (name) => websocket(name, {}),
  'websocket-ca': (name) => websocket(name, { tlsOptions: { ca } }),
  'faye-websocket': (name) => converse(new (require('faye-websocket').Client)(url(name))),
  'tls-own-socket': () => {
    const socket = new tls.TLSSocket(net.connect(webPort, host), { servername: host });
    return events(socket, REQUEST, firstLine);
  },
  tls: () => events(tls.connect({ host, port: webPort, servername: host }), REQUEST, firstLine),
  https: (name) => new Promise((resolve, reject) => {
    https.get({ host, port: webPort, path: `/${name}` }, (response) => {
      response.resume().on('end', () => resolve({ status: response.statusCode }));
    }).on('error', reject);
  }),
  'worker-env': () => worker('ws', { env: OWN }),
  'worker-options': () => worker('ws-plain', { env: { ...process.env, NODE_OPTIONS: '' } }),
  'worker-env-seen': () => worker('environment', { env: OWN }),
  environment: async () => ({ ...process.env }),
};

async function main() {
  for (const name of names) {
    let seen;
    try {
      seen = await CLIENTS[name](isWorker ? `worker-${name}` : name);
    } catch (error) {
      seen = { error: `${error.name}: ${error.message}` };
    }
    if (isWorker) threads.parentPort.postMessage(seen);
    else console.log(JSON.stringify({ client: name, ...seen }));
  }
}

main();
