/**
 * A live stream as its user sees it: send audio, read events, whatever happens to connections.
 *
 *     outbox ──▶ link or call (one connection) ──▶ gateway
 *     user ◀── queue ◀── timeline ◀── link or call
 *
 * One loop connects and connects again. Every queue has a bound: `send` waits while the gateway
 * does not take the audio.
 *
 * @module
 */
import { OssicleError } from "./errors.js";
import { Format } from "./format.js";
import type { Reconnect } from "./backoff.js";
import type { WireStats } from "./figures.js";
import type { Ended, OssicleEvent, SessionOptions, Side, Transcript, Transport } from "./messages.js";
export type StreamState = {
    /**
     * `waiting`: for the network, or for
     * the gateway to come back
     */
    state: "connecting" | "live" | "waiting" | "ended";
    /**
     * audio that no gateway has acknowledged; null for containers
     */
    buffered_s: number | null;
    reconnects: number;
    /**
     * why it waits, or ended
     */
    error: OssicleError | null;
};
export type ConnectOptions = {
    /**
     * of the gateway; default: where this module's page came from
     */
    url?: string | URL;
    /**
     * a key, a short-lived token, or
     * a function that fetches one: it is called for every connection, so it may expire meanwhile
     */
    token?: string | (() => string | Promise<string>);
    /**
     * any of the reference's: `language`, `hint`
     * (a list repeats it), `silence_ms`, `model` …
     */
    parameters?: Record<string, unknown>;
    /**
     * of what you send; `auto` = a container, recognised by its first
     * bytes; default `pcm_s16le`
     */
    encoding?: string;
    sample_rate?: number;
    channels?: number;
    /**
     * `websocket` by default. `webrtc`: sound goes both ways on a
     * track, which the browser encodes, and plays with its echo cancelled. Attach a microphone to it;
     * there is no `send`, and no format to choose
     */
    transport?: Transport;
    /**
     * how to survive a broken connection
     */
    reconnect?: Partial<Reconnect>;
    /**
     * told when it changes
     */
    onstate?: (state: StreamState) => void;
    /**
     * for tests
     */
    clock?: Clock;
    /**
     * for tests
     */
    chance?: () => number;
    /**
     * for tests
     */
    WebSocket?: typeof WebSocket;
    /**
     * for tests
     */
    RTCPeerConnection?: typeof RTCPeerConnection;
};
export type Clock = {
    /**
     * seconds, monotonic
     */
    now: () => number;
    sleep: (seconds: number) => Promise<void>;
};
/**
 * Open a stream.
 *
 * @param {ConnectOptions} [options]
 * @returns {Promise<SpeechStream>} once it began; rejected with an `OssicleError` that says what
 *   to do when nobody is there, or it was not let in
 */
export declare function connect(options?: ConnectOptions): Promise<SpeechStream>;
/** Made by `connect`. */
export declare class SpeechStream {
    #private;
    /** What carries it. @type {Transport} */
    transport: Transport;
    /** How often the stream went on over another connection. */
    reconnects: number;
    /** How often another gateway, or a new session, took over. */
    moves: number;
    /** @param {ConnectOptions} [options] */
    constructor(options?: ConnectOptions);
    /** The session's id; empty until it began. */
    get session(): string;
    /** Name of the engine that listens; empty until known. */
    get engine(): string;
    /** Options in force; null until told. */
    get options(): SessionOptions | null;
    /** Format of the sound in `audio_out`, or on the track; null where the engine has no voice. */
    get speaks(): Format | null;
    /** Audio can flow at this moment. */
    get connected(): boolean;
    /** Seconds of audio that no gateway has acknowledged; null for containers. */
    get buffered_s(): number | null;
    /** Over WebRTC: the gateway's voice, for whoever does not use a `Player`; null = none yet. */
    get voice(): MediaStream | null;
    /** Bytes of audio taken from you so far. */
    get sentBytes(): number;
    /** Stream time before which nothing will change any more. */
    get settledMs(): number;
    /** How it ended; null while it lives. */
    get ended(): Ended | null;
    /** Where the time went, as the gateway saw it; null until the end. */
    get ledger(): import("./messages.js").LedgerReport | null;
    /** Nothing more can be sent: the end was asked for, or came. */
    get ending(): boolean;
    /** Nothing more will come. */
    get over(): boolean;
    /** Connect; `connect` does it for you. */
    open(): Promise<void>;
    /**
     * Send audio in the declared format, in pieces of any size. Waits while the gateway takes none,
     * or nobody is there and `reconnect.buffer_s` of it wait already. Nothing is dropped. Waiting
     * calls keep their order.
     *
     * @param {ArrayBuffer | ArrayBufferView} data copied, so you may use it again
     * @returns {Promise<void>}
     */
    send(data: ArrayBuffer | ArrayBufferView): Promise<void>;
    /**
     * Over WebRTC: send this track from now on, over later connections, too. A `Microphone` does it for
     * you.
     *
     * @param {MediaStreamTrack | null} track null = silence
     */
    attach(track: MediaStreamTrack | null): void;
    /**
     * Over WebRTC: told of the gateway's voice, now and whenever a new connection brings a new track.
     *
     * @param {(voice: MediaStream) => void} listener
     * @returns {() => void} stops it
     */
    onVoice(listener: (voice: MediaStream) => void): () => void;
    /**
     * How it is carried at this moment: losses, jitter buffers, round trip, the ledger so far. What the
     * gateway knows is asked for over HTTP, so once a second is often enough.
     *
     * @returns {Promise<WireStats>}
     */
    stats(): Promise<WireStats>;
    /**
     * Decide now: the last final of the turn, perhaps empty. It is among the events, too.
     *
     * @returns {Promise<Transcript>}
     */
    finalize(): Promise<Transcript>;
    /** No more audio. The last events follow; read them until the iteration ends. */
    end(): Promise<void>;
    /**
     * Say this (null: answer yourself). `more`: the utterance goes on in the next one.
     *
     * @param {string | null} text
     * @param {{more?: boolean, options?: object}} [how]
     * @returns {Promise<string>} the `ref` that the events it causes carry
     */
    speak(text: string | null, { more, options }?: {
        more?: boolean;
        options?: object;
    }): Promise<string>;
    /**
     * Tell how far an utterance has been heard. A `Player` does it for you.
     *
     * @param {string} utterance
     * @param {number} untilMs
     * @param {string} [mark]
     */
    played(utterance: string, untilMs: number, mark?: string): Promise<void>;
    /**
     * Stop speaking (`out`), or forget what was heard since the last final (`in`).
     *
     * @param {Side} [side]
     * @param {string} [utterance]
     */
    cancel(side?: Side, utterance?: string): Promise<void>;
    /**
     * Text, digits or a tool's result, for the engine to know.
     *
     * @param {string} text
     * @param {{kind?: "text" | "digits" | "result", role?: string, call?: string}} [what]
     */
    tell(text: string, { kind, role, call }?: {
        kind?: "text" | "digits" | "result";
        role?: string;
        call?: string;
    }): Promise<void>;
    /**
     * Change options: an RFC 7396 merge patch. Answered by the event `configured`.
     *
     * @param {object} patch
     */
    configure(patch: object): Promise<void>;
    /** Leave at once. The session ends; what was said in it and not read is gone. */
    close(): void;
    /**
     * The events, each once, `ended` the last; throws after an `ended` that carries an error.
     *
     * @returns {AsyncGenerator<OssicleEvent, void, void>}
     */
    [Symbol.asyncIterator](): AsyncGenerator<OssicleEvent, void, void>;
}
