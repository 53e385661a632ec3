/**
 * The voice of a call: plays the track, and falls silent the moment somebody speaks (barge-in). How
 * far it was heard the gateway knows by itself. Made by a `Player`.
 *
 * @module
 */

/** @import { OssicleEvent } from "./messages.js" */
/** @import { PlayerOptions } from "./player.js" */
/** @import { SpeechStream } from "./stream.js" */

/** On the way to the ear, behind the gateway: its pace, the network, the browser's own buffer. */
const WAY_MS = 150;
const LOOK_MS = 50;
/** Sound that was on its way when it was interrupted is over by then. */
const MUTED_MS = 1000;

/** Plays one stream's track. */
export class Voice {
  #stream;
  #options;
  #audio = new Audio();
  /** Utterances that are being said, and when they began. @type {Map<string, number>} */
  #open = new Map();
  /** Names of those that may still be heard. @type {Set<string>} */
  #names = new Set();
  /** When what was said is heard to its end. */
  #until = 0;
  #playing = false;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #quiet;
  #forget;

  /**
   * @param {SpeechStream} stream
   * @param {PlayerOptions} options
   */
  constructor(stream, options) {
    this.#stream = stream;
    this.#options = options;
    this.#audio.autoplay = true;
    this.#forget = stream.onVoice((voice) => {
      this.#audio.srcObject = voice;
      // A page that may make no sound before a click: it is heard after that.
      this.#audio.play().catch(() => {});
    });
  }

  /** Something is heard, or about to be. */
  get playing() {
    return this.#open.size > 0 || performance.now() < this.#until;
  }

  /** @param {OssicleEvent} event */
  take(event) {
    if (event.type === "speech_started" && event.side === "out") {
      this.#unmute();
      this.#open.set(event.utterance ?? "", performance.now());
      this.#names.add(event.utterance ?? "");
    } else if (event.type === "speech_ended" && event.side === "out") {
      const begun = this.#open.get(event.utterance ?? "");
      this.#open.delete(event.utterance ?? "");
      if (event.reason === "cancelled") this.#until = 0;
      else if (begun !== undefined) {
        this.#until = Math.max(begun + WAY_MS, this.#until) + (event.at_ms ?? 0);
      }
    } else if (event.type === "speech_started") {
      if (this.playing && (this.#options.bargeIn ?? true)) void this.interrupt();
    } else if (event.type === "marked" && event.cleared && !event.name) {
      this.#silence();
    } else if (event.type === "ended" && event.error) {
      this.#silence();
    }
    this.#tell();
  }

  /** Stop at once, and have the gateway stop, too. */
  async interrupt() {
    // By name: the next answer may have begun when the gateway reads this.
    const names = [...this.#names];
    this.#silence();
    if (this.#stream.over) return;
    await Promise.all(names.map((name) => this.#stream.cancel("out", name)));
  }

  /** No more of it. */
  close() {
    this.#silence();
    this.#forget();
    clearTimeout(this.#quiet);
    this.#audio.srcObject = null;
  }

  #silence() {
    this.#open.clear();
    this.#names.clear();
    this.#until = 0;
    this.#audio.muted = true;
    clearTimeout(this.#quiet);
    this.#quiet = setTimeout(() => this.#unmute(), MUTED_MS);
    this.#tell();
  }

  #unmute() {
    clearTimeout(this.#quiet);
    this.#audio.muted = false;
  }

  #tell() {
    if (this.playing && this.#timer === undefined) {
      this.#timer = setInterval(() => this.#tell(), LOOK_MS);
    } else if (!this.playing) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      this.#names.clear();
    }
    if (this.playing === this.#playing) return;
    this.#playing = this.playing;
    this.#options.onplaying?.(this.#playing);
  }
}
