/**
 * Captions on the page: guesses rewritten, finals kept, and a cursor through the words that works
 * with a mouse, a finger and the arrow keys.
 *
 * @module
 */

/** @import { OssicleEvent, Transcript, Word } from "../ossicle.js" */

import { Replies } from "./replies.js";
import { clock } from "./subtitles.js";

/** Paragraphs kept on the page; the transcript itself is kept whole, up to MOST_FINALS. */
const MOST_SHOWN = 400;
const MOST_FINALS = 20_000;

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/** What was heard, and what was said to that. */
export class Captions {
  /** Of both sides. @type {Transcript[]} */
  finals = [];
  /** Two talk: each line says whose it is. */
  talks = false;
  #replies = new Replies((line) => this.#append(line), (final) => this.#store(final));
  /** Guesses by channel and segment, in order. @type {Map<string, Transcript>} */
  #partials = new Map();
  /** @type {WeakMap<Element, Word>} */
  #words = new WeakMap();
  /** @type {Element | null} */
  #here = null;
  #box = find("words");
  #list = find("finals");
  #partial = find("partial");
  #empty = find("empty");
  #word = find("word");

  constructor() {
    this.#box.addEventListener("keydown", (event) => this.#key(event));
    this.#box.addEventListener("pointerover", (event) => this.#point(event.target));
    this.#box.addEventListener("click", (event) => this.#point(event.target));
  }

  /** @param {Transcript} transcript */
  take(transcript) {
    const key = `${transcript.channel ?? 0}/${transcript.turn}/${transcript.segment}`;
    if (transcript.final) {
      this.#partials.delete(key);
      if (transcript.ends_turn) {
        for (const [each, guess] of this.#partials) {
          if (guess.turn === transcript.turn) this.#partials.delete(each);
        }
      }
      if (transcript.text) this.#keep(transcript);
    } else if (transcript.text) {
      this.#partials.set(key, transcript);
    } else {
      this.#partials.delete(key);
    }
    this.#guess();
    this.#follow();
  }

  /** The session is over: what is a guess still stays one, and is gone. */
  settle() {
    this.#partials.clear();
    this.#guess();
  }

  /** Of the voice: what it says, and how far that is heard. @param {OssicleEvent} event */
  answer(event) {
    this.#replies.take(event);
    this.#guess();
    this.#follow();
  }

  clear() {
    this.finals = [];
    this.#replies.clear();
    this.settle();
    this.#list.replaceChildren();
    this.#show(null);
    this.#empty.hidden = false;
  }

  /** @param {Transcript} final */
  #store(final) {
    this.finals.push(final);
    if (this.finals.length > MOST_FINALS) this.finals.shift();
  }

  /** @param {Transcript} final */
  #keep(final) {
    this.#store(final);
    const line = document.createElement("p");
    const time = document.createElement("time");
    time.textContent = `${this.talks ? "You, " : ""}${clock(final.start_ms ?? 0).slice(3, 10)}`;
    line.append(time);
    const words = final.words?.length ? final.words : null;
    if (words) {
      words.forEach((word, place) => {
        const span = document.createElement("span");
        span.className = "w";
        span.textContent = word.text;
        this.#words.set(span, word);
        line.append(place ? " " : "", span);
      });
    } else {
      line.append(final.text);
    }
    this.#append(line);
  }

  /** @param {HTMLElement} line */
  #append(line) {
    this.#empty.hidden = true;
    this.#list.append(line);
    if (this.#list.childElementCount > MOST_SHOWN) this.#list.firstElementChild?.remove();
    this.#follow();
  }

  #guess() {
    this.#partial.replaceChildren();
    for (const { text, stable = 0 } of this.#partials.values()) {
      const sure = document.createElement("span");
      sure.className = "stable";
      sure.textContent = text.slice(0, stable);
      this.#partial.append(sure, `${text.slice(stable)} `);
    }
    const { making } = this.#replies;
    if (making) {
      const reply = document.createElement("span");
      reply.className = "said";
      reply.textContent = making;
      this.#partial.append(reply);
    }
    if (this.#partials.size || making) this.#empty.hidden = true;
  }

  /** Stay at the end, unless somebody reads further up. */
  #follow() {
    const box = this.#box;
    if (this.#here || box.scrollHeight - box.scrollTop - box.clientHeight > 240) return;
    box.scrollTop = box.scrollHeight;
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const all = [...this.#list.querySelectorAll(".w")];
    const place = this.#here ? all.indexOf(this.#here) : -1;
    const last = all.length - 1;
    /** @type {Record<string, number>} */
    const moves = {
      ArrowRight: Math.min(last, place + 1),
      ArrowLeft: place < 0 ? last : Math.max(0, place - 1),
      Home: 0,
      End: last,
    };
    const next = moves[event.key];
    if (event.key === "Escape") this.#show(null);
    else if (next !== undefined && all.length) this.#show(all[next] ?? null);
    else return;
    event.preventDefault();
  }

  /** @param {EventTarget | null} target */
  #point(target) {
    if (target instanceof Element && this.#words.has(target)) this.#show(target);
  }

  /** @param {Element | null} span */
  #show(span) {
    this.#here?.classList.remove("here");
    this.#here = span;
    const word = span && this.#words.get(span);
    if (!span || !word) {
      this.#word.textContent = "\u00a0";
      return;
    }
    span.classList.add("here");
    span.scrollIntoView({ block: "nearest" });
    const from = (word.start_ms / 1000).toFixed(2);
    const to = (word.end_ms / 1000).toFixed(2);
    const sure = typeof word.confidence === "number" ? `, ${Math.round(100 * word.confidence)} % sure` : "";
    const who = word.speaker ? `, speaker ${word.speaker}` : "";
    this.#word.textContent = `“${word.text}” from ${from} s to ${to} s${sure}${who}`;
  }
}
