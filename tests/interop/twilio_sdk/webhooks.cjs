// The official JavaScript package as a program: reads {token, url, params, given, parameters},
// answers with a signature, its verdict on one, and a TwiML document.
const twilio = require("twilio");

let text = "";
process.stdin.on("data", (piece) => (text += piece));
process.stdin.on("end", () => {
  const { token, url, params, given, parameters } = JSON.parse(text);
  const voice = new twilio.twiml.VoiceResponse();
  const stream = voice.connect().stream({ url });
  for (const [name, value] of Object.entries(parameters)) stream.parameter({ name, value });
  console.log(
    JSON.stringify({
      version: require("twilio/package.json").version,
      valid: twilio.validateRequest(token, given, url, params),
      signature: require("twilio/lib/webhooks/webhooks").getExpectedTwilioSignature(token, url, params),
      twiml: voice.toString(),
    }),
  );
});
