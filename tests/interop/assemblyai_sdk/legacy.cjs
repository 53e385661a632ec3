// The legacy class of AssemblyAI's JavaScript SDK. Orders and lines as in live.py.
const fs = require("fs");
const { AssemblyAI, RealtimeTranscriber, RealtimeService } = require(process.env.OSSICLE_SDK);

const orders = JSON.parse(fs.readFileSync(0, "utf8"));
const say = (event, value) => console.log(JSON.stringify({ event, ...value }));

(async () => {
  let credential = { apiKey: orders.apiKey };
  if (orders.mint) {
    const api = new AssemblyAI({ apiKey: orders.apiKey, baseUrl: orders.baseUrl });
    const token = await api.realtime.createTemporaryToken(orders.mint);
    say("Token", { token });
    credential = { token };
  }
  const Transcriber = RealtimeTranscriber || RealtimeService; // the name in 3.x
  const transcriber = new Transcriber({
    ...credential, realtimeUrl: orders.url, sampleRate: orders.sample_rate,
  });
  transcriber.on("open", (event) => say("Begins", event));
  transcriber.on("transcript", (event) => say(event.message_type, event));
  transcriber.on("session_information", (event) => say("SessionInformation", event));
  transcriber.on("error", (error) => say("Error", { error: error.message }));
  transcriber.on("close", (code, reason) => say("Closed", { code, reason }));
  await transcriber.connect();
  const data = fs.readFileSync(orders.audio);
  for (let at = 0; at < data.length; at += 3200) {
    const piece = data.subarray(at, at + 3200);
    transcriber.sendAudio(piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.length));
    if (at / 3200 === orders.force_at) transcriber.forceEndUtterance();
  }
  await transcriber.close();
  say("Over", {});
})().catch((error) => {
  say("Failed", { error: String(error && error.message), code: error && error.code });
  process.exit(0);
});
