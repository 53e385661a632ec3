/**
 * The voice of a call: plays the track, and falls silent the moment somebody speaks (barge-in). How
 * far it was heard the gateway knows by itself. Made by a `Player`.
 *
 * @module
 */
import type { OssicleEvent } from "./messages.js";
import type { PlayerOptions } from "./player.js";
import type { SpeechStream } from "./stream.js";
/** Plays one stream's track. */
export declare class Voice {
    #private;
    /**
     * @param {SpeechStream} stream
     * @param {PlayerOptions} options
     */
    constructor(stream: SpeechStream, options: PlayerOptions);
    /** Something is heard, or about to be. */
    get playing(): boolean;
    /** @param {OssicleEvent} event */
    take(event: OssicleEvent): void;
    /** Stop at once, and have the gateway stop, too. */
    interrupt(): Promise<void>;
    /** No more of it. */
    close(): void;
}
