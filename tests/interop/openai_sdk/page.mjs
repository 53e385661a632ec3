// Bundled by the tests for a browser: both JavaScript SDKs over WebRTC, as their docs use them. The
// microphone is a track of the page's own, so that a test says when somebody speaks; what the page
// hears is recorded in the audio thread.
import OpenAI from "openai";
import { OpenAIRealtimeWebRTC as Connection } from "openai/realtime/webrtc";
import { OpenAIRealtimeWebRTC, RealtimeAgent, RealtimeSession } from "@openai/agents-realtime";

const it = (window.it = { events: [], sound: [], errors: [], state: "", history: [] });

/** Words as pitches, as tests/pitch.py makes them. */
function pitches(numbers) {
  const rate = 16000, on = 0.16 * rate, off = 0.12 * rate, lead = rate / 5;
  const samples = new Float32Array(lead * 2 + numbers.length * (on + off));
  numbers.forEach((number, place) => {
    const from = lead + place * (on + off);
    for (let n = 0; n < on; n++) {
      const edge = Math.min(1, n / 160, (on - 1 - n) / 160);
      samples[from + n] = 0.36 * edge * Math.sin((2 * Math.PI * (400 + 75 * number) * n) / rate);
    }
  });
  return samples;
}

function microphone() {
  const context = new AudioContext();
  const out = context.createMediaStreamDestination();
  const silence = context.createConstantSource(); // or no packets are sent while nobody speaks
  silence.offset.value = 0;
  silence.connect(out);
  silence.start();
  window.say = (numbers) => {
    const samples = pitches(numbers);
    const buffer = context.createBuffer(1, samples.length, 16000);
    buffer.copyToChannel(samples, 0);
    const source = context.createBufferSource();
    source.buffer = buffer;
    source.connect(out);
    source.start();
  };
  return out.stream;
}

async function record(stream) {
  const context = new AudioContext({ sampleRate: 16000 });
  const tap = `registerProcessor("tap", class extends AudioWorkletProcessor {
    process([[sound]]) { if (sound) this.port.postMessage(sound.slice()); return true; } })`;
  const url = URL.createObjectURL(new Blob([tap], { type: "text/javascript" }));
  await context.audioWorklet.addModule(url);
  const node = new AudioWorkletNode(context, "tap");
  node.port.onmessage = (event) => it.sound.push(event.data);
  context.createMediaStreamSource(stream).connect(node).connect(context.destination);
}

/** Somebody who begins to speak so long after the voice does. */
function told(event) {
  it.events.push(event);
  if (it.interrupter && event.type === "output_audio_buffer.started") {
    const { numbers, ms } = it.interrupter;
    it.interrupter = null;
    setTimeout(() => window.say(numbers), ms);
  }
}

/** What was heard so far, as 16-bit samples in base64. */
window.heard = () => {
  const all = it.sound.flatMap((piece) => [...piece].map((x) => Math.round(x * 32767)));
  const bytes = new Uint8Array(new Int16Array(all).buffer);
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192)
    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
  return btoa(text);
};

/** openai: its connection, and its own request for the SDP exchange. */
window.connectOpenAI = async (baseURL, apiKey, session) => {
  const client = new OpenAI({ apiKey, baseURL, dangerouslyAllowBrowser: true });
  const connection = new Connection();
  connection.onEvent(told);
  connection.onConnectionEvent((event) => (it.state = event.state ?? event.reason ?? it.state));
  const audio = new Audio();
  audio.muted = true;
  connection.peerConnection.ontrack = (event) => {
    audio.srcObject = event.streams[0];
    audio.play();
    record(event.streams[0]);
  };
  const stream = microphone();
  connection.peerConnection.addTrack(stream.getAudioTracks()[0], stream);
  await connection.connect({
    exchangeSdp: async (sdp, { signal }) => {
      const answer = await client.realtime.calls.create({ sdp, session }, { signal });
      it.call = answer.headers.get("location").split("/").pop();
      return answer.text();
    },
  });
  window.send = (event) => connection.send(event);
  window.hangUp = () => client.realtime.calls.hangup(it.call);
  window.refused = async (verb, ...more) => {
    try {
      await client.realtime.calls[verb](it.call, ...more);
      return null;
    } catch (error) {
      return { name: error.constructor.name, status: error.status, code: error.code, text: error.message };
    }
  };
  return it.call;
};

/** @openai/agents-realtime: a session over its WebRTC transport. */
window.connectAgents = async (baseUrl, apiKey, config) => {
  const audioElement = new Audio();
  audioElement.muted = true;
  audioElement.autoplay = true;
  const transport = new OpenAIRealtimeWebRTC({ baseUrl, mediaStream: microphone(), audioElement });
  const session = new RealtimeSession(new RealtimeAgent({ name: "Parrot", instructions: "Repeat." }), {
    transport, model: "gpt-realtime", config,
  });
  session.on("error", (error) => it.errors.push(JSON.stringify(error)));
  session.on("history_updated", (history) => (it.history = history));
  session.on("transport_event", told);
  transport.on("connection_change", (state) => (it.state = state));
  await session.connect({ apiKey });
  await record(audioElement.srcObject);
  it.call = transport.callId;
  window.close = () => session.close();
  return it.call;
};
