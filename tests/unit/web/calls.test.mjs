// A call with the peer connection, the gateway's HTTP and time in the test's hands.
import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { connect } from "../../../src/ossicle/web/ossicle.js";
import { here, there } from "../../../src/ossicle/web/ossicle/figures.js";
import { iceServers } from "../../../src/ossicle/web/ossicle/ice.js";

const tick = () => new Promise((resolve) => setImmediate(resolve));
const soon = async (what) => {
  for (let count = 0; count < 200; count += 1) {
    const value = what();
    if (value) return value;
    await tick();
  }
  throw new Error(`never: ${what}`);
};

globalThis.MediaStream = class {
  constructor(tracks) {
    this.tracks = tracks;
  }
};

/** Both ends of each call that was begun. */
class Peers {
  constructor() {
    const made = (this.made = []);
    this.Peer = class {
      constructor(how) {
        Object.assign(this, { how, connectionState: "new", track: undefined, stats: [] });
        made.push(this);
      }
      addTransceiver(track, { direction, sendEncodings }) {
        this.track = track;
        this.offered = { direction, sendEncodings };
        return { sender: { replaceTrack: async (other) => void (this.track = other) } };
      }
      createDataChannel(label) {
        this.channel = {
          label, readyState: "connecting", bufferedAmount: 0, sent: [],
          send(text) {
            this.sent.push(JSON.parse(text));
          },
        };
        return this.channel;
      }
      async setLocalDescription() {
        this.localDescription = { sdp: "v=0 offer" };
      }
      async setRemoteDescription({ sdp }) {
        if (sdp.includes("unusable")) throw new TypeError("x");
        this.answer = sdp;
      }
      async getStats() {
        return new Map(this.stats.map((each, place) => [place, each]));
      }
      close() {
        this.connectionState = "closed";
      }
      // from the gateway's side
      state(name) {
        this.connectionState = name;
        this.onconnectionstatechange();
      }
      say(message) {
        this.channel.onmessage({ data: JSON.stringify(message) });
      }
      began(fields = {}) {
        this.state("connected");
        this.channel.readyState = "open";
        this.channel.onopen();
        this.say({ type: "began", session: "s", token: "TOKEN", resumed: false, taken_bytes: 0, taken_commands: 0, options: {}, ...fields });
      }
      cut() {
        this.state("failed");
      }
    };
  }
}

/** What the gateway says over HTTP. */
class House {
  constructor() {
    this.asked = [];
    this.answers = { OPTIONS: () => this.reply(204), POST: () => this.reply(201, "v=0 answer", { location: "/whip/call-1" }), DELETE: () => this.reply(200) };
    globalThis.fetch = async (url, { method = "GET", headers = {}, body } = {}) => {
      this.asked.push({ method, url: new URL(url), headers, body });
      return (this.answers[method] ?? (() => this.reply(404)))(new URL(url));
    };
  }
  reply(status, body = "", headers = {}) {
    return {
      status, ok: status < 300, headers: new Headers(headers), text: async () => body,
      json: async () => JSON.parse(body),
    };
  }
  refuse(status, error) {
    this.answers.POST = () => this.reply(status, JSON.stringify({ error }));
  }
  of(method) {
    return this.asked.filter((each) => each.method === method);
  }
}

let house;
beforeEach(() => {
  house = new House();
  mock.timers.reset();
});

function begin(options = {}) {
  const peers = new Peers();
  const promise = connect({
    url: "https://host.example", transport: "webrtc", RTCPeerConnection: peers.Peer, chance: () => 0.5,
    clock: { now: () => 0, sleep: tick }, ...options,
  });
  promise.catch(() => {});
  return { peers, promise, next: (count) => soon(() => peers.made[count - 1]) };
}

/** A call that stands. */
async function standing(options = {}) {
  const { peers, promise, next } = begin(options);
  const peer = await next(1);
  await soon(() => peer.answer);
  peer.began(options.began);
  return { peers, peer, next, stream: await promise };
}

async function failed(promise) {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error("it did not fail");
}

test("the offer, and what it asks for", async () => {
  house.answers.OPTIONS = () =>
    house.reply(204, "", { link: '<stun:s.example>; rel="ice-server", <turn:t.example?transport=tcp>; rel="ice-server"; username="u"; credential="c,d"' });
  const { peer, stream } = await standing({ token: async () => "sesame", parameters: { language: "de-DE", model: "" } });
  assert.deepEqual(peer.how.iceServers, [
    { urls: "stun:s.example" }, { urls: "turn:t.example?transport=tcp", username: "u", credential: "c,d" },
  ]);
  assert.deepEqual(peer.offered, { direction: "sendrecv", sendEncodings: [{ adaptivePtime: true }] });
  const [post] = house.of("POST");
  assert.equal(post.url.href, "https://host.example/whip?language=de-DE");
  assert.deepEqual(post.headers, { authorization: "Bearer sesame", "content-type": "application/sdp" });
  assert.equal(post.body, "v=0 offer");
  assert.equal(peer.channel.label, "ossicle.v1");
  stream.close();
  assert.equal(peer.connectionState, "closed");
  assert.equal(house.of("DELETE")[0].url.href, "https://host.example/whip/call-1");
});

test("a track goes where sound went; sound and formats have no place", async () => {
  const { peer, stream } = await standing();
  assert.equal(peer.track, "audio"); // nothing to send yet, and both ways all the same
  stream.attach("TRACK");
  await tick();
  assert.equal(peer.track, "TRACK");
  assert.match((await failed(stream.send(new ArrayBuffer(2)))).message, /attach a microphone/);
  assert.match((await failed(stream.speak("x".repeat(70_000)))).message, /in parts/);
  const voices = [];
  const stop = stream.onVoice((voice) => voices.push(voice));
  peer.ontrack({ track: "VOICE" });
  stop();
  peer.ontrack({ track: "LATER" });
  assert.deepEqual(voices.map(({ tracks }) => tracks), [["VOICE"]]);
  assert.deepEqual(stream.voice.tracks, ["LATER"]);
  for (const options of [{ encoding: "mulaw" }, { sample_rate: 8000 }, { channels: 2 }]) {
    assert.match((await failed(connect({ transport: "webrtc", ...options }))).message, /negotiates/);
  }
  assert.match((await failed(connect({ transport: "pigeon" }))).message, /pigeon is no transport/);
  stream.close();
});

test("words that end something wait for the sound before them", async () => {
  const { peer, stream } = await standing();
  mock.timers.enable({ apis: ["setTimeout"] });
  const said = stream.finalize();
  await stream.speak("hello");
  assert.deepEqual(peer.channel.sent, []); // in order: nothing overtakes
  mock.timers.tick(200);
  assert.deepEqual(peer.channel.sent.map(({ type }) => type), ["finalize", "speak"]);
  peer.say({ type: "transcript", seq: 1, ref: "c1", text: "so", final: true, ends_turn: true, turn: 0, segment: 0, start_ms: 0, end_ms: 9 });
  assert.equal((await said).text, "so");
  stream.close();
});

test("a call that is cut goes on with a new offer; what was not taken is asked again", async () => {
  const { peer, next, stream } = await standing();
  stream.attach("TRACK");
  peer.say({ type: "flow", taken_bytes: 64_000, taken_commands: 0, settled_ms: 1500, until_ms: 9000 });
  peer.say({ type: "transcript", seq: 7, text: "one", final: true, ends_turn: true, turn: 0, segment: 0, start_ms: 0, end_ms: 1400 });
  await stream.speak("hello");
  house.answers.POST = () => house.reply(201, "v=0 answer", { location: "/whip/call-2" });
  peer.cut();
  const second = await next(2);
  await soon(() => second.answer);
  const { searchParams } = house.of("POST")[1].url;
  assert.deepEqual(Object.fromEntries(searchParams), { resume: "TOKEN", since: "7", turn: "1", settled_ms: "2000" });
  assert.equal(second.track, "TRACK");
  second.began({ resumed: true, taken_bytes: 96_000, taken_commands: 0 });
  assert.deepEqual(second.channel.sent.map(({ text }) => text), ["hello"]);
  assert.equal(stream.reconnects, 1);
  const events = [];
  for await (const event of stream) {
    events.push(event);
    if (event.code === "audio_lost") break;
  }
  assert.deepEqual(events.map(({ type }) => type), ["began", "speech_started", "transcript", "notice"]);
  stream.close();
});

test("another gateway goes on with what is said next", async () => {
  const { peer, next, stream } = await standing();
  peer.say({ type: "flow", taken_bytes: 64_000, taken_commands: 0, settled_ms: 0 });
  peer.cut();
  const second = await next(2);
  await soon(() => second.answer);
  second.began({ session: "other", token: "NEW" });
  assert.equal(stream.moves, 1);
  second.say({ type: "ended", seq: 9, reason: "done", audio_ms: 500, session_ms: 700 });
  assert.equal(stream.ended.audio_ms, 2500);
  second.channel.onclose();
});

test("nothing comes any more: it is noticed, and a page that was asleep is not cut for that", async () => {
  mock.timers.enable({ apis: ["setInterval"] });
  const { peer, stream, next } = await standing();
  const look = async (bytes) => {
    peer.stats = [{ type: "transport", bytesReceived: bytes }];
    mock.timers.tick(1000);
    await tick();
  };
  for (const bytes of [10, 20, 20, 20, 30, 30, 30]) await look(bytes);
  assert.ok(stream.connected);
  await look(30);
  assert.equal(stream.connected, false);
  await next(2);
  stream.close();
});

test("after its goodbye the gateway hangs up itself, when its voice was heard", async () => {
  const { peer, stream } = await standing();
  stream.attach("TRACK");
  peer.say({ type: "ended", seq: 3, reason: "done", audio_ms: 1, session_ms: 2 });
  await tick();
  assert.ok(stream.over);
  assert.equal(peer.track, null); // nobody listens any more
  assert.equal(peer.connectionState, "connected"); // and it may still be heard
  peer.channel.onclose();
  assert.equal(peer.connectionState, "closed");
  assert.equal(house.of("DELETE").length, 0);
});

test("no packet passes: at once, or by waiting", async () => {
  for (const how of ["failed", "waiting"]) {
    mock.timers.reset();
    if (how === "waiting") mock.timers.enable({ apis: ["setTimeout"] });
    const { promise, next } = begin();
    const peer = await next(1);
    await soon(() => peer.answer);
    await tick();
    if (how === "failed") peer.cut();
    else mock.timers.tick(10_000);
    const error = await failed(promise);
    assert.deepEqual([error.name, error.code], ["ConnectionLost", "udp_blocked"]);
    assert.match(error.message, /blocks UDP.*--ice-ports.*webrtc\.turn.*WebSocket/);
    assert.equal(peer.connectionState, "closed");
  }
});

test("refusals come in the gateway's own words", async () => {
  house.refuse(501, { code: "missing_extra", text: "WebRTC is not installed here: pip install", whose: "us" });
  let error = await failed(begin().promise);
  assert.deepEqual([error.code, error.message], ["missing_extra", "WebRTC is not installed here: pip install"]);
  house.refuse(401, { code: "unauthorized", text: "a key is needed", whose: "client" });
  error = await failed(begin().promise);
  assert.deepEqual([error.name, error.message], ["Denied", "a key is needed"]);
  house.answers.POST = () => house.reply(502, "<html>");
  error = await failed(begin().promise);
  assert.deepEqual([error.name, error.retryable], ["Overloaded", true]); // a proxy's own words
  house.answers.POST = () => house.reply(201, "unusable", { location: "/whip/1" });
  error = await failed(begin().promise);
  assert.match(error.message, /cannot use the gateway's answer \(TypeError\)/);
});

test("nobody there, or nobody who lets this page in", async () => {
  const unreachable = () => {
    throw new TypeError("fetch failed");
  };
  house.answers.OPTIONS = house.answers.POST = house.answers.GET = unreachable;
  assert.match((await failed(begin().promise)).message, /nobody answers at https:\/\/host\.example/);
  house.answers.GET = () => house.reply(200);
  const error = await failed(begin().promise);
  assert.deepEqual([error.name, error.code], ["Forbidden", "forbidden"]);
});

test("what a browser cannot do", async () => {
  const error = await failed(connect({ url: "https://host.example", transport: "webrtc" }));
  assert.match(error.message, /no WebRTC/);
  const odd = await failed(begin({ token: "two words" }).promise);
  assert.deepEqual([odd.name, odd.code], ["Denied", "unauthorized"]);
  assert.ok(!odd.message.includes("two words"));
});

test("left before the answer came, the call is ended all the same", async () => {
  let answer = () => {};
  house.answers.POST = () => new Promise((resolve) => (answer = () => resolve(house.reply(201, "v=0", { location: "/whip/late" }))));
  const { SpeechStream } = await import("../../../src/ossicle/web/ossicle.js");
  const peers = new Peers();
  const stream = new SpeechStream({ url: "https://host.example", transport: "webrtc", RTCPeerConnection: peers.Peer });
  const opening = stream.open();
  await soon(() => house.of("POST").length);
  stream.close();
  answer();
  await opening;
  await soon(() => house.of("DELETE").length);
  assert.equal(house.of("DELETE")[0].url.pathname, "/whip/late");
});

test("figures of both ends", async () => {
  const { peer, stream } = await standing({ token: "sesame" });
  peer.stats = [
    { id: "T", type: "transport", selectedCandidatePairId: "P", bytesReceived: 5 },
    { id: "P", type: "candidate-pair", localCandidateId: "L", currentRoundTripTime: 0.025 },
    { id: "L", type: "local-candidate", candidateType: "relay", relayProtocol: "tcp" },
    { type: "outbound-rtp", kind: "audio", targetBitrate: 24_000 },
    { type: "inbound-rtp", kind: "audio", packetsReceived: 200, packetsLost: 3, concealedSamples: 9600, silentConcealedSamples: 7680, jitterBufferDelay: 12, jitterBufferEmittedCount: 200 },
  ];
  house.answers.GET = (url) => {
    assert.equal(url.href, "https://host.example/v1/sessions/s");
    return house.reply(200, JSON.stringify({ ledger: { network_ms: 30 }, packets: { received: 99, lost: 2, recovered: 1, concealed: 1, depth_ms: 60 } }));
  };
  assert.deepEqual(await stream.stats(), {
    transport: "webrtc", path: "relay/tcp", round_trip_ms: 25,
    in: { packets: 99, lost: 2, recovered: 1, concealed: 1, buffer_ms: 60, bitrate: 24_000 },
    out: { packets: 200, lost: 3, recovered: null, concealed: 2, buffer_ms: 60, bitrate: null },
    ledger: { network_ms: 30 },
  });
  assert.equal(house.of("GET")[0].headers.authorization, "Bearer sesame");
  house.answers.GET = () => house.reply(401);
  assert.equal((await stream.stats()).in, null);
  stream.close();
});

test("what other browsers tell, and what they do not", () => {
  assert.deepEqual(here([]), { path: "", round_trip_ms: null, received: 0, bitrate: null, out: null });
  const firefox = here([
    { id: "P", type: "candidate-pair", selected: true, bytesReceived: 7 }, { type: "inbound-rtp", kind: "audio" },
  ]);
  assert.deepEqual([firefox.received, firefox.out.buffer_ms], [7, null]);
  assert.equal(there(null), null);
  assert.equal(there({ packets: null }), null);
});

test("ICE servers: only those that are, with what they need", () => {
  assert.deepEqual(iceServers(null), []);
  assert.deepEqual(iceServers("<https://x>; rel=\"ice-server\", <stun:a>; rel=\"next\", <turn:b>; rel=\"ice-server\", junk"), []);
  assert.deepEqual(iceServers("<turns:c:443>; username=u; rel=ice-server; credential=\"p;q\""), [
    { urls: "turns:c:443", username: "u", credential: "p;q" },
  ]);
  const many = Array.from({ length: 40 }, (_, place) => `<stun:s${place}>; rel="ice-server"`).join(", ");
  assert.equal(iceServers(many).length, 16);
});
