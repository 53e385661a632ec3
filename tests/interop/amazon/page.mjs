// Bundled by the tests for a browser: the JavaScript SDK with its WebSocket handler, unmodified.
import {
  StartStreamTranscriptionCommand,
  TranscribeStreamingClient,
} from "@aws-sdk/client-transcribe-streaming";

window.transcribe = async (host, accessKeyId, secretAccessKey, sound, options) => {
  const said = [];
  const client = new TranscribeStreamingClient({
    region: "us-east-1",
    endpoint: `https://${host}`,
    credentials: { accessKeyId, secretAccessKey },
    maxAttempts: 1,
  });
  let heardAll;
  const all = new Promise((resolve) => (heardAll = resolve));
  async function* speak() {
    for (let at = 0; at < sound.length; at += 3200) {
      yield { AudioEvent: { AudioChunk: sound.subarray(at, at + 3200) } };
    }
    yield { AudioEvent: { AudioChunk: new Uint8Array() } };
    await all; // the SDK closes the socket as soon as this ends
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
    for await (const event of answer.TranscriptResultStream) {
      for (const result of event.TranscriptEvent?.Transcript.Results ?? []) {
        said.push({ partial: result.IsPartial, text: result.Alternatives[0].Transcript });
      }
    }
    return { said, ended: true };
  } catch (error) {
    return { said, error: error?.name, text: String(error?.message ?? error) };
  } finally {
    heardAll();
  }
};
