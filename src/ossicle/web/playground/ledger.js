/**
 * The latency ledger as a bar against 300 ms.
 *
 * While a session lives, the page measures what its user feels: from the end of a word, in the
 * microphone, to that word on the screen. When it ends, the gateway's own ledger names the parts.
 *
 * @module
 */

/** @import { LedgerReport } from "../ossicle.js" */

export const LIMIT_MS = 300;

/**
 * @typedef {object} Part
 * @property {string} name
 * @property {number} ms
 */

/** @type {Array<[keyof LedgerReport, string]>} */
const PARTS = [
  ["queue_ms", "Waiting for the engine"],
  ["convert_ms", "Converting"],
  ["engine_ms", "Engine"],
  ["send_ms", "Handing over"],
  ["network_ms", "Network, there and back"],
];

/**
 * What was spent between the decision that a turn is over and its final text.
 *
 * @param {LedgerReport} report
 * @returns {Part[]}
 */
export function partsOf(report) {
  return PARTS.flatMap(([field, name]) => {
    const ms = report[field];
    return typeof ms === "number" ? [{ name, ms }] : [];
  });
}

/** From a word's end to the screen: anchors of stream time and wall time, and a median. Bounded. */
export class Felt {
  /** @type {Array<[number, number]>} */
  #anchors = [];
  /** @type {number[]} */
  #samples = [];
  #heard = -1;
  /** How many words were measured, and the last of them. */
  count = 0;
  /** @type {number | null} */
  last = null;

  /** Audio up to `ms` was captured by `now`. @param {number} ms @param {number} now */
  captured(ms, now) {
    this.#anchors.push([ms, now]);
    if (this.#anchors.length > 1500) this.#anchors.shift();
  }

  /**
   * A transcript whose last word ends at `ms` came to the screen.
   *
   * @param {number | null} ms
   * @param {number} now
   */
  shown(ms, now) {
    if (ms === null || ms <= this.#heard) return;
    this.#heard = ms;
    const anchor = this.#anchors.find(([until]) => until >= ms);
    if (!anchor) return;
    this.last = Math.max(0, now - (anchor[1] - (anchor[0] - ms)));
    this.count += 1;
    this.#samples.push(this.last);
    if (this.#samples.length > 256) this.#samples.shift();
  }

  /** @returns {number | null} */
  get median() {
    const sorted = [...this.#samples].sort((a, b) => a - b);
    return sorted[Math.floor(sorted.length / 2)] ?? null;
  }
}

/** @param {number} ms */
const say = (ms) => (ms >= 10 ? `${Math.round(ms)} ms` : `${ms.toFixed(1)} ms`);

/**
 * Draw it.
 *
 * @param {HTMLElement} place
 * @param {{felt: number | null, report: LedgerReport | null}} known
 */
export function draw(place, { felt, report }) {
  const parts = report ? partsOf(report) : felt === null ? [] : [{ name: "Word to screen", ms: felt }];
  const total = parts.reduce((sum, part) => sum + part.ms, 0);
  const width = Math.max(LIMIT_MS * 1.25, total);
  const scale = element("div", "scale");
  const bar = element("div", "bar");
  bar.setAttribute("role", "img");
  bar.setAttribute(
    "aria-label",
    parts.length ? `${say(total)} of ${LIMIT_MS} ms` : `nothing measured yet, of ${LIMIT_MS} ms`,
  );
  parts.forEach(({ ms }, index) => {
    const piece = element("span", `k${index + 1}`);
    piece.style.width = `${(100 * ms) / width}%`;
    bar.append(piece);
  });
  const limit = element("div", "limit");
  limit.style.left = `${(100 * LIMIT_MS) / width}%`;
  scale.append(bar, limit);
  const list = element("ul", "legend");
  parts.forEach(({ name, ms }, index) => list.append(row(`k${index + 1}`, name, say(ms))));
  if (report && parts.length > 1) {
    const sum = row("", "Together", say(total));
    sum.className = "total";
    list.append(sum);
  }
  if (report && felt !== null) list.append(row("", "Word to screen, as you felt it", say(felt)));
  const note = element("p", "note");
  const waited = report?.end_of_turn_ms;
  if (typeof waited === "number") {
    note.textContent =
      `Before that, ${Math.round(waited)} ms of silence were waited through to know that a turn is ` +
      "over. That is asked for, not spent: make the pause shorter under Options.";
  } else if (report) {
    note.textContent = "No turn ended by itself, so there is no more to tell.";
  } else if (parts.length) {
    note.textContent = "From the end of a word, in your microphone, to that word on this page. The parts are named when the session ends.";
  } else {
    note.textContent = "People notice a delay beyond 300 ms. Start, and see how much of it is used.";
  }
  place.replaceChildren(scale, list, note);
}

/**
 * @param {string} tag
 * @param {string} kind
 */
function element(tag, kind) {
  const made = document.createElement(tag);
  made.className = kind;
  return made;
}

/**
 * @param {string} colour
 * @param {string} name
 * @param {string} value
 */
function row(colour, name, value) {
  const item = document.createElement("li");
  if (colour) item.append(element("i", colour));
  const figure = document.createElement("b");
  figure.textContent = value;
  item.append(name, figure);
  return item;
}
