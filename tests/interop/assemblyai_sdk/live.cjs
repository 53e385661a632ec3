// AssemblyAI's JavaScript SDK, as its users write it. Orders and lines as in live.py.
const fs = require("fs");
const { AssemblyAI, StreamingTranscriber } = require("assemblyai");

const orders = JSON.parse(fs.readFileSync(0, "utf8"));
const say = (event, value) => console.log(JSON.stringify({ event, ...value }));

(async () => {
  let credential = { apiKey: orders.apiKey };
  if (orders.mint) {
    const api = new AssemblyAI({
      apiKey: orders.apiKey, baseUrl: orders.baseUrl, streamingBaseUrl: orders.baseUrl,
    });
    const token = await api.streaming.createTemporaryToken(orders.mint);
    say("Token", { token });
    credential = { token };
  }
  const transcriber = new StreamingTranscriber({
    ...credential, websocketBaseUrl: orders.url, ...orders.parameters,
  });
  transcriber.on("open", (event) => say("Begin", event));
  transcriber.on("turn", (event) => say("Turn", event));
  transcriber.on("speechStarted", (event) => say("SpeechStarted", event));
  transcriber.on("error", (error) => say("Error", { error: error.message, code: error.code }));
  transcriber.on("close", (code, reason) => say("Closed", { code, reason }));
  const started = Date.now();
  await transcriber.connect();
  say("Connected", { ms: Date.now() - started });
  const data = orders.audio ? fs.readFileSync(orders.audio) : Buffer.alloc(0);
  for (let at = 0, number = 0; at < data.length; at += 3200, number += 1) {
    if (number === orders.force_at) transcriber.forceEndpoint();
    if (number === orders.update_at) transcriber.updateConfiguration(orders.update);
    const piece = data.subarray(at, at + 3200);
    transcriber.sendAudio(piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.length));
  }
  const closing = Date.now();
  await transcriber.close();
  say("Over", { ms: Date.now() - closing });
})().catch((error) => {
  say("Failed", { error: String(error && error.message), code: error && error.code });
  process.exit(0);
});
