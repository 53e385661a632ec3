"""JavaScript for pages that call over WebRTC, and what they need of a browser."""

import json
from typing import Any

__all__ = ["CALLS", "FLAGS", "call"]

FLAGS = (
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
)

CALLS = """
window.calls = [];
window.call = async ({path = "/whip", query = "", send = true, receive = true, data = true,
                      relay = false, candidates = true, servers = [], headers = {}, mic = -1,
                      adapt = false}) => {
  const pc = new RTCPeerConnection({iceServers: servers,
                                    iceTransportPolicy: relay ? "relay" : "all"});
  const it = {pc, messages: [], states: [], sound: []};
  window.calls.push(it);
  pc.onconnectionstatechange = () => it.states.push(pc.connectionState);
  if (send) {
    it.mic = mic >= 0 ? window.calls[mic].mic : await navigator.mediaDevices.getUserMedia({audio: {
      echoCancellation: false, noiseSuppression: false, autoGainControl: false}});
    const [track] = it.mic.getAudioTracks();
    pc.addTransceiver(track, {direction: receive ? "sendrecv" : "sendonly", streams: [it.mic],
      ...(adapt ? {sendEncodings: [{adaptivePtime: true}]} : {})});
  } else {
    pc.addTransceiver("audio", {direction: "recvonly"});
  }
  pc.ontrack = async (event) => {
    const stream = event.streams[0] || new MediaStream([event.track]);
    it.audio = new Audio();
    it.audio.srcObject = stream;
    it.audio.muted = true;
    it.audio.play();
    it.context = new AudioContext({sampleRate: 16000});
    // In the audio thread: a page that is busy would lose sound.
    const tap = `registerProcessor("tap", class extends AudioWorkletProcessor {
      process([[sound]]) { if (sound) this.port.postMessage(sound.slice()); return true; } })`;
    const url = URL.createObjectURL(new Blob([tap], {type: "text/javascript"}));
    await it.context.audioWorklet.addModule(url);
    const node = new AudioWorkletNode(it.context, "tap");
    node.port.onmessage = (event) => it.sound.push(event.data);
    it.context.createMediaStreamSource(stream).connect(node).connect(it.context.destination);
  };
  if (data) {
    it.channel = pc.createDataChannel("ossicle.v1");
    it.channel.onmessage = (event) => it.messages.push(JSON.parse(event.data));
  }
  await pc.setLocalDescription(await pc.createOffer());
  if (candidates && pc.iceGatheringState !== "complete") {
    await new Promise((done) => {
      pc.onicegatheringstatechange = () => pc.iceGatheringState === "complete" && done();
      setTimeout(done, 3000);
    });
  }
  let sdp = pc.localDescription.sdp;
  if (!candidates) {
    sdp = sdp.split("\\r\\n").filter((l) => !/^a=(candidate|end-of)/.test(l)).join("\\r\\n");
  }
  it.begun = performance.now();
  const answer = await fetch(path + query, {
    method: "POST", body: sdp, headers: {"content-type": "application/sdp", ...headers}});
  it.status = answer.status;
  it.body = await answer.text();
  it.location = answer.headers.get("location");
  it.etag = answer.headers.get("etag");
  it.link = answer.headers.get("link");
  if (answer.status !== 201) return it.status;
  await pc.setRemoteDescription({type: "answer", sdp: it.body});
  return it.status;
};
window.connected = (n) => window.calls[n].pc.connectionState === "connected";
window.pairOf = async (n) => {
  const stats = await window.calls[n].pc.getStats();
  for (const each of stats.values()) {
    if (each.type === "transport" && each.selectedCandidatePairId) {
      const pair = stats.get(each.selectedCandidatePairId);
      const local = stats.get(pair.localCandidateId);
      return [local.candidateType, local.protocol, local.relayProtocol || ""];
    }
  }
  return [];
};
window.words = (n) => window.calls[n].messages
  .filter((m) => m.type === "transcript" && m.final && (m.side || "in") === "in")
  .flatMap((m) => m.text.split(" ")).filter(Boolean);
"""


def call(**options: Any) -> str:
    """An expression that calls; its value is the status of the answer."""
    return f"window.call({json.dumps(options)})"
