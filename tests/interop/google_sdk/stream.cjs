// @google-cloud/speech, unmodified: stream.cjs v1|v1p1beta1|v2|unary HOST PORT FILE [KEY]
// Prints one JSON object a line. With a key: over TLS.
process.env.METADATA_SERVER_DETECTION = 'none';
const fs = require('node:fs');
const speech = require('@google-cloud/speech');
const { grpc } = require('google-gax');

const [how, host, port, file, key] = process.argv.slice(2);
const sound = fs.readFileSync(file).subarray(44);
const options = key
  ? { apiEndpoint: host, port: Number(port), apiKey: key }
  : { apiEndpoint: host, port: Number(port), sslCreds: grpc.credentials.createInsecure() };
const say = (object) => console.log(JSON.stringify(object));
const config = { encoding: 'LINEAR16', sampleRateHertz: 16000, languageCode: 'en-US' };
const pieces = [];
for (let at = 0; at < sound.length; at += 6400) pieces.push(sound.subarray(at, at + 6400));

function listen(stream, write) {
  stream.on('data', (message) => say(message));
  stream.on('error', (error) => say({ failed: error.code, details: error.details }));
  stream.on('end', () => say({ end: true }));
  for (const piece of pieces) write(piece);
  stream.end();
}

if (how === 'v1' || how === 'v1p1beta1') {
  const client = new speech[how].SpeechClient(options);
  const stream = client.streamingRecognize({ config, interimResults: true });
  listen(stream, (piece) => stream.write(piece));
} else if (how === 'v2') {
  const client = new speech.v2.SpeechClient(options);
  const stream = client._streamingRecognize();
  stream.write({
    recognizer: 'projects/p/locations/global/recognizers/_',
    streamingConfig: {
      config: {
        explicitDecodingConfig: { encoding: 'LINEAR16', sampleRateHertz: 16000, audioChannelCount: 1 },
        languageCodes: ['en-US'],
      },
      streamingFeatures: { interimResults: true },
    },
  });
  listen(stream, (piece) => stream.write({ audio: piece }));
} else {
  const client = new speech.SpeechClient(options);
  client.recognize({ config, audio: { content: sound } }).then(
    ([answer]) => say(answer),
    (error) => say({ failed: error.code, details: error.details }),
  );
}
