/**
 * One connection: a WebSocket for as long as it lives. Knows nothing of reconnection: the stream
 * makes a new one for each.
 *
 * @module
 */
import type { Call } from "./call.js";
import type { OssicleError } from "./errors.js";
import type { Request, ServerMessage } from "./messages.js";
export type LinkOwner = {
    told: (link: Link | Call, message: ServerMessage) => void;
    flowing: (link: Link | Call) => void;
};
/**
 * Who a link reports to.
 *
 * @typedef {object} LinkOwner
 * @property {(link: Link | Call, message: ServerMessage) => void} told
 * @property {(link: Link | Call) => void} flowing
 */
/** One WebSocket. */
export declare class Link {
    #private;
    /** The gateway said where to go on: audio may be sent. Set by the owner. */
    live: boolean;
    /** Done when the connection is over, with why. @type {Promise<OssicleError>} */
    over: Promise<OssicleError>;
    /**
     * @param {URL} url
     * @param {string} credential empty = none
     * @param {LinkOwner} owner
     * @param {typeof WebSocket} Socket
     */
    constructor(url: URL, credential: string, owner: LinkOwner, Socket: typeof WebSocket);
    /** Something may be sent now. */
    get ready(): boolean;
    /** @param {Uint8Array | Request} item */
    send(item: Uint8Array | Request): void;
    /** Say goodbye: the session ends. The browser waits for the answer, nobody else does. */
    close(): void;
    /** The gateway has said goodbye. */
    end(): void;
    /** Let go: the session waits to be resumed. */
    drop(): void;
}
/**
 * Why a connection was refused. A browser tells nothing of that, so the same is asked for over
 * plain HTTP with no audio at all: the answer of the same admission, in words.
 *
 * @param {URL} stream
 * @param {string} credential
 * @returns {Promise<OssicleError>}
 */
export declare function whyRefused(stream: URL, credential: string): Promise<OssicleError>;
/**
 * A request had no answer that this page may read: is there anybody at all?
 *
 * @param {URL} url of the gateway
 * @returns {Promise<OssicleError>}
 */
export declare function whoAnswers(url: URL): Promise<OssicleError>;
