// Deepgram's JavaScript SDK on Flux, as its users write it. Orders and lines as in flux.py.
const fs = require("fs");
const { DeepgramClient } = require("@deepgram/sdk");

const orders = JSON.parse(fs.readFileSync(0, "utf8"));
const say = (value) => console.log(JSON.stringify(value));

(async () => {
  const environment = {
    base: orders.base, production: orders.ws, agent: orders.ws, agentRest: orders.base,
  };
  let credential = { apiKey: orders.key };
  if (orders.grant) {
    const granted = await new DeepgramClient({ apiKey: orders.key, environment })
      .auth.v1.tokens.grant({ ttl_seconds: orders.grant });
    say({ type: "Granted", expires_in: granted.expires_in });
    credential = { accessToken: granted.access_token };
  }
  const client = new DeepgramClient({ ...credential, environment });
  const socket = await client.listen.v2.createConnection({
    model: "flux-general-en", encoding: "linear16", sample_rate: 16000, ...orders.query,
  });
  const over = new Promise((resolve) => {
    socket.on("close", (event) => { say({ type: "Closed", code: event.code }); resolve(); });
  });
  socket.on("message", (message) => say(message));
  socket.on("error", (error) => say({ type: "SdkError", text: String(error.message) }));
  socket.connect();
  await socket.waitForOpen();
  const data = orders.audio ? fs.readFileSync(orders.audio) : Buffer.alloc(0);
  for (let at = 0, number = 0; at < data.length; at += 2560, number += 1) {
    if (number === orders.configure_at) {
      socket.sendConfigure({ type: "Configure", ...orders.configure });
    }
    if (number === orders.force_at) socket.sendForceEndTurn({ type: "ForceEndTurn" });
    socket.sendMedia(data.subarray(at, at + 2560));
    if (orders.pace) await new Promise((go) => setTimeout(go, orders.pace * 1000));
  }
  socket.sendCloseStream({ type: "CloseStream" });
  await over;
  // A client that is about to connect again would do so within these.
  await new Promise((go) => setTimeout(go, orders.linger_ms || 0));
  say({ type: "Over", hangs: false });
  process.exit(0);
})().catch((error) => {
  say({ type: "Raised", name: error.name, text: String(error.message) });
  process.exit(0);
});
