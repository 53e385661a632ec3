/**
 * Events of one or many connections, and one or many gateways, as one timeline.
 *
 * The same gateway repeats what was missed by number, so a number seen before is dropped. Another
 * gateway that takes over goes on with the numbers, but knows nothing of a turn that was open: it
 * hears it again. Here that turn stays one turn: its start is said once, segments that were frozen
 * stay frozen, partials restate what they said before, and it is closed if the new gateway finds
 * nothing more in it. No clock, no I/O. The rules are those of the Python client.
 *
 * @module
 */

/** @import { OssicleEvent, SpeechEnded, SpeechStarted, Transcript } from "./messages.js" */
/** @typedef {SpeechStarted | Transcript | SpeechEnded} Heard */

/** Where one channel is. */
class Turn {
  /** Of the turn that is open, or comes next. */
  number = 0;
  open = false;
  /** `speech_ended` was said, for good: the last final is due. */
  ended = false;
  /** Segments frozen in this turn. */
  frozen = 0;
  /** Added to the segments of a turn that another gateway hears again. */
  base = 0;
  /** Its start was said, and another gateway is about to say it again. */
  carried = false;
  /** Added to the gateway's turn numbers; null = known with its next event. @type {number|null} */
  shift = 0;

  /** @param {number} number */
  next(number) {
    this.number = number;
    this.open = this.ended = this.carried = false;
    this.frozen = this.base = 0;
  }
}

/** Takes what gateways say, gives what the user is told. */
export class Timeline {
  #channels;
  /** @type {Map<number, Turn>} */
  #turns = new Map();
  /** @type {Map<number, number>} */
  #settled = new Map();
  #flowMs = 0;
  /** @type {string[]} */
  #speaking = [];
  #homes = 0;
  #againMs = 0;

  /** @param {number} [channels] transcribed one by one; all of them have to settle audio */
  constructor(channels = 1) {
    this.#channels = channels;
    /** Number of the last event told. */
    this.since = 0;
  }

  /**
   * Nothing before this will be told again. A final settles what it covers, even when the gateway
   * died before its `flow`. An empty one does not: a gateway that stops closes turns with empty
   * finals, and what was said in them is still wanted.
   */
  get settledMs() {
    if (this.#settled.size < this.#channels) return this.#flowMs;
    return Math.max(this.#flowMs, Math.min(...this.#settled.values()));
  }

  /** The turn of the first channel that is open or comes next. */
  get turn() {
    return this.#turns.get(0)?.number ?? 0;
  }

  /** The gateway settled so far by itself. @param {number} untilMs */
  settled(untilMs) {
    this.#flowMs = Math.max(this.#flowMs, untilMs);
  }

  /**
   * What to tell the user for an event: nothing when it was told before.
   *
   * @param {OssicleEvent} event
   * @returns {OssicleEvent[]}
   */
  take(event) {
    if (event.seq) {
      if (event.seq <= this.since) return [];
      this.since = event.seq;
    }
    switch (event.type) {
      case "speech_started":
      case "transcript":
      case "speech_ended":
        return event.side === "out" ? [this.#said(event)] : this.#heard(event);
      case "audio_out":
      case "asked":
      case "marked":
        return [this.#said(event)];
      case "ended":
        return [...this.#closing(), event];
      default:
        return [event];
    }
  }

  /**
   * Another gateway goes on, hearing again from `fromMs`; what must be told now.
   *
   * @param {number} fromMs
   * @returns {OssicleEvent[]}
   */
  move(fromMs) {
    this.#againMs = fromMs < this.settledMs ? this.settledMs : 0;
    this.#homes += 1;
    for (const turn of this.#turns.values()) {
      turn.shift = null;
      turn.base = this.#againMs ? 0 : turn.frozen;
      turn.carried = turn.open;
    }
    const over = this.#speaking.map(
      (utterance) => /** @type {OssicleEvent} */ ({
        type: "speech_ended", side: "out", turn: 0, at_ms: null, reason: "failed", utterance,
      }),
    );
    this.#speaking = [];
    return over;
  }

  /**
   * The gateway's own name of an utterance; null = another gateway said it.
   *
   * @param {string} utterance
   * @returns {string | null}
   */
  here(utterance) {
    if (!this.#homes || !utterance) return utterance;
    const at = utterance.lastIndexOf("~");
    return utterance.slice(at + 1) === String(this.#homes) ? utterance.slice(0, at) : null;
  }

  // ── heard ──

  /**
   * @param {Heard} event
   * @returns {Heard[]}
   */
  #heard(event) {
    const channel = event.channel ?? 0;
    let turn = this.#turns.get(channel);
    if (!turn) {
      turn = new Turn();
      if (this.#homes) turn.shift = null;
      this.#turns.set(channel, turn);
    }
    if (this.#againMs) {
      const kept = this.#unheard(event, turn);
      if (!kept) return [];
      event = kept;
    }
    turn.shift ??= turn.number - event.turn;
    if (turn.shift) event = { ...event, turn: event.turn + turn.shift };
    switch (event.type) {
      case "speech_started":
        if (turn.carried && event.turn === turn.number) {
          turn.carried = false;
          return [];
        }
        turn.number = event.turn;
        turn.open = true;
        turn.ended = false;
        return [event];
      case "speech_ended":
        if (turn.ended || !turn.open) return [];
        turn.ended = !event.provisional;
        return [event];
      default:
        return this.#transcript(event, turn);
    }
  }

  /**
   * @param {Transcript} event
   * @param {Turn} turn
   * @returns {Heard[]}
   */
  #transcript(event, turn) {
    if (turn.ended && !event.final) return [];
    const channel = event.channel ?? 0;
    /** @type {Heard[]} */
    const told = [];
    if (!turn.open && event.text) { // its start fell into what was heard again
      turn.number = event.turn;
      turn.open = true;
      told.push({
        type: "speech_started", side: "in", at_ms: event.start_ms, turn: event.turn, channel,
      });
    }
    if (turn.base && event.turn === turn.number) {
      event = { ...event, segment: event.segment + turn.base };
    }
    if (event.final) {
      if (event.text && event.end_ms !== null) {
        this.#settled.set(channel, Math.max(this.#settled.get(channel) ?? 0, event.end_ms));
      }
      if (event.ends_turn) turn.next(event.turn + 1);
      else turn.frozen = event.segment + 1;
    }
    told.push(event);
    return told;
  }

  /**
   * The part of an event that was not told before, when a container is heard again from its start;
   * null = nothing.
   *
   * @param {Heard} event
   * @param {Turn} turn
   * @returns {Heard | null}
   */
  #unheard(event, turn) {
    const until = this.#againMs;
    if (event.type !== "transcript") {
      return event.at_ms === null || event.at_ms > until ? event : null;
    }
    if (event.end_ms === null || event.end_ms > until) {
      if (!event.words) return event;
      const words = event.words.filter((word) => word.end_ms > until);
      if (words.length === event.words.length) return event;
      const text = words.map((word) => word.text).join(" ");
      return { ...event, text, words, start_ms: until, stable: 0, alternatives: [] };
    }
    // The last final of a turn whose frozen segments were all told.
    const closes = event.ends_turn && (event.ref || (turn.frozen && event.end_ms === until));
    return closes ? { ...event, text: "", words: [] } : null;
  }

  /** Turns that another gateway left open by finding nothing more in them. */
  *#closing() {
    for (const [channel, turn] of this.#turns) {
      if (!turn.open) continue;
      const at = Math.max(this.#settled.get(channel) ?? 0, this.#flowMs);
      const where = /** @type {const} */ ({ side: "in", turn: turn.number, channel });
      if (!turn.ended) {
        yield /** @type {SpeechEnded} */ ({
          type: "speech_ended", ...where, at_ms: at, reason: "end",
        });
      }
      yield /** @type {Transcript} */ ({
        type: "transcript", ...where, text: "", segment: turn.frozen, final: true, ends_turn: true,
        start_ms: at, end_ms: at,
      });
      turn.next(turn.number + 1);
    }
  }

  // ── said ──

  /**
   * Utterances of another gateway get names of their own.
   *
   * @param {OssicleEvent & {utterance?: string}} event
   * @returns {OssicleEvent}
   */
  #said(event) {
    if (this.#homes && event.utterance) {
      event = { ...event, utterance: `${event.utterance}~${this.#homes}` };
    }
    const name = event.utterance ?? "";
    if (event.type === "speech_started") this.#speaking.push(name);
    if (event.type === "speech_ended" && !event.provisional) {
      const at = this.#speaking.indexOf(name);
      if (at >= 0) this.#speaking.splice(at, 1);
    }
    return event;
  }
}
