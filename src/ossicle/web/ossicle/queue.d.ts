/**
 * Events that came and were not read yet. Bounded: beyond `most` the stream lets go of its
 * connection, since a page cannot stop reading a WebSocket, and resumes when half is read: the
 * gateway's log keeps the rest. A newer partial takes the place of one nobody has read.
 *
 * @module
 */
import type { OssicleEvent } from "./messages.js";
export type Slot = {
    event: OssicleEvent | null;
};
/** First in, first out. */
export declare class EventQueue {
    #private;
    /** Events that wait. */
    length: number;
    /** @param {{most?: number, mostBytes?: number}} [bounds] */
    constructor({ most, mostBytes }?: {
        most?: number;
        mostBytes?: number;
    });
    /** Stop reading the wire. */
    get full(): boolean;
    /** Read again. */
    get low(): boolean;
    /** @param {OssicleEvent} event */
    push(event: OssicleEvent): void;
    /** @returns {OssicleEvent | null} the oldest; null = nothing */
    pop(): OssicleEvent | null;
}
