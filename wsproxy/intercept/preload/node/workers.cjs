// Worker threads with an environment of their own: they load the preload as all others do.
'use strict';

const threads = require('node:worker_threads');

const KEY = 'wsproxy'; // of the environment data, which workers inherit

// The recorder's address and CA; undefined: none.
function readSettings(file) {
  const { WSPROXY_PROXY, WSPROXY_CA } = process.env;
  if (WSPROXY_PROXY) return { proxy: WSPROXY_PROXY, ca: WSPROXY_CA || '', file };
  const settings = threads.getEnvironmentData?.(KEY);
  if (settings && process.env.NODE_OPTIONS !== undefined) {
    // What `recordWorkers` has added is not the app's.
    const own = process.env.NODE_OPTIONS.replace(option(settings.file), '');
    if (own) process.env.NODE_OPTIONS = own;
    else delete process.env.NODE_OPTIONS;
  }
  return settings;
}

function recordWorkers(settings) {
  if (!threads.setEnvironmentData) return; // before Node 15.12
  threads.setEnvironmentData(KEY, settings);
  const { Worker } = threads;
  threads.Worker = class extends Worker {
    constructor(filename, options) {
      super(filename, withPreload(options, settings.file));
    }
  };
  Object.defineProperty(threads.Worker, 'name', { value: 'Worker' });
}

function withPreload(options, file) {
  const env = options && options.env;
  if (!env || typeof env !== 'object') return options; // it has this process's
  if (String(env.NODE_OPTIONS).includes(option(file))) return options;
  const NODE_OPTIONS = `${env.NODE_OPTIONS ?? ''}${option(file)}`;
  return { ...options, env: { ...env, NODE_OPTIONS } };
}

function option(file) {
  return ` --require "${file.replaceAll('\\', '/')}"`; // a backslash would be an escape
}

module.exports = { readSettings, recordWorkers };
