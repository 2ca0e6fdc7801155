// Connecting a socket of the app through the recorder, with CONNECT.
//
// The socket is a plain net.Socket, and stays one: what precedes the recorder's answer is kept
// from it. It is connected, for the app, once the recorder has answered. What the recorder cannot
// reach is the error that the app would get without it.
'use strict';

const net = require('node:net');
const { constants } = require('node:os');

const MAX_HEAD = 65536; // bytes
const ERRORS = [ // what the recorder says about a server that it did not reach
  [/refused|Connect call failed/, 'ECONNREFUSED'],
  [/unreachable/, 'EHOSTUNREACH'],
  [/timed out/, 'ETIMEDOUT'],
];
const UNRESOLVED = [ // and about a name
  [/Temporary failure in name/, -3001, 'EAI_AGAIN'],
  [/getaddrinfo|not known|No address/, -3008, 'ENOTFOUND'],
];

const unanswered = new WeakSet(); // sockets whose CONNECT the recorder has not answered yet

// Run a function that starts TLS on a socket of the app, which need not be connected yet. TLS takes
// over the socket's handle, so it would read the recorder's answer from it. Without a handle it
// reads from the stream.
function startTls(socket, start) {
  if (!unanswered.has(socket)) return start();
  const handle = socket._handle;
  socket._handle = null;
  try {
    return start();
  } finally {
    socket._handle = handle;
    socket.allowHalfOpen = true; // or the last bytes of TLS could not be sent: an error
  }
}

// Connect `socket` to the host and port in `options`, by `connect` to the proxy.
function connectThrough(socket, connect, proxy, options) {
  const host = options.host || 'localhost';
  const target = `${net.isIPv6(host) ? `[${host}]` : host}:${options.port}`;
  const { emit, push } = socket;
  let answer = Buffer.alloc(0);
  unanswered.add(socket);

  function send() {
    socket.connecting = false;
    socket._writeGeneric(
      false, `CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n\r\n`, 'latin1', () => {},
    );
    socket.connecting = true; // what the app writes waits
    socket._handle.reading = true;
    socket._handle.readStart();
  }

  function release() {
    unanswered.delete(socket);
    restore(socket, 'emit', emit);
    restore(socket, 'push', push);
    socket.connecting = false;
  }

  socket.emit = function (event, ...args) {
    if (event === 'connect') send();
    if (event === 'connect' || event === 'ready') return true;
    return emit.call(this, event, ...args);
  };

  socket.push = function (chunk, encoding) {
    if (chunk === null) {
      release();
      return push.call(this, null, encoding);
    }
    answer = Buffer.concat([answer, chunk]);
    const end = answer.indexOf('\r\n\r\n');
    if (end < 0 && answer.length < MAX_HEAD) return true;
    release();
    if (!/^HTTP\/1\.[01] 200 /.test(answer.toString('latin1', 0, 16))) {
      this.destroy(refusal(host, options.port, answer.toString('utf8')));
      return false;
    }
    const rest = answer.subarray(end + 4);
    this.emit('connect');
    this.emit('ready');
    return rest.length ? this.push(rest) : true;
  };

  return connect.call(socket, { ...proxy, noDelay: options.noDelay });
}

function restore(socket, name, before) {
  delete socket[name];
  if (socket[name] !== before) socket[name] = before; // the app's own, not the prototype's
}

function refusal(host, port, text) {
  const [, errno, name] = UNRESOLVED.find(([words]) => words.test(text)) || [];
  if (name) {
    const problem = { errno, code: name, syscall: 'getaddrinfo', hostname: host };
    return Object.assign(new Error(`getaddrinfo ${name} ${host}`), problem);
  }
  const [, code] = ERRORS.find(([words]) => words.test(text)) || ERRORS[0];
  return Object.assign(new Error(`connect ${code} ${host}:${port}`), {
    errno: -constants.errno[code], code, syscall: 'connect', address: host, port: Number(port),
  });
}

module.exports = { connectThrough, startTls };
