/**
 * How a call is carried, as numbers: from `RTCPeerConnection.getStats()` here, and from the session's
 * record there. No page, no clock.
 *
 * @module
 */

/** @import { LedgerReport } from "./messages.js" */

/**
 * What became of the sound of one direction. Packets hold 20 ms.
 *
 * @typedef {object} Carried
 * @property {number} packets that came
 * @property {number} lost on the way
 * @property {number | null} recovered of those, read from what the next one repeats (FEC); null: a
 *   browser does not tell
 * @property {number} concealed that were made up instead
 * @property {number | null} buffer_ms how long a packet is held, so that late ones find their place
 * @property {number | null} bitrate bits a second
 *
 * @typedef {object} WireStats
 * @property {"websocket" | "webrtc"} transport
 * @property {string} path how the packets go: `host`, `srflx`, `prflx` or `relay/udp`, `relay/tcp`;
 *   empty over a WebSocket
 * @property {number | null} round_trip_ms
 * @property {Carried | null} in your sound, as the gateway got it; null: over a WebSocket nothing is
 *   lost, it only comes late. Null, too, where the key may not ask
 * @property {Carried | null} out its voice, as it came here
 * @property {LedgerReport | null} ledger so far
 */

/** Samples of 20 ms at the 48 kHz of Opus in RTP. */
const PACKET = 960;

/**
 * @typedef {object} Here
 * @property {string} path
 * @property {number | null} round_trip_ms
 * @property {number} received bytes of anything at all
 * @property {number | null} bitrate what the encoder aims at
 * @property {Carried | null} out
 */

/**
 * What a browser tells.
 *
 * @param {Iterable<Record<string, any>>} report values of an `RTCStatsReport`
 * @returns {Here}
 */
export function here(report) {
  const all = [...report];
  /** @param {string | undefined} id */
  const named = (id) => (id ? all.find((each) => each.id === id) : undefined);
  /** @param {string} type */
  const of = (type) => all.filter((each) => each.type === type);
  const transport = of("transport")[0];
  // Firefox has no `transport` and marks the pair instead.
  const pair = named(transport?.selectedCandidatePairId) ??
    of("candidate-pair").find((each) => each.selected || (each.nominated && each.state === "succeeded"));
  const local = pair && named(pair.localCandidateId);
  const trip = pair?.currentRoundTripTime;
  const received = of("inbound-rtp").find((each) => each.kind === "audio");
  const sent = of("outbound-rtp").find((each) => each.kind === "audio");
  return {
    path: local ? [local.candidateType, local.relayProtocol].filter(Boolean).join("/") : "",
    round_trip_ms: typeof trip === "number" ? trip * 1000 : null,
    received: transport?.bytesReceived ?? pair?.bytesReceived ?? 0,
    bitrate: sent?.targetBitrate ?? null,
    out: received ? heard(received) : null,
  };
}

/**
 * @param {Record<string, any>} rtp
 * @returns {Carried}
 */
function heard(rtp) {
  // Between utterances a voice sends nearly nothing, which a browser fills, too: only what was lost
  // counts.
  const lost = Math.max(0, rtp.packetsLost ?? 0);
  const made = Math.round(((rtp.concealedSamples ?? 0) - (rtp.silentConcealedSamples ?? 0)) / PACKET);
  const held = rtp.jitterBufferDelay / rtp.jitterBufferEmittedCount;
  return {
    packets: rtp.packetsReceived ?? 0,
    lost,
    recovered: null,
    concealed: Math.max(0, Math.min(made, lost)),
    buffer_ms: Number.isFinite(held) ? held * 1000 : null,
    bitrate: null,
  };
}

/**
 * What the gateway tells of the same call in its record.
 *
 * @param {any} record of `GET /v1/sessions/{id}`; null = it tells nothing
 * @returns {Carried | null}
 */
export function there(record) {
  const told = record?.packets;
  if (!told) return null;
  return {
    packets: told.received ?? 0,
    lost: told.lost ?? 0,
    recovered: told.recovered ?? 0,
    concealed: told.concealed ?? 0,
    buffer_ms: told.depth_ms ?? null,
    bitrate: null,
  };
}
