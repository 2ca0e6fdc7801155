// Loaded by Node at the start of a command that `wsproxy run` started.
//
// Connections of WebSocket clients, and those to ports 80 and 443, go through the recorder
// (route.cjs says which), whatever agent or library opens them: all of them end in
// `net.Socket.connect`. TLS is started on a socket that is connected through the recorder. The
// recorder's CA is added to the `ca` that an app passes; NODE_EXTRA_CA_CERTS adds it to the
// defaults.
//
// HTTP/2 is left alone, and so are Deno and Bun, which read NODE_OPTIONS or its likes too.
'use strict';

function install() {
  const { readFileSync } = require('node:fs');
  const { syncBuiltinESMExports } = require('node:module');
  const { readSettings, recordWorkers } = require('./workers.cjs');
  const settings = readSettings(__filename);
  if (!settings) return;
  const http = require('node:http');
  const https = require('node:https');
  const net = require('node:net');
  const tls = require('node:tls');
  const { ClientReport } = require('./clients.cjs');
  const { Router } = require('./route.cjs');
  const { connectThrough, startTls } = require('./tunnel.cjs');

  const router = new Router(settings.proxy);
  const clients = new ClientReport();
  let ca = null;
  try {
    ca = readFileSync(settings.ca);
  } catch {
    // The recorder has ended, and its files are gone.
  }

  // ---- net

  const connect = net.Socket.prototype.connect;
  net.Socket.prototype.connect = function (...args) {
    clients.update();
    // net.connect passes its arguments on as one array.
    const [options, callback] = normalized(Array.isArray(args[0]) ? args[0] : args);
    if (this instanceof tls.TLSSocket || this.connecting || !router.routes(options)) {
      return connect.apply(this, args);
    }
    if (callback) this.once('connect', callback);
    return connectThrough(this, connect, router.proxy, options);
  };

  // ---- tls

  const trusting = new WeakSet(); // contexts that trust the recorder
  const connectTls = tls.connect;
  tls.connect = function (...args) {
    clients.update();
    const [options, callback] = normalized(args);
    const trusted = withCa(options);
    const isHttp2 = String(options.ALPNProtocols) === 'h2';
    if (options.socket || isHttp2 || !router.routes(options)) {
      return startTls(options.socket, () => (trusted === options
        ? connectTls.apply(this, args)
        : connectTls.call(this, trusted, callback)));
    }
    // The TLS socket takes this over: what happens when the peer ends the connection.
    const socket = new net.Socket({ allowHalfOpen: options.allowHalfOpen });
    const secure = connectTls.call(this, { ...trusted, socket }, callback);
    socket.allowHalfOpen = true; // or the last bytes of TLS could not be sent: an error
    socket.once('ready', () => secure.emit('ready'));
    if (options.timeout) secure.setTimeout(options.timeout);
    connectThrough(socket, connect, router.proxy, options);
    return secure;
  };

  tls.TLSSocket = new Proxy(tls.TLSSocket, {
    construct(target, [socket, options], newTarget) {
      const trusted = options && !options.isServer ? withCa(options) : options;
      return startTls(socket, () => Reflect.construct(target, [socket, trusted], newTarget));
    },
  });

  function withCa(options) {
    if (!ca) return options;
    const { secureContext } = options;
    if (secureContext) {
      // It was made with a `ca` of its own, or trusts the defaults.
      if (!trusting.has(secureContext)) secureContext.context?.addCACert?.(ca);
      trusting.add(secureContext);
      return options;
    }
    return options.ca ? { ...options, ca: [].concat(options.ca, ca) } : options;
  }

  // ---- http: WebSocket handshakes go through to any port

  for (const module of [http, https]) {
    for (const name of ['request', 'get']) {
      const original = module[name];
      module[name] = function (...args) {
        return router.during(args.some(isUpgrade), () => original.apply(this, args));
      };
    }
  }

  recordWorkers(settings);
  syncBuiltinESMExports();
}

// The options and the callback of the calls of net.connect and tls.connect, which are alike.
function normalized(args) {
  const callback = args.find((arg) => typeof arg === 'function');
  const given = args.filter((arg) => arg && typeof arg === 'object');
  const [first, second] = args;
  if (first && typeof first === 'object') return [first, callback];
  const isPath = typeof first === 'string' && !/^\d+$/.test(first);
  const address = isPath
    ? { path: first }
    : { port: first, ...(typeof second === 'string' && { host: second }) };
  return [Object.assign(address, ...given), callback];
}

function isUpgrade(options) {
  const headers = (options && typeof options === 'object' && options.headers) || {};
  return Object.keys(headers).some(
    (name) => name.toLowerCase() === 'upgrade' && /^websocket$/i.test(headers[name]),
  );
}

if (!globalThis.Deno && !globalThis.Bun) install();
