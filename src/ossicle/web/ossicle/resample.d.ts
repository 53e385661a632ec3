/**
 * One rate to another, piece by piece, without the images and echoes that plain picking makes:
 * a windowed sinc in its polyphase form (Kaiser window, about 80 dB). It adds 2.5 ms.
 *
 * Runs in the audio thread as well as in a page, and needs nothing from either.
 *
 * @module
 */
/** Streaming; one channel. */
export declare class Resampler {
    #private;
    /** Seconds between a sample's arrival and its output. */
    delay_s: number;
    /**
     * @param {number} from Hz
     * @param {number} to Hz
     */
    constructor(from: number, to: number);
    /**
     * @param {Float32Array} input
     * @returns {Float32Array} all that is ready
     */
    push(input: Float32Array): Float32Array;
    /** What is left, when no more input comes. @returns {Float32Array} */
    finish(): Float32Array;
}
/**
 * Samples in [-1, 1] as 16 bit; what is beyond is cut off.
 *
 * @param {Float32Array} samples
 * @returns {Int16Array<ArrayBuffer>}
 */
export declare function toInt16(samples: Float32Array): Int16Array<ArrayBuffer>;
