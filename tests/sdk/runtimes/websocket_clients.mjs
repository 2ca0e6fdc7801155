// WebSocket clients of Bun and Deno: one session each with an echo server, and what they saw.
//
// websocket_clients.mjs URL NAMES...
const [url, ...names] = process.argv.slice(2);

function converse(ws) {
  const received = [];
  return new Promise((resolve) => {
    const errors = [];
    ws.onopen = () => ws.send('hello');
    ws.onmessage = ({ data }) => {
      received.push(String(data));
      if (received.length === 1) ws.send('bye');
    };
    ws.onerror = (event) => errors.push(event.message || event.type);
    ws.onclose = ({ code }) => resolve(errors.length ? { errors, code } : { received, code });
  });
}

const CLIENTS = {
  native: (name) => converse(new WebSocket(url + name)),
  'native-protocols': (name) => converse(new WebSocket(url + name, [])),
  'native-headers': (name) => converse(new WebSocket(url + name, { headers: { 'x-a': 'b' } })),
  ws: async (name) => converse(new (await import('ws')).WebSocket(url + name)),
  fetch: async (name) => ({ status: (await fetch(url.replace('wss', 'https') + name)).status }),
  class: async () => ({
    name: WebSocket.name,
    length: WebSocket.length,
    open: WebSocket.OPEN,
    target: Object.getPrototypeOf(WebSocket) === EventTarget,
  }),
};

for (const name of names) {
  let seen;
  try {
    seen = await CLIENTS[name](name);
  } catch (error) {
    seen = { error: String(error) };
  }
  console.log(JSON.stringify({ client: name, ...seen }));
}
