/**
 * What the user sent, in order, until nobody can want it again.
 *
 *             base        settled        taken        sent          end
 *      gone ───┴── replay ───┴── replay ───┴── on its ──┴── waiting ──┴──▶ bytes
 *               (oldest falls off)            way
 *
 * Audio before *taken* need not be sent again to the same gateway: after a drop it says exactly how
 * far it got. Audio before *settled* need not be sent again to anybody; what lies between is kept
 * for a gateway that takes over from a dead one, and only there the oldest may fall off. What is
 * not taken is never dropped: `hasRoom` says when to wait instead.
 *
 * Requests stand at the byte they were asked at, so that none overtakes audio, first or again.
 * No clock, no I/O. The rules are those of the Python client.
 *
 * @module
 */

import { Refused } from "./errors.js";

/** @import { Format } from "./format.js" */
/** @import { Request } from "./messages.js" */

/** Largest piece sent at once: a second of 16 kHz audio. */
export const PIECE = 32 * 1024;
/** Bytes that may wait in front of a slow gateway where they have no known length. */
const SOFT_BYTES = 256 * 1024;
/** Bytes of a container that may be unacknowledged. */
const MOST_BYTES = 4 << 20;
const MOST_REQUESTS = 1024;

/**
 * Where another gateway can go on.
 *
 * @typedef {object} Place
 * @property {number} at absolute byte from which audio is sent again
 * @property {number} ms its stream time
 * @property {number} lost_ms audio before it that is wanted and not kept any more
 */

/**
 * A request and what became of it.
 *
 * @typedef {object} Asked
 * @property {Request} request
 * @property {number} at
 * @property {number} number how many counted requests the gateway has when it has this one
 * @property {boolean} taken
 * @property {boolean} answered
 */

/** Options (`start`) are not counted by the gateway. @param {Asked} asked */
const counted = (asked) => asked.request.type !== "start";

/**
 * Whether anybody may still need to be asked this.
 *
 * @param {Asked} asked
 * @param {number} settled
 */
function wanted(asked, settled) {
  switch (asked.request.type) {
    case "end":
      return true;
    case "finalize":
    case "start":
    case "speak":
    case "tell":
      return !asked.answered;
    case "cancel":
      if (asked.request.side === "in") return !asked.taken || asked.at > settled;
      return !asked.taken;
    default: // what was played from a gateway that is gone concerns nobody else
      return !asked.taken;
  }
}

/** Bounded; see the module for what happens at each bound. */
export class Outbox {
  #homeAt = 0;
  #settled = 0;
  #counted = 0;
  /** @type {Uint8Array[]} */
  #past = [];
  /** @type {Uint8Array[]} */
  #unsent = [];
  /** @type {Asked[]} */
  #kept = [];
  /** @type {Asked[]} */
  #due = [];
  #buffer;
  #keep;
  #soft;

  /**
   * @param {Format} source what the bytes are
   * @param {{buffer_s?: number, keep_s?: number, keepBytes?: number}} [bounds] `buffer_s`: audio
   *   that may be unacknowledged before `hasRoom` says no; `keep_s`: acknowledged audio kept for a
   *   gateway that takes over; `keepBytes`: the same for a container
   */
  constructor(source, { buffer_s = 30, keep_s = 60, keepBytes = 64 << 20 } = {}) {
    this.source = source;
    /** Bytes have a time, so a replay can begin anywhere. */
    this.cuttable = source.width > 0;
    this.end = 0;
    this.sent = 0;
    this.taken = 0;
    this.base = 0;
    /** `end` was asked: nothing can follow. */
    this.finished = false;
    /** Stream time at which the gateway that is, or was last, connected took over. */
    this.homeMs = 0;
    this.#buffer = this.cuttable ? Math.max(PIECE, source.bytes(buffer_s * 1000)) : MOST_BYTES;
    this.#keep = this.cuttable ? source.bytes(keep_s * 1000) : keepBytes;
    this.#soft = this.cuttable ? Math.max(PIECE, source.bytes(1000)) : SOFT_BYTES;
  }

  // ── in ──

  /**
   * Whether `size` more bytes may be pushed. `flowing`: a gateway is connected, so that what it
   * does not take now need not pile up here.
   *
   * @param {number} size
   * @param {boolean} flowing
   */
  hasRoom(size, flowing) {
    if (flowing && this.waiting && this.waiting + size > this.#soft) return false;
    return this.end === this.taken || this.end - this.taken + size <= this.#buffer;
  }

  /** Whether one more request may be asked. */
  get hasPlace() {
    return this.#kept.length < MOST_REQUESTS;
  }

  /** Audio follows. @param {Uint8Array} data */
  push(data) {
    this.#checkOpen();
    this.#unsent.push(data);
    this.end += data.length;
  }

  /** A request follows. @param {Request} request */
  ask(request) {
    this.#checkOpen();
    this.finished = request.type === "end";
    const asked = { request, at: this.end, number: 0, taken: false, answered: false };
    asked.number = this.#number(asked);
    this.#kept.push(asked);
    this.#due.push(asked);
  }

  #checkOpen() {
    if (this.finished) throw new Refused("the stream was ended; nothing can follow: open another");
  }

  /** @param {Asked} asked */
  #number(asked) {
    if (counted(asked)) this.#counted += 1;
    return this.#counted;
  }

  // ── out ──

  /** Bytes not sent to the gateway that is, or was last, connected. */
  get waiting() {
    return this.end - this.sent;
  }

  /** Everything was sent. */
  get idle() {
    return this.#unsent.length === 0 && this.#due.length === 0;
  }

  /**
   * What to send next, in order; null = nothing, or no credit beyond `untilMs`.
   *
   * @param {number | null} untilMs
   * @returns {Uint8Array | Request | null}
   */
  next(untilMs) {
    let stop = this.end;
    const due = this.#due[0];
    if (due) {
      if (due.at <= this.sent) {
        this.#due.shift();
        return due.request;
      }
      stop = due.at;
    }
    if (untilMs !== null && this.cuttable) stop = Math.min(stop, this.position(untilMs));
    const room = Math.min(stop - this.sent, PIECE);
    let piece = this.#unsent[0];
    if (room <= 0 || !piece) return null;
    if (piece.length > room) {
      this.#unsent[0] = piece.subarray(room);
      piece = piece.subarray(0, room);
    } else {
      this.#unsent.shift();
    }
    this.#past.push(piece);
    this.sent += piece.length;
    return piece;
  }

  // ── what the gateway says ──

  /**
   * The gateway has so much, counted since it began.
   *
   * @param {number} takenBytes
   * @param {number} takenCommands
   * @param {number} settledMs
   */
  acknowledge(takenBytes, takenCommands, settledMs) {
    this.taken = Math.max(this.taken, this.#homeAt + takenBytes);
    for (const asked of this.#kept) {
      if (counted(asked) && asked.number <= takenCommands) asked.taken = true;
    }
    this.settle(settledMs);
  }

  /** Audio before `ms` will not be wanted again. @param {number} ms */
  settle(ms) {
    if (this.cuttable) {
      this.#settled = Math.max(this.#settled, Math.min(this.position(ms), this.end));
    }
    this.#trim();
  }

  /**
   * The request of that name had its answer; it is asked no more.
   *
   * @param {string} ref
   * @returns {Request | null}
   */
  answer(ref) {
    const asked = this.#kept.find((each) => each.request.ref === ref && !each.answered);
    if (!asked) return null;
    asked.answered = true;
    this.#trim();
    return asked.request;
  }

  /**
   * The same session goes on: send from exactly there.
   *
   * @param {number} takenBytes
   * @param {number} takenCommands
   */
  resume(takenBytes, takenCommands) {
    const at = this.#homeAt + takenBytes;
    if (at < Math.max(this.base, this.taken) || at > this.sent) {
      throw new Refused(
        `the gateway has ${at} bytes, but ${this.sent} were sent and it had ${this.taken}: ` +
          "this is not the same session; open another",
        { code: "bad_message" },
      );
    }
    this.#rewind(at);
    this.taken = at;
    for (const asked of this.#kept) {
      if (counted(asked)) asked.taken = asked.number <= takenCommands;
    }
    // Options are not counted: those without an answer are asked again, which changes nothing
    // where they had been taken.
    this.#due = this.#kept.filter((asked) => !asked.taken && !asked.answered);
    this.#trim();
  }

  /**
   * Where another gateway could go on; null = nowhere, a container's start is gone.
   *
   * @param {number} settledMs
   * @returns {Place | null}
   */
  place(settledMs) {
    if (!this.cuttable) return this.base === 0 ? { at: 0, ms: 0, lost_ms: 0 } : null;
    const at = Math.min(this.position(settledMs), this.end);
    if (at >= this.base) return { at, ms: this.ms(at), lost_ms: 0 };
    const ms = this.ms(this.base) + 1;
    const later = Math.min(this.position(ms), this.end);
    return { at: later, ms, lost_ms: this.source.ms(later - at) };
  }

  /** Another gateway goes on from `place` and has counted nothing yet. @param {Place} place */
  move(place) {
    this.#rewind(place.at);
    this.taken = this.#settled = this.#homeAt = place.at;
    this.homeMs = place.ms;
    this.#counted = 0;
    this.#kept = this.#kept.filter((asked) => wanted(asked, place.at));
    for (const asked of this.#kept) {
      asked.taken = false;
      asked.number = this.#number(asked);
    }
    this.#due = [...this.#kept];
  }

  // ── bytes and time ──

  /** The byte of a stream time; only where bytes have one. @param {number} ms */
  position(ms) {
    return this.#homeAt + this.source.bytes(Math.max(0, ms - this.homeMs));
  }

  /** Stream time of a byte, rounded down. @param {number} position */
  ms(position) {
    return this.homeMs + this.source.ms(position - this.#homeAt);
  }

  /** Seconds not acknowledged; null where bytes have no known length. */
  get waitingSeconds() {
    return this.cuttable ? (this.end - this.taken) / this.source.bytesPerSecond : null;
  }

  // ── inside ──

  /** @param {number} at */
  #rewind(at) {
    while (this.sent > at) {
      let piece = this.#past.pop();
      if (!piece) break;
      const start = this.sent - piece.length;
      if (start < at) {
        this.#past.push(piece.subarray(0, at - start));
        piece = piece.subarray(at - start);
      }
      this.#unsent.unshift(piece);
      this.sent -= piece.length;
    }
  }

  /** Forget what nobody can want. */
  #trim() {
    const floor = Math.min(this.taken, Math.max(this.#settled, this.taken - this.#keep));
    let count = 0;
    for (const piece of this.#past) {
      if (this.base + piece.length > floor) break;
      this.base += piece.length;
      count += 1;
    }
    if (count) this.#past.splice(0, count);
    this.#kept = this.#kept.filter((asked) => wanted(asked, this.#settled));
  }
}
