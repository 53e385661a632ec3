/**
 * The voice of a stream: plays `audio_out`, reports what was heard, and falls silent the moment
 * somebody speaks (barge-in).
 *
 *     const player = new Player(stream);
 *     for await (const event of stream) player.take(event);
 *
 * What is sent ahead is bounded by the gateway, which counts what was reported as heard. Over WebRTC
 * the sound is on a track, and the gateway knows by itself what was heard.
 *
 * @module
 */

import { Voice } from "./voice.js";

/** @import { OssicleEvent } from "./messages.js" */
/** @import { SpeechStream } from "./stream.js" */

const REPORT_MS = 200;
/** Sound begins so much after the first piece came, so that the second is there in time. */
const LEAD_S = 0.06;

/**
 * @typedef {object} Piece
 * @property {string} utterance
 * @property {number} at when it begins, in the context's time
 * @property {number} end
 * @property {number} start_ms place in its utterance
 * @property {string} mark
 * @property {AudioBufferSourceNode} source
 *
 * @typedef {object} PlayerOptions
 * @property {boolean} [bargeIn] fall silent when somebody speaks; default true
 * @property {(playing: boolean) => void} [onplaying] told when sound begins and ends
 */

/** Plays for one stream. Make it in a click: browsers start no sound by themselves. */
export class Player {
  #stream;
  #options;
  /** Over WebRTC. @type {Voice | null} */
  #voice;
  /** @type {Array<() => void>} */
  #waiters = [];
  /** @type {AudioContext | null} */
  #context = null;
  /** @type {Piece[]} */
  #pieces = [];
  #until = 0;
  #playing = false;
  /** @type {Map<string, number>} */
  #reported = new Map();
  /** @type {Set<string>} */
  #cleared = new Set();
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;

  /**
   * @param {SpeechStream} stream
   * @param {PlayerOptions} [options]
   */
  constructor(stream, options = {}) {
    this.#stream = stream;
    this.#options = options;
    const onplaying = (/** @type {boolean} */ playing) => this.#turned(playing);
    this.#voice = stream.transport === "webrtc" ? new Voice(stream, { ...options, onplaying }) : null;
  }

  /** Something is heard, or about to be. */
  get playing() {
    return this.#voice?.playing ?? this.#pieces.length > 0;
  }

  /** Until nothing is heard, or about to be. */
  async finish() {
    while (this.playing) {
      await new Promise((/** @type {(value: void) => void} */ resolve) => {
        this.#waiters.push(resolve);
      });
    }
  }

  /** Give it every event; it takes those that concern it. @param {OssicleEvent} event */
  take(event) {
    if (this.#voice) this.#voice.take(event);
    else if (event.type === "audio_out") this.#queue(event);
    else if (event.type === "speech_started" && event.side !== "out") {
      if (this.playing && (this.#options.bargeIn ?? true)) void this.interrupt();
    } else if (event.type === "marked" && event.cleared && !event.name) this.#forget();
    else if (event.type === "ended" && event.error) this.#silence();
  }

  /** Stop at once, and tell the gateway how far it was heard. */
  async interrupt() {
    if (this.#voice) return this.#voice.interrupt();
    const now = this.#context?.currentTime ?? 0;
    const current = this.#pieces[0];
    this.#report(now);
    this.#forget();
    if (current && !this.#stream.over) await this.#stream.cancel("out", current.utterance);
  }

  /** What was received is not to be heard, nor what still comes of it. */
  #forget() {
    const names = new Set(this.#pieces.map((piece) => piece.utterance));
    this.#silence();
    for (const name of names) this.#cleared.add(name);
    if (this.#cleared.size > 256) this.#cleared = names;
  }

  /** Silence, and let go of the loudspeaker. */
  async close() {
    this.#voice?.close();
    this.#silence();
    clearInterval(this.#timer);
    if (this.#context && this.#context.state !== "closed") await this.#context.close();
    this.#context = null;
  }

  /** @param {OssicleEvent & {type: "audio_out"}} event */
  #queue(event) {
    const format = this.#stream.speaks;
    if (!format || this.#cleared.has(event.utterance)) return;
    const context = (this.#context ??= new AudioContext({ sampleRate: format.sample_rate }));
    if (context.state === "suspended") void context.resume();
    const samples = new Int16Array(event.data, 0, event.data.byteLength >> 1);
    const count = Math.max(1, Math.floor(samples.length / format.channels));
    const buffer = context.createBuffer(format.channels, count, format.sample_rate);
    for (let channel = 0; channel < format.channels; channel += 1) {
      const out = buffer.getChannelData(channel);
      for (let place = 0; place < count; place += 1) {
        out[place] = (samples[place * format.channels + channel] ?? 0) / 32768;
      }
    }
    const source = new AudioBufferSourceNode(context, { buffer });
    source.connect(context.destination);
    const soonest = context.currentTime + (this.#until > context.currentTime ? 0 : LEAD_S);
    const at = Math.max(this.#until, soonest);
    this.#until = at + count / format.sample_rate;
    source.start(at);
    const { utterance, start_ms, mark = "" } = event;
    const piece = { utterance, at, end: this.#until, start_ms, mark, source };
    this.#pieces.push(piece);
    source.onended = () => this.#report(this.#context?.currentTime ?? 0);
    this.#timer ??= setInterval(() => this.#report(context.currentTime), REPORT_MS);
    this.#tell();
  }

  /** Tell what was heard by `now`: whole pieces, marks, and the place in the current one. */
  #report(/** @type {number} */ now) {
    /** @type {Map<string, number>} */
    const heard = new Map();
    /** @type {Array<[string, number, string]>} */
    const marks = [];
    // A block of slack: `onended` may come within the very block in which the sound ends.
    for (let piece = this.#pieces[0]; piece && piece.end <= now + 0.02; piece = this.#pieces[0]) {
      this.#pieces.shift();
      const until = piece.start_ms + (piece.end - piece.at) * 1000;
      heard.set(piece.utterance, until);
      if (piece.mark) marks.push([piece.utterance, until, piece.mark]);
    }
    const current = this.#pieces[0];
    if (current && current.at < now) {
      heard.set(current.utterance, current.start_ms + (now - current.at) * 1000);
    }
    for (const [utterance, ms] of heard) {
      const last = this.#reported.get(utterance) ?? -REPORT_MS;
      const over = !this.#pieces.some((piece) => piece.utterance === utterance);
      // Positions that nobody takes would only pile up; a later one says the same.
      if (ms <= last || (!over && (ms - last < REPORT_MS / 2 || !this.#stream.connected))) continue;
      this.#reported.set(utterance, ms);
      if (this.#reported.size > 64) {
        this.#reported.delete(/** @type {string} */ (this.#reported.keys().next().value));
      }
      this.#say(utterance, Math.round(ms), "");
    }
    for (const [utterance, ms, mark] of marks) this.#say(utterance, Math.round(ms), mark);
    this.#tell();
  }

  /**
   * @param {string} utterance
   * @param {number} ms
   * @param {string} mark
   */
  #say(utterance, ms, mark) {
    // A stream that ends in this moment needs no report any more.
    this.#stream.played(utterance, ms, mark).catch(() => {});
  }

  #silence() {
    for (const { source } of this.#pieces) {
      source.onended = null;
      source.stop();
      source.disconnect();
    }
    this.#pieces = [];
    this.#until = 0;
    this.#tell();
  }

  #tell() {
    if (this.playing === this.#playing) return;
    this.#playing = this.playing;
    if (!this.#playing) {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
    this.#turned(this.#playing);
  }

  /** @param {boolean} playing */
  #turned(playing) {
    if (!playing) for (const resolve of this.#waiters.splice(0)) resolve();
    this.#options.onplaying?.(playing);
  }
}
