/**
 * Events that came and were not read yet. Bounded: beyond `most` the stream lets go of its
 * connection, since a page cannot stop reading a WebSocket, and resumes when half is read: the
 * gateway's log keeps the rest. A newer partial takes the place of one nobody has read.
 *
 * @module
 */

/** @import { OssicleEvent, Transcript } from "./messages.js" */
/** @typedef {{event: OssicleEvent | null}} Slot */

/** @param {Transcript} event */
const keyOf = (event) =>
  `${event.side ?? "in"}/${event.channel ?? 0}/${event.turn}/${event.segment}/${event.utterance ?? ""}`;

/** First in, first out. */
export class EventQueue {
  /** @type {Slot[]} */
  #slots = [];
  /** @type {Map<string, Slot>} */
  #partials = new Map();
  #most;
  #mostBytes;
  #bytes = 0;

  /** @param {{most?: number, mostBytes?: number}} [bounds] */
  constructor({ most = 4096, mostBytes = 8 << 20 } = {}) {
    this.#most = most;
    this.#mostBytes = mostBytes;
    /** Events that wait. */
    this.length = 0;
  }

  /** Stop reading the wire. */
  get full() {
    return this.length >= this.#most || this.#bytes >= this.#mostBytes;
  }

  /** Read again. */
  get low() {
    return this.length <= this.#most / 2 && this.#bytes <= this.#mostBytes / 2;
  }

  /** @param {OssicleEvent} event */
  push(event) {
    /** @type {Slot} */
    const slot = { event };
    if (event.type === "transcript") {
      const key = keyOf(event);
      const older = this.#partials.get(key);
      if (older?.event) {
        older.event = null;
        this.length -= 1;
      }
      this.#partials.delete(key);
      if (!event.final) this.#partials.set(key, slot);
    } else if (event.type === "audio_out") {
      this.#bytes += event.data.byteLength;
    }
    this.#slots.push(slot);
    this.length += 1;
    if (this.#slots.length > 2 * this.length + 64) {
      this.#slots = this.#slots.filter((each) => each.event);
    }
  }

  /** @returns {OssicleEvent | null} the oldest; null = nothing */
  pop() {
    for (;;) {
      const slot = this.#slots.shift();
      if (!slot) return null;
      const event = slot.event;
      if (!event) continue;
      this.length -= 1;
      if (event.type === "transcript" && !event.final) {
        const key = keyOf(event);
        if (this.#partials.get(key) === slot) this.#partials.delete(key);
      } else if (event.type === "audio_out") {
        this.#bytes -= event.data.byteLength;
      }
      return event;
    }
  }
}
