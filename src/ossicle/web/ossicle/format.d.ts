/**
 * Bytes and milliseconds of an audio format, in one place.
 *
 * @module
 */
/** What the bytes are. Containers (`auto`, `wav`, `mp3` …) have no width: they cannot be cut. */
export declare class Format {
    encoding: string;
    sample_rate: number;
    channels: number;
    /** Bytes of one sample of all channels; 0 = not known. */
    width: number;
    /**
     * @param {string} [encoding]
     * @param {number} [sample_rate]
     * @param {number} [channels]
     */
    constructor(encoding?: string, sample_rate?: number, channels?: number);
    /** Bytes of a second; 0 = not known. */
    get bytesPerSecond(): number;
    /**
     * Bytes of so many milliseconds, whole samples, rounded down.
     * @param {number} ms
     */
    bytes(ms: number): number;
    /**
     * Milliseconds of so many bytes, rounded down.
     * @param {number} bytes
     */
    ms(bytes: number): number;
}
