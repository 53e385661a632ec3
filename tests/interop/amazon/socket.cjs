// Run by the tests: the JavaScript SDK as bundled for a browser (page.mjs), on a WebSocket of Node's.
// node socket.cjs BUNDLE HOST URL FILE KEYID SECRET OPTIONS(JSON)
// The SDK signs and dials wss://HOST:8443; what it dials is led to URL, and the rest is its own.
const { readFileSync } = require("node:fs");
const { createRequire } = require("node:module");
const WebSocket = createRequire(process.env.OSSICLE_JS + "/x.js")("ws");
const [bundle, host, where, file, key, secret, more] = process.argv.slice(2);
globalThis.window = globalThis;
globalThis.WebSocket = class extends WebSocket {
  constructor(url) {
    const { host, pathname, search } = new URL(url);
    super(where + pathname + search, { headers: { host } });
  }
};
require(bundle);
const sound = new Uint8Array(readFileSync(file));
window
  .transcribe(host, key, secret, sound, JSON.parse(more))
  .then((told) => console.log(JSON.stringify(told)));
