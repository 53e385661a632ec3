/**
 * How a call is carried, as numbers: from `RTCPeerConnection.getStats()` here, and from the session's
 * record there. No page, no clock.
 *
 * @module
 */
import type { LedgerReport } from "./messages.js";
export type Carried = {
    /**
     * that came
     */
    packets: number;
    /**
     * on the way
     */
    lost: number;
    /**
     * of those, read from what the next one repeats (FEC); null: a
     * browser does not tell
     */
    recovered: number | null;
    /**
     * that were made up instead
     */
    concealed: number;
    /**
     * how long a packet is held, so that late ones find their place
     */
    buffer_ms: number | null;
    /**
     * bits a second
     */
    bitrate: number | null;
};
export type WireStats = {
    transport: "websocket" | "webrtc";
    /**
     * how the packets go: `host`, `srflx`, `prflx` or `relay/udp`, `relay/tcp`;
     * empty over a WebSocket
     */
    path: string;
    round_trip_ms: number | null;
    /**
     * your sound, as the gateway got it; null: over a WebSocket nothing is
     * lost, it only comes late. Null, too, where the key may not ask
     */
    in: Carried | null;
    /**
     * its voice, as it came here
     */
    out: Carried | null;
    /**
     * so far
     */
    ledger: LedgerReport | null;
};
export type Here = {
    path: string;
    round_trip_ms: number | null;
    /**
     * bytes of anything at all
     */
    received: number;
    /**
     * what the encoder aims at
     */
    bitrate: number | null;
    out: Carried | null;
};
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
export declare function here(report: Iterable<Record<string, any>>): Here;
/**
 * What the gateway tells of the same call in its record.
 *
 * @param {any} record of `GET /v1/sessions/{id}`; null = it tells nothing
 * @returns {Carried | null}
 */
export declare function there(record: any): Carried | null;
