// Run by the tests: the JavaScript SDK, live, as a user writes it.
// node live.mjs BASE WS FILE      prints one JSON object per message
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const { DeepgramClient } = createRequire(import.meta.url)(process.env.OSSICLE_SDK);
const [base, ws, file] = process.argv.slice(2);
const client = new DeepgramClient({
  apiKey: "KEY",
  environment: { base, production: ws, agent: ws, agentRest: base },
});
const connection = await client.listen.v1.createConnection({
  model: "nova-3",
  encoding: "linear16",
  sample_rate: 16000,
  interim_results: "true",
  vad_events: "true",
  utterance_end_ms: 1000,
  punctuate: "true",
  keyterm: ["gateway", "ossicle"],
  tag: ["one", "two"],
});
let opened = 0;
connection.on("open", () => opened++);
connection.on("message", (message) => console.log(JSON.stringify(message)));
connection.on("error", (error) => console.log(JSON.stringify({ type: "FAILED", error: String(error) })));
const closed = new Promise((resolve) => connection.on("close", resolve));
connection.connect();
await connection.waitForOpen();
connection.sendKeepAlive({ type: "KeepAlive" });
const audio = readFileSync(file);
for (let at = 0; at < audio.length; at += 3200) connection.sendMedia(audio.subarray(at, at + 3200));
connection.sendFinalize({ type: "Finalize" });
connection.sendCloseStream({ type: "CloseStream" });
const event = await closed;
await new Promise((resolve) => setTimeout(resolve, 1500)); // it would connect again within that
console.log(JSON.stringify({ type: "CLOSED", code: event.code, opened }));
process.exit(0);
