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

import {
  certificateHint, ConnectionLost, InsecureContext, microphoneError, MicrophoneLost,
  MicrophoneMissing, OssicleError,
} from "./errors.js";

/** @import { SpeechStream } from "./stream.js" */

/**
 * @typedef {object} MicrophoneOptions
 * @property {string} [deviceId] one of `Microphone.devices()`; default: the browser's choice
 * @property {boolean} [echoCancellation] default true
 * @property {boolean} [noiseSuppression] default true
 * @property {boolean} [autoGainControl] default true
 * @property {number} [piece_ms] 40 by default; 20 for conversation, 100 to spare the network
 * @property {(level: {rms: number, peak: number}) => void} [onlevel] per piece, 0 to 1
 * @property {(lost_ms: number) => void} [onloss] sound that could not wait any longer: nobody took
 *   it for `reconnect.buffer_s`. Counts up; never silent
 * @property {(error: OssicleError) => void} [onlost] it was unplugged or taken away, or the stream
 *   ended; the microphone is stopped then
 */

/** Pieces that may wait here beside what waits in the stream: a second of them. */
const WAITING_MS = 1000;

/** How long the browser's sound may take to start; most need some 20 ms. */
const STARTING_MS = 3000;

/**
 * Ask for the microphone and send what it hears.
 *
 * @param {SpeechStream | null} stream null: only listen to the level, until `attach`
 * @param {MicrophoneOptions} [options]
 * @returns {Promise<Microphone>} rejected with a `MicrophoneError` that says what to do
 */
export async function microphone(stream, options = {}) {
  const devices = globalThis.navigator?.mediaDevices;
  if (!globalThis.isSecureContext || !devices) {
    throw new InsecureContext(
      "browsers give the microphone to secure pages only: open this page over https:, or as " +
        "http://localhost",
      "insecure_context",
    );
  }
  const wanted = {
    channelCount: 1,
    echoCancellation: options.echoCancellation ?? true,
    noiseSuppression: options.noiseSuppression ?? true,
    autoGainControl: options.autoGainControl ?? true,
    ...(options.deviceId ? { deviceId: { exact: options.deviceId } } : {}),
  };
  let media;
  try {
    media = await devices.getUserMedia({ audio: wanted });
  } catch (error) {
    throw microphoneError(error);
  }
  const mic = new Microphone(stream, media, options);
  try {
    await mic.start();
  } catch (error) {
    await mic.stop();
    throw error instanceof OssicleError ? error : microphoneError(error);
  }
  return mic;
}

/** Made by `microphone`. */
export class Microphone {
  #stream;
  #media;
  #options;
  #context;
  /** @type {AudioWorkletNode | null} */
  #node = null;
  #waiting = 0;
  /** @type {Promise<void>} */
  #sent = Promise.resolve();
  #stopped = false;
  #done = () => {};

  /**
   * @param {SpeechStream | null} stream
   * @param {MediaStream} media
   * @param {MicrophoneOptions} options
   */
  constructor(stream, media, options) {
    this.#stream = stream;
    this.#media = media;
    this.#options = options;
    // The device's own rate: what the browser resamples itself is not under our control.
    this.#context = new AudioContext({ latencyHint: "interactive" });
    /** Sound that was dropped because nobody took it, in ms. */
    this.lost_ms = 0;
  }

  /** The browser's name of the device. */
  get label() {
    return this.#track.label;
  }

  /** What the browser really does, whatever was asked for. @returns {MediaTrackSettings} */
  get granted() {
    return this.#track.getSettings();
  }

  /** The rate of the device, in Hz. */
  get sampleRate() {
    return this.#context.sampleRate;
  }

  /** It hears. */
  get listening() {
    return !this.#stopped;
  }

  /**
   * The microphones there are; their names are empty until one was allowed.
   *
   * @returns {Promise<MediaDeviceInfo[]>}
   */
  static async devices() {
    const all = (await globalThis.navigator?.mediaDevices?.enumerateDevices()) ?? [];
    return all.filter((device) => device.kind === "audioinput");
  }

  get #track() {
    return /** @type {MediaStreamTrack} */ (this.#media.getAudioTracks()[0]);
  }

  /**
   * From now on, send what is heard to this stream: for a page that asks for the microphone before
   * it opens a stream.
   *
   * @param {SpeechStream} stream
   */
  attach(stream) {
    this.#stream = stream;
    if (this.#onTrack) stream.attach(this.#track);
  }

  /** Sound goes on a track. */
  get #onTrack() {
    return this.#stream?.transport === "webrtc";
  }

  /** Called by `microphone`. */
  async start() {
    const { piece_ms = 40 } = this.#options;
    const module = new URL("./capture.js", import.meta.url);
    try {
      await this.#context.audioWorklet.addModule(module.href);
    } catch {
      throw new ConnectionLost(
        `nobody answers at ${module.origin}, where the microphone's module comes from: start the ` +
          `gateway there (ossicle serve), or check the address${certificateHint(module.origin)}`,
      );
    }
    // Firefox starts no sound without a loudspeaker, and no browser before somebody pressed
    // something where it wants that: neither says so, they wait for ever.
    const started = await Promise.race([
      this.#context.resume().then(() => true),
      new Promise((resolve) => setTimeout(() => resolve(false), STARTING_MS)),
    ]);
    if (!started) {
      throw new MicrophoneMissing(
        "the browser's sound does not start: connect a loudspeaker or headphones, press the " +
          "button once more, and reload the page if that does not help",
        "microphone_missing",
      );
    }
    const node = new AudioWorkletNode(this.#context, "ossicle-capture", {
      numberOfInputs: 1,
      numberOfOutputs: 0,
      processorOptions: { rate: 16000, piece_ms },
    });
    this.#node = node;
    node.port.onmessage = ({ data }) => this.#heard(data);
    node.onprocessorerror = () => this.#lose("the browser's audio thread failed: load the page again");
    // An unplugged device ends its track; `stop` does not come by here.
    this.#track.onended = () => this.#lose("the microphone was unplugged or taken away: plug it in, and start again");
    this.#context.createMediaStreamSource(this.#media).connect(node);
    if (this.#stream) this.attach(this.#stream);
  }

  /** Let go of the microphone; returns when the stream took all of it. */
  async stop() {
    if (this.#stopped) return this.#sent;
    this.#stopped = true;
    this.#track.onended = null;
    if (this.#node && this.#context.state === "running") {
      const { port } = this.#node;
      const done = new Promise((/** @type {(value: void) => void} */ resolve) => {
        this.#done = resolve;
      });
      port.postMessage("stop");
      // A context that a phone call suspended in this moment answers never.
      await Promise.race([done, new Promise((resolve) => setTimeout(resolve, 500))]);
    }
    if (this.#onTrack) this.#stream?.attach(null);
    this.#media.getTracks().forEach((track) => track.stop());
    if (this.#context.state !== "closed") await this.#context.close();
    await this.#sent;
  }

  /** @param {{pcm?: ArrayBuffer, rms: number, peak: number, done?: boolean}} message */
  #heard({ pcm, rms, peak, done }) {
    if (done) this.#done();
    if (!pcm) return;
    this.#options.onlevel?.({ rms, peak });
    const stream = this.#stream;
    if (!stream || stream.over || this.#onTrack) return;
    const ms = pcm.byteLength / 32;
    if (this.#waiting + ms > WAITING_MS) {
      this.lost_ms += ms;
      this.#options.onloss?.(this.lost_ms);
      return;
    }
    this.#waiting += ms;
    const sending = stream.send(pcm).then(
      () => {
        this.#waiting -= ms;
      },
      (error) => {
        if (!this.#stopped) this.#end(error);
      },
    );
    this.#sent = sending;
  }

  /** @param {string} text */
  #lose(text) {
    if (!this.#stopped) this.#end(new MicrophoneLost(text, "microphone_lost"));
  }

  /** @param {OssicleError} error */
  #end(error) {
    void this.stop().then(() => this.#options.onlost?.(error));
  }
}
