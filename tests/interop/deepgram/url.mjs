// Run by the tests: the JavaScript SDK, a recording by URL, as a user writes it.
// node url.mjs BASE WS URL      prints the answer, or how it was refused, as JSON
import { createRequire } from "node:module";
const { DeepgramClient } = createRequire(import.meta.url)(process.env.OSSICLE_SDK);
const [base, ws, url] = process.argv.slice(2);
const client = new DeepgramClient({
  apiKey: "KEY",
  environment: { base, production: ws, agent: ws, agentRest: base },
});
try {
  const answer = await client.listen.v1.media.transcribeUrl({
    url,
    model: "nova-3",
    smart_format: true,
    utterances: true,
    paragraphs: true,
  });
  console.log(JSON.stringify(answer));
} catch (error) {
  console.log(JSON.stringify({ status: error.statusCode, body: error.body }));
}
