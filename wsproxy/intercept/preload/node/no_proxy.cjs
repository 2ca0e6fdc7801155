// Whether NO_PROXY names a host: itself, or as a part of a domain or a network.
'use strict';

const net = require('node:net');

function isExcluded(host, port) {
  const rules = process.env.no_proxy || process.env.NO_PROXY || '';
  const name = host.toLowerCase().replace(/\.$/, '');
  return rules.split(/[\s,]+/).some((rule) => matches(rule.toLowerCase(), name, port));
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

module.exports = { isExcluded };
