/**
 * Events of one or many connections, and one or many gateways, as one timeline.
 *
 * The same gateway repeats what was missed by number, so a number seen before is dropped. Another
 * gateway that takes over goes on with the numbers, but knows nothing of a turn that was open: it
 * hears it again. Here that turn stays one turn: its start is said once, segments that were frozen
 * stay frozen, partials restate what they said before, and it is closed if the new gateway finds
 * nothing more in it. No clock, no I/O. The rules are those of the Python client.
 *
 * @module
 */
import type { OssicleEvent, SpeechEnded, SpeechStarted, Transcript } from "./messages.js";
export type Heard = SpeechStarted | Transcript | SpeechEnded;
/** Takes what gateways say, gives what the user is told. */
export declare class Timeline {
    #private;
    /** Number of the last event told. */
    since: number;
    /** @param {number} [channels] transcribed one by one; all of them have to settle audio */
    constructor(channels?: number);
    /**
     * Nothing before this will be told again. A final settles what it covers, even when the gateway
     * died before its `flow`. An empty one does not: a gateway that stops closes turns with empty
     * finals, and what was said in them is still wanted.
     */
    get settledMs(): number;
    /** The turn of the first channel that is open or comes next. */
    get turn(): number;
    /** The gateway settled so far by itself. @param {number} untilMs */
    settled(untilMs: number): void;
    /**
     * What to tell the user for an event: nothing when it was told before.
     *
     * @param {OssicleEvent} event
     * @returns {OssicleEvent[]}
     */
    take(event: OssicleEvent): OssicleEvent[];
    /**
     * Another gateway goes on, hearing again from `fromMs`; what must be told now.
     *
     * @param {number} fromMs
     * @returns {OssicleEvent[]}
     */
    move(fromMs: number): OssicleEvent[];
    /**
     * The gateway's own name of an utterance; null = another gateway said it.
     *
     * @param {string} utterance
     * @returns {string | null}
     */
    here(utterance: string): string | null;
}
