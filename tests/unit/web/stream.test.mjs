// The stream with sockets, time and chance in the test's hands.
import assert from "node:assert/strict";
import { test } from "node:test";

import { connect } from "../../../src/ossicle/web/ossicle.js";

/** A gateway's end of each socket that was opened. */
class Sockets {
  constructor() {
    const opened = (this.opened = []);
    this.WebSocket = class {
      constructor(url, protocols) {
        Object.assign(this, { url: new URL(url), protocols, readyState: 0, bufferedAmount: 0, sent: [], closedWith: null });
        opened.push(this);
      }
      send(data) {
        this.sent.push(typeof data === "string" ? JSON.parse(data) : data.length);
      }
      close(code = 1005) {
        this.closedWith = code;
      }
      // from the gateway's side
      open() {
        this.readyState = 1;
        this.onopen();
      }
      say(message) {
        this.onmessage({ data: JSON.stringify(message) });
      }
      sound(bytes) {
        this.onmessage({ data: new ArrayBuffer(bytes) });
      }
      cut(code = 1006, reason = "") {
        this.readyState = 3;
        this.onclose({ code, reason });
      }
      began(fields = {}) {
        this.open();
        this.say({ type: "began", session: "s", token: "TOKEN", resumed: false, taken_bytes: 0, taken_commands: 0, options: {}, ...fields });
      }
    };
  }
  async next(count) {
    while (this.opened.length < count) await tick();
    return this.opened[count - 1];
  }
}

const tick = () => new Promise((resolve) => setImmediate(resolve));

/** Time that moves by what is slept. */
function clock() {
  let now = 0;
  const slept = [];
  return { slept, now: () => now, sleep: async (seconds) => void (slept.push(seconds), (now += seconds), await tick()) };
}

async function opened(options = {}) {
  const sockets = new Sockets();
  const time = clock();
  const promise = connect({ url: "https://host.example", WebSocket: sockets.WebSocket, clock: time, chance: () => 0.5, ...options });
  const socket = await sockets.next(1);
  return { sockets, time, promise, socket };
}

test("the address and the credential", async () => {
  const { promise, socket } = await opened({
    token: async () => "sesame", parameters: { language: "de-DE", hint: ["Anna", "Otto"], model: "" },
  });
  socket.began();
  (await promise).close();
  assert.equal(socket.closedWith, 1000);
  assert.equal(socket.url.origin + socket.url.pathname, "wss://host.example/v1/stream");
  assert.equal(socket.url.search, "?encoding=pcm_s16le&sample_rate=16000&channels=1&language=de-DE&hint=Anna&hint=Otto");
  assert.deepEqual(socket.protocols, ["ossicle.v1", "token", "sesame"]);
});

test("a drop in the middle goes on at exactly the byte", async () => {
  const { sockets, promise, socket } = await opened();
  socket.began();
  const stream = await promise;
  await stream.send(new Uint8Array(1000));
  socket.say({ type: "transcript", seq: 4, text: "go", turn: 0, segment: 0, final: true, ends_turn: true, start_ms: 0, end_ms: 10 });
  socket.cut();
  const second = await sockets.next(2);
  await stream.send(new Uint8Array(200));
  assert.equal(second.url.searchParams.get("resume"), "TOKEN");
  assert.equal(second.url.searchParams.get("since"), "4");
  second.began({ resumed: true, taken_bytes: 600 });
  assert.deepEqual(second.sent, [400, 200]);
  assert.equal(stream.reconnects, 1);
  // said again by a gateway that did not know it came through
  second.say({ type: "transcript", seq: 4, text: "go", turn: 0, segment: 0, final: true, ends_turn: true, start_ms: 0, end_ms: 10 });
  second.say({ type: "ended", seq: 5, reason: "done", audio_ms: 37, session_ms: 40 });
  const events = [];
  for await (const event of stream) events.push(event.type);
  assert.deepEqual(events, ["began", "speech_started", "transcript", "ended"]);
});

test("a gateway that claims more than was sent is not believed", async () => {
  const { sockets, promise, socket } = await opened();
  socket.began();
  const stream = await promise;
  await stream.send(new Uint8Array(100));
  socket.cut();
  (await sockets.next(2)).began({ resumed: true, taken_bytes: 600 });
  await assert.rejects(async () => {
    for await (const event of stream) assert.equal(event.type, "began");
  }, { name: "Refused", code: "bad_message" });
});

test("waits grow, and it gives up in the end", async () => {
  const { sockets, time, promise, socket } = await opened({ reconnect: { total_s: 10 } });
  socket.began();
  const stream = await promise;
  const refusing = (async () => {
    for (let count = 2; !stream.over; count += 1) {
      while (sockets.opened.length < count && !stream.over) await tick();
      if (!stream.over) {
        sockets.opened[count - 1].open();
        sockets.opened[count - 1].cut();
      }
    }
  })();
  socket.cut();
  await assert.rejects(async () => {
    for await (const event of stream) assert.ok(["began", "ended"].includes(event.type));
  }, (error) => error.name === "ConnectionLost" && /within 10 s/.test(error.message));
  await refusing;
  assert.deepEqual(time.slept.slice(0, 7), [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 2.5]);
  assert.equal(stream.ended.reason, "lost");
});

test("a refusal that no retry can help ends it at once", async () => {
  const { promise, socket } = await opened();
  socket.open();
  socket.say({ type: "ended", reason: "refused", audio_ms: 0, session_ms: 0, error: { code: "unauthorized", text: "this key is not known", whose: "client" } });
  socket.cut(4401, "unauthorized");
  await assert.rejects(promise, { name: "Denied", code: "unauthorized", message: "this key is not known" });
});

test("nobody there", async () => {
  const { promise, socket } = await opened({ url: "http://localhost:1" });
  socket.cut();
  await assert.rejects(promise, (error) => error.name === "ConnectionLost" && /ossicle serve/.test(error.message));
});

test("send waits without credit, and when nobody takes the sound", async () => {
  const { promise, socket } = await opened({ reconnect: { buffer_s: 2 } });
  socket.began();
  socket.say({ type: "flow", taken_bytes: 0, taken_commands: 0, settled_ms: 0, until_ms: 1000 });
  const stream = await promise;
  let sent = 0;
  const sending = (async () => {
    for (; sent < 10; sent += 1) await stream.send(new Uint8Array(16000));
  })();
  for (let count = 0; count < 20; count += 1) await tick();
  assert.ok(sent < 6, `${sent} of 10 half seconds went into a buffer for two`);
  assert.equal(socket.sent.reduce((sum, size) => sum + size, 0), 32000); // up to the credit, no more
  socket.say({ type: "flow", taken_bytes: 32000, taken_commands: 0, settled_ms: 1000, until_ms: 60000 });
  for (let count = 0; count < 20; count += 1) await tick();
  socket.say({ type: "flow", taken_bytes: 160000, taken_commands: 0, settled_ms: 1000, until_ms: 60000 });
  await sending;
  assert.equal(socket.sent.reduce((sum, size) => sum + size, 0), 160000);
  stream.close();
});

test("a full browser buffer is left to drain", async () => {
  const { promise, socket } = await opened();
  socket.began();
  const stream = await promise;
  socket.bufferedAmount = 1 << 20;
  await stream.send(new Uint8Array(100));
  assert.deepEqual(socket.sent, []);
  socket.bufferedAmount = 0;
  while (!socket.sent.length) await tick();
  assert.deepEqual(socket.sent, [100]);
  stream.close();
  socket.cut(1000);
});

test("a reader that does not read costs a connection, and no event", async () => {
  const { sockets, promise, socket } = await opened();
  socket.began();
  const stream = await promise;
  const notice = (seq) => ({ type: "notice", seq, level: "info", code: "x", text: "y" });
  let seq = 0;
  while (socket.closedWith === null && seq < 10_000) socket.say(notice(++seq));
  assert.equal(socket.closedWith, 4000); // not 1000: the session stays
  assert.ok(seq <= 4096);
  for (let count = 0; count < 20; count += 1) await tick();
  assert.equal(sockets.opened.length, 1); // and not before somebody reads
  let read = 0;
  for await (const event of stream) {
    read += event.type === "notice";
    if (sockets.opened.length === 2 && !sockets.opened[1].readyState) {
      assert.equal(sockets.opened[1].url.searchParams.get("since"), String(seq));
      sockets.opened[1].began({ resumed: true });
      for (let count = 0; count < 5; count += 1) sockets.opened[1].say(notice(++seq));
      sockets.opened[1].say({ type: "ended", seq: ++seq, reason: "done", audio_ms: 0, session_ms: 0 });
    }
  }
  assert.equal(read, seq - 1);
});

test("finalize is answered once, and refused when the stream ends first", async () => {
  const { sockets, promise, socket } = await opened();
  socket.began();
  const stream = await promise;
  const answer = stream.finalize();
  await tick();
  assert.deepEqual(socket.sent, [{ type: "finalize", ref: "c1" }]);
  socket.cut();
  const second = await sockets.next(2);
  second.began({ resumed: true, taken_commands: 0 });
  assert.deepEqual(second.sent, [{ type: "finalize", ref: "c1" }]);
  second.say({ type: "transcript", seq: 1, ref: "c1", text: "go", turn: 0, segment: 0, final: true, ends_turn: true, start_ms: 0, end_ms: 9 });
  assert.equal((await answer).text, "go");
  const other = assert.rejects(stream.finalize(), { name: "Refused" });
  await tick();
  second.say({ type: "ended", seq: 2, reason: "done", audio_ms: 9, session_ms: 9 });
  await other;
  await assert.rejects(stream.send(new Uint8Array(2)), { name: "Refused" });
});

test("another gateway: replay from the last final, requests unanswered, one timeline", async () => {
  const { sockets, promise, socket } = await opened();
  socket.began();
  const stream = await promise;
  await stream.send(new Uint8Array(64000)); // two seconds
  socket.say({ type: "speech_started", seq: 1, side: "in", turn: 0, at_ms: 0 });
  socket.say({ type: "transcript", seq: 2, text: "go", turn: 0, segment: 0, final: true, ends_turn: true, start_ms: 0, end_ms: 500 });
  const question = stream.finalize();
  await tick();
  socket.cut();
  const second = await sockets.next(2);
  assert.equal(second.url.searchParams.get("settled_ms"), "500");
  assert.equal(second.url.searchParams.get("turn"), "1");
  second.began({ session: "t", token: "OTHER", resumed: false });
  assert.equal(second.sent.filter(Number).reduce((sum, size) => sum + size, 0), 48000);
  assert.deepEqual(second.sent.at(-1), { type: "finalize", ref: "c1" });
  second.say({ type: "transcript", seq: 3, ref: "c1", text: "on", turn: 1, segment: 0, final: true, ends_turn: true, start_ms: 500, end_ms: 900 });
  await question;
  assert.deepEqual([stream.session, stream.moves], ["t", 1]);
  second.say({ type: "ended", seq: 4, reason: "done", audio_ms: 1500, session_ms: 9 });
  assert.equal(stream.ended.audio_ms, 2000);
});

test("sound belongs to the message before it", async () => {
  const { promise, socket } = await opened();
  socket.began({ options: { speaks: { encoding: "pcm_s16le", sample_rate: 24000 } } });
  const stream = await promise;
  assert.equal(stream.speaks.sample_rate, 24000);
  socket.sound(4); // nothing announced it
  socket.say({ type: "audio_out", seq: 1, utterance: "u", start_ms: 0 });
  socket.sound(640);
  socket.say({ type: "of_tomorrow", seq: 2 });
  socket.say({ type: "ended", seq: 3, reason: "done", audio_ms: 0, session_ms: 0 });
  const events = [];
  for await (const event of stream) events.push([event.type, event.data?.byteLength]);
  assert.deepEqual(events, [["began", undefined], ["audio_out", 640], ["ended", undefined]]);
});

test("what is no gateway is told apart from one that is gone", async () => {
  const { promise, socket } = await opened();
  socket.open();
  socket.onmessage({ data: "<html>" });
  await assert.rejects(promise, (error) => /does the address lead to a gateway/.test(error.message));
});

test("a function that cannot fetch a token", async () => {
  const sockets = new Sockets();
  const promise = connect({ url: "https://host.example", WebSocket: sockets.WebSocket, token: async () => { throw new TypeError("secret"); } });
  await assert.rejects(promise, (error) => error.name === "ConnectionLost" && !/secret/.test(error.message));
});

test("bad addresses", async () => {
  for (const url of ["nonsense", "ftp://host"]) {
    await assert.rejects(connect({ url }), { name: "Refused" });
  }
});
