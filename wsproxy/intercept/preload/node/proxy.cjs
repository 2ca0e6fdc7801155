// Loaded by Node at the start of a command that `wsproxy run` started.
//
// The `ws` package, which most speech SDKs for Node use, connects with its own
// `createConnection` and therefore uses no proxy. An upgrade request with a
// `createConnection` gets a connection through HTTPS_PROXY instead. Other requests are
// unchanged: Node itself sends them through the proxy (NODE_USE_ENV_PROXY).
'use strict';

const http = require('node:http');
const https = require('node:https');
const net = require('node:net');
const tls = require('node:tls');
const { syncBuiltinESMExports } = require('node:module');

const proxy = process.env.https_proxy ? new URL(process.env.https_proxy) : null;

function tunnel(options, secure, done) {
  const host = options.host || options.hostname || 'localhost';
  const port = options.port || (secure ? 443 : 80);
  const target = `${net.isIPv6(host) ? `[${host}]` : host}:${port}`;
  const connect = http.request({
    agent: new http.Agent(),
    host: proxy.hostname,
    port: proxy.port,
    method: 'CONNECT',
    path: target,
    headers: { host: target },
  });
  connect.once('error', done);
  connect.once('connect', (response, socket, head) => {
    if (response.statusCode !== 200) {
      socket.destroy();
      done(new Error(`the proxy refused: HTTP ${response.statusCode}`));
      return;
    }
    if (head.length) socket.unshift(head);
    if (!secure) {
      done(null, socket);
      return;
    }
    const name = options.servername || (net.isIP(host) ? '' : host);
    done(null, tls.connect({ ...options, socket, servername: name, path: undefined }));
  });
  connect.end();
}

function wrap(module, name, secure) {
  const original = module[name];
  module[name] = function (...args) {
    const options = args.find((arg) => arg && typeof arg === 'object' && !(arg instanceof URL));
    const upgrade = options && options.headers && options.headers.Upgrade === 'websocket';
    if (upgrade && options.createConnection && !options.agent && !options.socketPath) {
      options.createConnection = (opts, done) => tunnel(opts, secure, done);
    }
    return original.apply(this, args);
  };
}

if (proxy) {
  for (const name of ['request', 'get']) {
    wrap(http, name, false);
    wrap(https, name, true);
  }
  syncBuiltinESMExports();
}
