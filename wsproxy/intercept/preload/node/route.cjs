// Which connections go through the recorder.
//
// - Those of a WebSocket handshake, and of libraries for it, to any host and port.
// - All others to ports 80 and 443 of a named host that is not this machine.
//
// The rest is left alone: databases, message queues, services on this machine. So are connections
// to hosts in NO_PROXY, to the recorder itself, and those that want a local address.
'use strict';

const net = require('node:net');

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

function callers() {
  const { stackTraceLimit, prepareStackTrace } = Error;
  Error.stackTraceLimit = DEPTH;
  Error.prepareStackTrace = undefined;
  const { stack } = new Error();
  Object.assign(Error, { stackTraceLimit, prepareStackTrace });
  return stack;
}

// Whether NO_PROXY names the host, itself or as a part of a domain or a network.
function isExcluded(host, port) {
  const rules = process.env.no_proxy || process.env.NO_PROXY || '';
  const name = host.toLowerCase().replace(/\.$/, '');
  return rules.split(',').some((rule) => matches(rule.trim().toLowerCase(), name, port));
}

function matches(rule, host, port) {
  if (rule === '' || rule === '*') return rule === '*';
  const network = /^(.+)\/(\d+)$/.exec(rule);
  if (network) return isInNetwork(host, network[1], Number(network[2]));
  const withPort = /^([^:]+|\[.+\]):(\d+)$/.exec(rule);
  if (withPort && Number(withPort[2]) !== port) return false;
  const name = (withPort ? withPort[1] : rule).replace(/^\[|\]$/g, '').replace(/^\*?\.?/, '');
  return host === name || (host.endsWith(`.${name}`) && !net.isIP(host));
}

function isInNetwork(host, address, bits) {
  const version = net.isIP(host);
  if (!version || version !== net.isIP(address)) return false;
  const list = new net.BlockList();
  try {
    list.addSubnet(address, bits, `ipv${version}`);
  } catch {
    return false; // more bits than an address has
  }
  return list.check(host, `ipv${version}`);
}

module.exports = { Router };
