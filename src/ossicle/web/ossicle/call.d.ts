/**
 * One connection: a call over WebRTC for as long as it lives. Sound goes both ways on a track, with
 * the browser's own encoder and echo cancellation; the messages of `ossicle.v1` go over a data
 * channel beside it. Like `link.js` it knows nothing of reconnection: the stream makes a new one,
 * with a new offer, for each.
 *
 *     OPTIONS /whip   ICE servers          POST /whip   offer ─▶ answer          DELETE   goodbye
 *
 * @module
 */
import { OssicleError } from "./errors.js";
import type { Here } from "./figures.js";
import type { LinkOwner } from "./link.js";
import type { Request } from "./messages.js";
export type CallParts = {
    /**
     * what is sent; null = nothing yet
     */
    track: MediaStreamTrack | null;
    RTCPeerConnection?: typeof RTCPeerConnection;
    /**
     * the gateway's voice
     */
    onvoice: (call: Call, voice: MediaStream) => void;
};
/**
 * What a call needs besides.
 *
 * @typedef {object} CallParts
 * @property {MediaStreamTrack | null} track what is sent; null = nothing yet
 * @property {typeof RTCPeerConnection} [RTCPeerConnection]
 * @property {(call: Call, voice: MediaStream) => void} onvoice the gateway's voice
 */
/** One peer connection. */
export declare class Call {
    #private;
    /** The gateway said where to go on: words may be sent. Set by the owner. */
    live: boolean;
    /** Done when the connection is over, with why. @type {Promise<OssicleError>} */
    over: Promise<OssicleError>;
    /**
     * @param {URL} url with everything that is asked for
     * @param {string} credential empty = none
     * @param {LinkOwner} owner
     * @param {CallParts} parts
     */
    constructor(url: URL, credential: string, owner: LinkOwner, parts: CallParts);
    /** Something may be sent now. */
    get ready(): boolean;
    /** @param {Uint8Array | Request} item sound goes on the track; the stream knows that */
    send(item: Uint8Array | Request): void;
    /** Send this from now on; null = silence. @param {MediaStreamTrack | null} track */
    attach(track: MediaStreamTrack | null): void;
    /** How it is carried; null = it is not. @returns {Promise<Here | null>} */
    figures(): Promise<Here | null>;
    /** The gateway has said goodbye: it hangs up when its voice has been heard. */
    end(): void;
    /** Say goodbye: the session ends. */
    close(): void;
    /** Let go: the session waits to be resumed. */
    drop(): void;
}
