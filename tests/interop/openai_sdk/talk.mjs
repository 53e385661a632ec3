// Run by the tests: the JavaScript SDK over its WebSocket, as a user writes it.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const require = createRequire(process.env.NODE_PATH + "/x.js");
const OpenAI = require("openai").default ?? require("openai");
const { OpenAIRealtimeWS } = require("openai/realtime/ws");
const { toFile } = require("openai");
const orders = JSON.parse(readFileSync(0, "utf8"));
const client = new OpenAI({ apiKey: orders.key, baseURL: orders.base_url });
const say = (event) => console.log(JSON.stringify(event));
const transcribes = orders.mode === "transcription";
const parameters = transcribes ? { intent: "transcription" } : { model: "gpt-realtime" };
const rt = new OpenAIRealtimeWS(parameters, client);
const send = (name) => {
  const data = readFileSync(name);
  for (let at = 0; at < data.length; at += 4800) {
    const audio = data.subarray(at, at + 4800).toString("base64");
    rt.send({ type: "input_audio_buffer.append", audio });
  }
};
let finishing = false; // events go on coming behind the one that was waited for
const finish = async () => {
  if (finishing) return;
  finishing = true;
  if (orders.files) {
    const file = await toFile(readFileSync(orders.files), "speech.wav");
    const answer = await client.audio.transcriptions.create({ file, model: "whisper-1" });
    say({ type: "FILE", answer });
    const speech = await client.audio.speech.create({ model: "tts-1", voice: "alloy", input: "Hello.", response_format: "wav" });
    say({ type: "SPEECH", size: (await speech.arrayBuffer()).byteLength });
  }
  rt.close();
  process.exit(0);
};
let interrupted = false, item = "", done = 0, words = 0, truncated = orders.mode !== "interrupted";
rt.on("error", (error) => say({ type: "FAILED", error: String(error) }));
rt.on("event", (event) => {
  say(event);
  if (event.type === "session.created") {
    const turn_detection = orders.mode === "manual" ? null : { type: "server_vad", silence_duration_ms: 200 };
    const input = { turn_detection, transcription: { model: "gpt-4o-transcribe" } };
    rt.send({ type: "session.update", session: { type: transcribes ? "transcription" : "realtime", audio: { input } } });
  } else if (event.type === "session.updated") {
    send(orders.audio);
    if (orders.mode === "manual") {
      rt.send({ type: "input_audio_buffer.commit" });
      rt.send({ type: "response.create" });
    }
  } else if (event.type === "response.output_audio.delta" && orders.mode === "interrupted" && !interrupted) {
    interrupted = true;
    item = event.item_id;
    send(orders.second);
  } else if (event.type === "response.done") {
    done++;
    if (event.response.status === "cancelled")
      rt.send({ type: "conversation.item.truncate", item_id: item, content_index: 0, audio_end_ms: 100 });
  } else if (event.type.endsWith("transcription.completed")) words++;
  else if (event.type === "conversation.item.truncated") truncated = true;
  if (truncated && done === (orders.mode === "interrupted" ? 2 : 1) && words) finish();
  if (transcribes && words === orders.turns) finish();
});
