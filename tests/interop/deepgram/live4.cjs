// Run by the tests: the older JavaScript SDK (4), live and pre-recorded, as a user wrote it.
// node live4.cjs BASE WS FILE live|file      prints one JSON object per message, or the answer
const { readFileSync } = require("node:fs");
const { createClient, LiveTranscriptionEvents } = require(process.env.OSSICLE_SDK);
const [base, , file, how] = process.argv.slice(2);
const client = createClient("KEY", { global: { url: base } });
const audio = readFileSync(file);
const print = (message) => console.log(JSON.stringify(message));
if (how === "file") {
  client.listen.prerecorded
    .transcribeFile(audio, { model: "nova-2", smart_format: true, utterances: true, paragraphs: true })
    .then(({ result, error }) => print(result ?? { type: "FAILED", error: String(error) }));
} else {
  const connection = client.listen.live({
    model: "nova-2", encoding: "linear16", sample_rate: 16000, interim_results: true,
    vad_events: true, utterance_end_ms: 1000, punctuate: true,
  });
  for (const name of ["Transcript", "Metadata", "SpeechStarted", "UtteranceEnd", "Unhandled"])
    connection.on(LiveTranscriptionEvents[name], print);
  connection.on(LiveTranscriptionEvents.Error, (error) => print({ type: "FAILED", error: String(error) }));
  connection.on(LiveTranscriptionEvents.Close, () => setTimeout(() => process.exit(0), 100));
  connection.on(LiveTranscriptionEvents.Open, () => {
    connection.keepAlive();
    for (let at = 0; at < audio.length; at += 3200) connection.send(audio.subarray(at, at + 3200));
    connection.finalize();
    connection.requestClose();
  });
}
