/**
 * Files into a stream: as they are, which the gateway takes apart, or decoded by the browser where
 * only that knows the format.
 *
 *     const stream = await connect({ encoding: "auto" });
 *     await sendFile(stream, file);
 *
 * @module
 */
import type { SpeechStream } from "./stream.js";
/**
 * Send a file as it is, piece by piece, no faster than the gateway takes it; then end the stream.
 * Open the stream with `encoding: "auto"`.
 *
 * @param {SpeechStream} stream
 * @param {Blob} file
 * @param {(share: number) => void} [onprogress] 0 to 1
 */
export declare function sendFile(stream: SpeechStream, file: Blob, onprogress?: (share: number) => void): Promise<void>;
/**
 * A whole file decoded by the browser: 16 kHz, 16 bit, one channel. For formats that the gateway
 * does not take (AAC, say). It is held in memory, about 2 MB a minute.
 *
 * @param {Blob} file
 * @returns {Promise<ArrayBuffer>} to be sent in a stream of `pcm_s16le`
 */
export declare function decodeFile(file: Blob): Promise<ArrayBuffer>;
