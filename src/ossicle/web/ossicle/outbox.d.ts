/**
 * What the user sent, in order, until nobody can want it again.
 *
 *             base        settled        taken        sent          end
 *      gone ───┴── replay ───┴── replay ───┴── on its ──┴── waiting ──┴──▶ bytes
 *               (oldest falls off)            way
 *
 * Audio before *taken* need not be sent again to the same gateway: after a drop it says exactly how
 * far it got. Audio before *settled* need not be sent again to anybody; what lies between is kept
 * for a gateway that takes over from a dead one, and only there the oldest may fall off. What is
 * not taken is never dropped: `hasRoom` says when to wait instead.
 *
 * Requests stand at the byte they were asked at, so that none overtakes audio, first or again.
 * No clock, no I/O. The rules are those of the Python client.
 *
 * @module
 */
import type { Format } from "./format.js";
import type { Request } from "./messages.js";
/** @import { Format } from "./format.js" */
/** @import { Request } from "./messages.js" */
/** Largest piece sent at once: a second of 16 kHz audio. */
export declare const PIECE: number;
export type Place = {
    /**
     * absolute byte from which audio is sent again
     */
    at: number;
    /**
     * its stream time
     */
    ms: number;
    /**
     * audio before it that is wanted and not kept any more
     */
    lost_ms: number;
};
export type Asked = {
    request: Request;
    at: number;
    /**
     * how many counted requests the gateway has when it has this one
     */
    number: number;
    taken: boolean;
    answered: boolean;
};
/** Bounded; see the module for what happens at each bound. */
export declare class Outbox {
    #private;
    source: Format;
    /** Bytes have a time, so a replay can begin anywhere. */
    cuttable: boolean;
    end: number;
    sent: number;
    taken: number;
    base: number;
    /** `end` was asked: nothing can follow. */
    finished: boolean;
    /** Stream time at which the gateway that is, or was last, connected took over. */
    homeMs: number;
    /**
     * @param {Format} source what the bytes are
     * @param {{buffer_s?: number, keep_s?: number, keepBytes?: number}} [bounds] `buffer_s`: audio
     *   that may be unacknowledged before `hasRoom` says no; `keep_s`: acknowledged audio kept for a
     *   gateway that takes over; `keepBytes`: the same for a container
     */
    constructor(source: Format, { buffer_s, keep_s, keepBytes }?: {
        buffer_s?: number;
        keep_s?: number;
        keepBytes?: number;
    });
    /**
     * Whether `size` more bytes may be pushed. `flowing`: a gateway is connected, so that what it
     * does not take now need not pile up here.
     *
     * @param {number} size
     * @param {boolean} flowing
     */
    hasRoom(size: number, flowing: boolean): boolean;
    /** Whether one more request may be asked. */
    get hasPlace(): boolean;
    /** Audio follows. @param {Uint8Array} data */
    push(data: Uint8Array): void;
    /** A request follows. @param {Request} request */
    ask(request: Request): void;
    /** Bytes not sent to the gateway that is, or was last, connected. */
    get waiting(): number;
    /** Everything was sent. */
    get idle(): boolean;
    /**
     * What to send next, in order; null = nothing, or no credit beyond `untilMs`.
     *
     * @param {number | null} untilMs
     * @returns {Uint8Array | Request | null}
     */
    next(untilMs: number | null): Uint8Array | Request | null;
    /**
     * The gateway has so much, counted since it began.
     *
     * @param {number} takenBytes
     * @param {number} takenCommands
     * @param {number} settledMs
     */
    acknowledge(takenBytes: number, takenCommands: number, settledMs: number): void;
    /** Audio before `ms` will not be wanted again. @param {number} ms */
    settle(ms: number): void;
    /**
     * The request of that name had its answer; it is asked no more.
     *
     * @param {string} ref
     * @returns {Request | null}
     */
    answer(ref: string): Request | null;
    /**
     * The same session goes on: send from exactly there.
     *
     * @param {number} takenBytes
     * @param {number} takenCommands
     */
    resume(takenBytes: number, takenCommands: number): void;
    /**
     * Where another gateway could go on; null = nowhere, a container's start is gone.
     *
     * @param {number} settledMs
     * @returns {Place | null}
     */
    place(settledMs: number): Place | null;
    /** Another gateway goes on from `place` and has counted nothing yet. @param {Place} place */
    move(place: Place): void;
    /** The byte of a stream time; only where bytes have one. @param {number} ms */
    position(ms: number): number;
    /** Stream time of a byte, rounded down. @param {number} position */
    ms(position: number): number;
    /** Seconds not acknowledged; null where bytes have no known length. */
    get waitingSeconds(): number | null;
}
