/**
 * The voice of a stream: plays `audio_out`, reports what was heard, and falls silent the moment
 * somebody speaks (barge-in).
 *
 *     const player = new Player(stream);
 *     for await (const event of stream) player.take(event);
 *
 * What is sent ahead is bounded by the gateway, which counts what was reported as heard. Over WebRTC
 * the sound is on a track, and the gateway knows by itself what was heard.
 *
 * @module
 */
import type { OssicleEvent } from "./messages.js";
import type { SpeechStream } from "./stream.js";
export type Piece = {
    utterance: string;
    /**
     * when it begins, in the context's time
     */
    at: number;
    end: number;
    /**
     * place in its utterance
     */
    start_ms: number;
    mark: string;
    source: AudioBufferSourceNode;
};
export type PlayerOptions = {
    /**
     * fall silent when somebody speaks; default true
     */
    bargeIn?: boolean;
    /**
     * told when sound begins and ends
     */
    onplaying?: (playing: boolean) => void;
};
/**
 * @typedef {object} Piece
 * @property {string} utterance
 * @property {number} at when it begins, in the context's time
 * @property {number} end
 * @property {number} start_ms place in its utterance
 * @property {string} mark
 * @property {AudioBufferSourceNode} source
 *
 * @typedef {object} PlayerOptions
 * @property {boolean} [bargeIn] fall silent when somebody speaks; default true
 * @property {(playing: boolean) => void} [onplaying] told when sound begins and ends
 */
/** Plays for one stream. Make it in a click: browsers start no sound by themselves. */
export declare class Player {
    #private;
    /**
     * @param {SpeechStream} stream
     * @param {PlayerOptions} [options]
     */
    constructor(stream: SpeechStream, options?: PlayerOptions);
    /** Something is heard, or about to be. */
    get playing(): boolean;
    /** Until nothing is heard, or about to be. */
    finish(): Promise<void>;
    /** Give it every event; it takes those that concern it. @param {OssicleEvent} event */
    take(event: OssicleEvent): void;
    /** Stop at once, and tell the gateway how far it was heard. */
    interrupt(): Promise<void>;
    /** Silence, and let go of the loudspeaker. */
    close(): Promise<void>;
}
