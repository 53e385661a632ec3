/**
 * When to knock again after a connection broke: exponential, with full jitter, for a bounded time.
 * Full jitter (a wait anywhere between nothing and the bound) keeps a thousand pages of one gateway
 * from coming back in the same instant.
 *
 * @module
 */
export type Reconnect = {
    /**
     * bound of the first wait; it doubles with each attempt…
     */
    first_s: number;
    /**
     * …up to here
     */
    most_s: number;
    /**
     * how long to try without any progress; 0 = never reconnect
     */
    total_s: number;
    /**
     * audio held while nobody takes it; then `send` waits
     */
    buffer_s: number;
    /**
     * audio kept after the gateway took it and before it is final, for
     * another gateway to hear again if this one dies
     */
    keep_s: number;
};
/**
 * How a stream survives a broken connection.
 *
 * @typedef {object} Reconnect
 * @property {number} first_s bound of the first wait; it doubles with each attempt…
 * @property {number} most_s …up to here
 * @property {number} total_s how long to try without any progress; 0 = never reconnect
 * @property {number} buffer_s audio held while nobody takes it; then `send` waits
 * @property {number} keep_s audio kept after the gateway took it and before it is final, for
 *   another gateway to hear again if this one dies
 */
/** @type {Reconnect} */
export declare const RECONNECT: Reconnect;
/** Attempts since the last progress. */
export declare class Backoff {
    #private;
    /** Since the last progress. */
    attempts: number;
    /**
     * @param {Reconnect} plan
     * @param {() => number} [chance] a number in [0, 1)
     */
    constructor(plan: Reconnect, chance?: () => number);
    /** Something came through: the next break starts from the shortest wait. */
    progress(): void;
    /**
     * @param {number} now seconds
     * @param {number} [least] what the gateway said to wait; longer than we try at all is no use
     * @returns {number | null} seconds until the next attempt; null = give up
     */
    wait(now: number, least?: number): number | null;
}
