/**
 * What a voice says, as lines among the captions, and how much of each was heard.
 *
 * @module
 */

/** @import { OssicleEvent, Transcript, Word } from "../ossicle.js" */

/** Utterances whose end may still be told. */
const MOST = 64;
/** An end so near to the whole is the whole: a word is not over in an instant. */
const WHOLE_MS = 80;

/** @param {number} ms */
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/**
 * @typedef {object} Reply
 * @property {HTMLElement} line
 * @property {HTMLElement} note
 * @property {Array<[HTMLElement, Word]>} words
 * @property {Transcript[]} finals
 * @property {number} made_ms
 * @property {number | null} heard_ms where it was cut off
 */

/** Every utterance is a line of its own. */
export class Replies {
  /** @type {Map<string, Reply>} */
  #replies = new Map();
  /** @type {Map<string, string>} */
  #making = new Map();
  #append;
  #kept;

  /**
   * @param {(line: HTMLElement) => void} append puts a line among the captions
   * @param {(final: Transcript) => void} kept for the transcript that is saved
   */
  constructor(append, kept) {
    this.#append = append;
    this.#kept = kept;
  }

  /** What is being written and not yet final. */
  get making() {
    return [...this.#making.values()].join(" ");
  }

  clear() {
    this.#replies.clear();
    this.#making.clear();
  }

  /** @param {OssicleEvent} event */
  take(event) {
    if (event.type === "transcript" && event.side === "out") this.#said(event);
    else if (event.type === "speech_ended" && event.side === "out") {
      this.#making.delete(event.utterance ?? "");
      const reply = this.#replies.get(event.utterance ?? "");
      if (reply) reply.made_ms = Math.max(reply.made_ms, event.at_ms ?? 0);
      if (event.reason === "cancelled" && typeof event.heard_ms === "number") {
        this.#cut(event.utterance ?? "", event.heard_ms);
      }
    } else if (event.type === "marked" && event.cleared && !event.name) {
      this.#cut(event.utterance, event.heard_ms);
    }
  }

  /** @param {Transcript} transcript */
  #said(transcript) {
    const name = transcript.utterance ?? "";
    if (!transcript.final) {
      this.#making.set(name, transcript.text);
      return;
    }
    this.#making.delete(name);
    if (!transcript.text) return;
    const reply = this.#reply(name);
    const known = transcript.words?.length ? transcript.words : null;
    const piece = document.createElement("span");
    for (const word of known ?? []) {
      const span = document.createElement("span");
      span.textContent = word.text;
      reply.words.push([span, word]);
      piece.append(span, " ");
    }
    if (!known) piece.append(`${transcript.text} `);
    reply.line.insertBefore(piece, reply.note);
    reply.made_ms = Math.max(reply.made_ms, transcript.end_ms ?? 0);
    reply.finals.push(transcript);
    this.#kept(transcript);
    if (reply.heard_ms !== null) this.#cut(name, reply.heard_ms);
  }

  /** @param {string} name */
  #reply(name) {
    const known = this.#replies.get(name);
    if (known) return known;
    const line = document.createElement("p");
    line.className = "said";
    const who = document.createElement("span");
    who.className = "who";
    who.textContent = "Reply ";
    const note = document.createElement("small");
    line.append(who, note);
    /** @type {Reply} */
    const reply = { line, note, words: [], finals: [], made_ms: 0, heard_ms: null };
    this.#replies.set(name, reply);
    if (this.#replies.size > MOST) {
      this.#replies.delete(/** @type {string} */ (this.#replies.keys().next().value));
    }
    this.#append(line);
    return reply;
  }

  /**
   * Somebody talked: what came after that was not heard.
   *
   * @param {string} name
   * @param {number} heard_ms
   */
  #cut(name, heard_ms) {
    const reply = this.#replies.get(name);
    if (!reply) return;
    reply.heard_ms = heard_ms;
    if (heard_ms >= reply.made_ms - WHOLE_MS) return;
    for (const [span, word] of reply.words) span.classList.toggle("unheard", word.end_ms > heard_ms);
    reply.note.textContent = `Interrupted: ${seconds(heard_ms)} of ${seconds(reply.made_ms)} were heard`;
  }
}
