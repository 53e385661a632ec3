// Deepgram's JavaScript SDK on /v2/speak, as its users write it. Orders and lines as in flux_speak.py.
const fs = require("fs");
const { DeepgramClient } = require("@deepgram/sdk");

const orders = JSON.parse(fs.readFileSync(0, "utf8"));
const say = (value) => console.log(JSON.stringify(value));

(async () => {
  const client = new DeepgramClient({
    apiKey: orders.key,
    environment: {
      base: orders.base, production: orders.ws, agent: orders.ws, agentRest: orders.base,
    },
  });
  const query = { model: "flux-haley-en", ...orders.query };
  if (orders.post) {
    const answer = await client.speak.v2.audio.generate({ text: orders.text, ...query });
    fs.writeFileSync(orders.out, Buffer.from(await answer.arrayBuffer()));
    say({ type: "Over" });
    process.exit(0);
  }
  const socket = await client.speak.v2.createConnection(query);
  const over = new Promise((resolve) => {
    socket.on("close", (event) => { say({ type: "Closed", code: event.code }); resolve(); });
  });
  socket.on("message", (message) => {
    if (typeof message === "object" && message.type) say(message);
    else say({ type: "Sound", bytes: message.byteLength ?? message.size ?? message.length });
  });
  socket.on("error", (error) => say({ type: "SdkError", text: String(error.message) }));
  socket.connect();
  await socket.waitForOpen();
  for (const text of orders.texts) {
    socket.sendSpeak({ type: "Speak", text });
    socket.sendFlush({ type: "Flush" });
    socket.sendConfigure({ type: "Configure", speed: 1.5 });
  }
  socket.sendInterrupt({ type: "Interrupt" });
  socket.sendClose({ type: "Close" });
  await over;
  say({ type: "Over" });
  process.exit(0);
})().catch((error) => {
  say({ type: "Raised", name: error.name, text: String(error.message) });
  process.exit(0);
});
