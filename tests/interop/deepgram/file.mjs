// Run by the tests: the JavaScript SDK, pre-recorded, as a user writes it.
// node file.mjs BASE WS FILE      prints the answer as JSON
import { createReadStream } from "node:fs";
import { createRequire } from "node:module";
const { DeepgramClient } = createRequire(import.meta.url)(process.env.OSSICLE_SDK);
const [base, ws, file] = process.argv.slice(2);
const client = new DeepgramClient({
  apiKey: "KEY",
  environment: { base, production: ws, agent: ws, agentRest: base },
});
const answer = await client.listen.v1.media.transcribeFile(createReadStream(file), {
  model: "nova-3",
  smart_format: true,
  utterances: true,
  paragraphs: true,
  tag: "one",
  extra: "case:7",
});
console.log(JSON.stringify(answer));
