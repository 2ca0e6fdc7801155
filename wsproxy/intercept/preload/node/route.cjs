// Which connections go through the recorder.
//
// - Those of a WebSocket handshake, and of libraries for it, to any host and port.
// - All others to ports 80 and 443 of a named host that is not this machine.
//
// The rest is left alone: databases, message queues, services on this machine. So are connections
// to hosts in NO_PROXY, to the recorder itself, and those that want a local address.
'use strict';

const net = require('node:net');
const { isExcluded } = require('./no_proxy.cjs');

// Where libraries are that open WebSockets without Node's `http`.
const LIBRARIES = /node:internal\/deps\/undici|[\\/](undici|faye-websocket|websocket-driver)[\\/]/;
const DEPTH = 30; // of the stack that is looked at

class Router {
  constructor(proxy) {
    const { hostname, port } = new URL(proxy);
    this.proxy = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) };
    this.upgrading = false;
  }

  // Run a function that opens connections for a WebSocket handshake, or not.
  during(upgrading, open) {
    const before = this.upgrading;
    this.upgrading = upgrading;
    try {
      return open();
    } finally {
      this.upgrading = before;
    }
  }

  // Whether a connection with these options of net.connect goes through the recorder.
  routes({ host, port, path, localAddress, localPort, onread }) {
    if (path || localAddress || localPort || onread || !port) return false;
    const name = host || 'localhost';
    const number = Number(port);
    if (name === this.proxy.host && number === this.proxy.port) return false;
    if (isExcluded(name, number)) return false;
    if (number === 443 || number === 80) {
      if (name.includes('.') && !net.isIP(name)) return true;
    }
    return this.upgrading || LIBRARIES.test(callers());
  }
}

// The stack as Node prints it, whatever the app has made of it.
function callers() {
  if (Object.isFrozen(Error)) return new Error().stack || ''; // --frozen-intrinsics
  const { stackTraceLimit, prepareStackTrace } = Error;
  Error.stackTraceLimit = DEPTH;
  Error.prepareStackTrace = undefined;
  const { stack } = new Error();
  Object.assign(Error, { stackTraceLimit, prepareStackTrace });
  return stack;
}

module.exports = { Router, callers };
