// Run by the tests: the voice agents SDK over its WebSocket, as a user writes it.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const path = process.env.NODE_PATH + "/@openai/agents-realtime/dist/index.mjs";
const { RealtimeAgent, RealtimeSession, OpenAIRealtimeWebSocket, tool } = await import(pathToFileURL(path).href);
const orders = JSON.parse(readFileSync(0, "utf8"));
const say = (event) => console.log(JSON.stringify(event));
const agent = new RealtimeAgent({ name: "Parrot", instructions: "Repeat." });
const transport = new OpenAIRealtimeWebSocket({ url: orders.url });
const session = new RealtimeSession(agent, {
  transport,
  model: "gpt-realtime",
  config: { audio: { input: { turnDetection: { type: "server_vad", silenceDurationMs: 200 } } } },
});
const send = (name) => {
  const data = readFileSync(name);
  for (let at = 0; at < data.length; at += 4800) {
    const piece = data.subarray(at, at + 4800);
    session.sendAudio(piece.buffer.slice(piece.byteOffset, piece.byteOffset + piece.byteLength));
  }
};
let sound = 0, interrupted = false, done = 0, words = 0, history = [];
session.on("error", (error) => say({ type: "FAILED", error: JSON.stringify(error) }));
session.on("audio", (event) => {
  sound += event.data.byteLength;
  if (orders.mode === "interrupted" && !interrupted) {
    interrupted = true;
    send(orders.second);
  }
});
session.on("audio_interrupted", () => say({ type: "INTERRUPTED" }));
session.on("history_updated", (now) => (history = now));
session.on("transport_event", (event) => {
  say({ type: event.type, status: event.response?.status });
  if (event.type === "response.done") done++;
  if (event.type.endsWith("transcription.completed")) words++;
  if (done === (orders.mode === "interrupted" ? 2 : 1) && words >= (orders.mode === "interrupted" ? 2 : 1))
    setTimeout(() => {
      say({ type: "HISTORY", history });
      say({ type: "SOUND", bytes: sound });
      session.close();
      process.exit(0);
    }, 300);
});
await session.connect({ apiKey: orders.key });
say({ type: "CONNECTED" });
send(orders.audio);
