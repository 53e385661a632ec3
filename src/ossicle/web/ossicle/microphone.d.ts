/**
 * A microphone into a stream: 16 kHz, 16 bit, one channel, in pieces of 40 ms. Over WebRTC its track
 * itself, which the browser encodes; then the pieces only tell the level.
 *
 *     const mic = await microphone(stream, { echoCancellation: false });
 *     mic.granted.echoCancellation;      // what the browser really does
 *     await mic.stop();                  // and the stream has all of it
 *
 * @module
 */
import { OssicleError } from "./errors.js";
import type { SpeechStream } from "./stream.js";
export type MicrophoneOptions = {
    /**
     * one of `Microphone.devices()`; default: the browser's choice
     */
    deviceId?: string;
    /**
     * default true
     */
    echoCancellation?: boolean;
    /**
     * default true
     */
    noiseSuppression?: boolean;
    /**
     * default true
     */
    autoGainControl?: boolean;
    /**
     * 40 by default; 20 for conversation, 100 to spare the network
     */
    piece_ms?: number;
    /**
     * per piece, 0 to 1
     */
    onlevel?: (level: {
        rms: number;
        peak: number;
    }) => void;
    /**
     * sound that could not wait any longer: nobody took
     * it for `reconnect.buffer_s`. Counts up; never silent
     */
    onloss?: (lost_ms: number) => void;
    /**
     * it was unplugged or taken away, or the stream
     * ended; the microphone is stopped then
     */
    onlost?: (error: OssicleError) => void;
};
/**
 * Ask for the microphone and send what it hears.
 *
 * @param {SpeechStream | null} stream null: only listen to the level, until `attach`
 * @param {MicrophoneOptions} [options]
 * @returns {Promise<Microphone>} rejected with a `MicrophoneError` that says what to do
 */
export declare function microphone(stream: SpeechStream | null, options?: MicrophoneOptions): Promise<Microphone>;
/** Made by `microphone`. */
export declare class Microphone {
    #private;
    /** Sound that was dropped because nobody took it, in ms. */
    lost_ms: number;
    /**
     * @param {SpeechStream | null} stream
     * @param {MediaStream} media
     * @param {MicrophoneOptions} options
     */
    constructor(stream: SpeechStream | null, media: MediaStream, options: MicrophoneOptions);
    /** The browser's name of the device. */
    get label(): string;
    /** What the browser really does, whatever was asked for. @returns {MediaTrackSettings} */
    get granted(): MediaTrackSettings;
    /** The rate of the device, in Hz. */
    get sampleRate(): number;
    /** It hears. */
    get listening(): boolean;
    /**
     * The microphones there are; their names are empty until one was allowed.
     *
     * @returns {Promise<MediaDeviceInfo[]>}
     */
    static devices(): Promise<MediaDeviceInfo[]>;
    /**
     * From now on, send what is heard to this stream: for a page that asks for the microphone before
     * it opens a stream.
     *
     * @param {SpeechStream} stream
     */
    attach(stream: SpeechStream): void;
    /** Called by `microphone`. */
    start(): Promise<void>;
    /** Let go of the microphone; returns when the stream took all of it. */
    stop(): Promise<void>;
}
