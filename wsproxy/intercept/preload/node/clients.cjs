// Reports which known clients of speech APIs this process has loaded.
//
// The folder in WSPROXY_CLIENTS names the known ones in its file `wanted`, and gets an empty file
// for each that was loaded: its name is the runtime, the name and the version, with %-escapes.
'use strict';

const { closeSync, openSync, readFileSync } = require('node:fs');
const path = require('node:path');
const { callers } = require('./route.cjs');

const OFTEN = 16;
const FRAME = /(?:at |\(|file:\/\/)(\/[^()]*?):\d+:\d+/; // of a stack
const PACKAGE = /^(.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+))[\\/]/;

class ClientReport {
  #folder = process.env.WSPROXY_CLIENTS;
  #wanted = null;
  #seen = 0; // modules that were looked at
  #calls = 0;

  // Report what was loaded, before a connection is opened. Listing the modules of a large app takes
  // half a millisecond: it is done for the first connections, then for the 32nd, 64th and so on.
  update() {
    const calls = ++this.#calls;
    if (!this.#folder || (calls > OFTEN && calls & (calls - 1))) return;
    try {
      const files = Object.keys(require.cache);
      const added = files.slice(this.#seen);
      this.#seen = files.length;
      // ECMAScript modules are in no cache, but what opens a connection is on the stack.
      const frames = callers().split('\n').map((line) => (FRAME.exec(line) || [])[1]);
      this.#report([...added, ...frames.filter(Boolean)]);
    } catch {
      this.#folder = ''; // the recorder has ended, and its files are gone
    }
  }

  #report(files) {
    this.#wanted ??= new Set(
      readFileSync(path.join(this.#folder, 'wanted'), 'utf8')
        .split('\n')
        .map((line) => line.split(' '))
        .filter(([runtime]) => runtime === 'node')
        .map(([, name]) => name),
    );
    for (const file of files) {
      const [, root, name] = PACKAGE.exec(file) || [];
      // Once for each package: the first of its modules is enough.
      if (name && this.#wanted.delete(name.replace('\\', '/'))) this.#add(name, root);
    }
  }

  #add(name, root) {
    let version = '';
    try {
      ({ version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')));
    } catch {
      // It is bundled.
    }
    const parts = ['node', name.replace('\\', '/'), version];
    const file = parts.map((part) => encodeURIComponent(part).replace('%40', '@')).join(' ');
    closeSync(openSync(path.join(this.#folder, file), 'w', 0o600));
  }
}

module.exports = { ClientReport };
