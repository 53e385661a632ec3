// Run by the tests: the JavaScript SDK over HTTP/2, as a user writes it.
// node stream.mjs URL FILE KEYID SECRET OPTIONS(JSON)      prints one JSON object per result
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
const { TranscribeStreamingClient, StartStreamTranscriptionCommand } = createRequire(
  process.env.OSSICLE_JS + "/x.js",
)("@aws-sdk/client-transcribe-streaming");
const [url, file, accessKeyId, secretAccessKey, more] = process.argv.slice(2);
const { piece = 3200, pause = 0, clock = 0, ...options } = JSON.parse(more);
const show = (type, fields) => console.log(JSON.stringify({ type, ...fields }));
const client = new TranscribeStreamingClient({
  region: "us-east-1",
  endpoint: url,
  credentials: { accessKeyId, secretAccessKey },
  systemClockOffset: clock,
  maxAttempts: 1,
});
const audio = readFileSync(file);
async function* speak() {
  for (let at = 0; at < audio.length; at += piece) {
    yield { AudioEvent: { AudioChunk: audio.subarray(at, at + piece) } };
    if (pause) await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
try {
  const answer = await client.send(
    new StartStreamTranscriptionCommand({
      LanguageCode: "en-US",
      MediaSampleRateHertz: 16000,
      MediaEncoding: "pcm",
      AudioStream: speak(),
      ...options,
    }),
  );
  show("ACCEPTED", { session: answer.SessionId, request: answer.RequestId, rate: answer.MediaSampleRateHertz, language: answer.LanguageCode });
  for await (const event of answer.TranscriptResultStream) {
    for (const result of event.TranscriptEvent?.Transcript.Results ?? []) {
      const [first] = result.Alternatives;
      show("RESULT", {
        id: result.ResultId, partial: result.IsPartial, start: result.StartTime, end: result.EndTime,
        text: first.Transcript, channel: result.ChannelId,
        items: first.Items.map((item) => [item.Type, item.Content, item.Stable ?? null]),
      });
    }
  }
  show("ENDED", {});
} catch (error) {
  show("FAILED", { name: error.name, text: String(error.message), status: error.$metadata?.httpStatusCode });
}
client.destroy();
