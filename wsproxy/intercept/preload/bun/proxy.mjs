// Loaded by Bun at the start of a command that `wsproxy run` started.
//
// Bun's `fetch` reads the proxy variables, its WebSocket does not: it gets the recorder as its
// `proxy`, unless the app passes one, or NO_PROXY names the host.
const proxy = process.env.WSPROXY_PROXY;

if (proxy) {
  const { isExcluded } = await import('../node/no_proxy.cjs');
  const Native = globalThis.WebSocket;

  function through(url, given) {
    const { hostname, protocol, port } = new URL(url);
    const number = Number(port) || (/^(wss|https):$/.test(protocol) ? 443 : 80);
    if (isExcluded(hostname.replace(/^\[|\]$/g, ''), number)) return given;
    const options =
      typeof given === 'string' || Array.isArray(given) ? { protocols: given } : given;
    return { proxy, ...options };
  }

  globalThis.WebSocket = new Proxy(Native, {
    construct: (target, [url, given], newTarget) =>
      Reflect.construct(target, [url, through(url, given)], newTarget),
  });
}
