/**
 * The latency ledger as a bar against 300 ms, one for each wire that was tried.
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
  #over = false;
  /** How many words were measured, and the last of them. */
  count = 0;
  /** @type {number | null} */
  last = null;

  /** Sound was lost on the way: from here on nobody knows when a word was said. */
  stop() {
    this.#over = true;
  }

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
    if (ms === null || ms <= this.#heard || this.#over) return;
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
 * What is known of one wire, of its newest session.
 *
 * @typedef {object} Tried
 * @property {string} name of the wire
 * @property {number | null} felt
 * @property {LedgerReport | null} report null: it is not over
 */

/**
 * Draw them.
 *
 * @param {HTMLElement} place
 * @param {readonly Tried[]} all
 */
export function draw(place, all) {
  const tried = all.filter(({ felt, report }) => felt !== null || report);
  const widest = Math.max(LIMIT_MS * 1.25, ...tried.map((each) => sum(spent(each))));
  const bars = (tried.length ? tried : [null]).map((each) => bar(each, widest, tried.length > 1));
  place.replaceChildren(...bars.flat(), ...(tried.length ? [figures(tried)] : []), note(tried));
}

/** @param {Tried} each @returns {Part[]} */
function spent({ felt, report }) {
  if (report) return partsOf(report);
  return felt === null ? [] : [{ name: "Word to screen", ms: felt }];
}

/** @param {readonly Part[]} parts */
const sum = (parts) => parts.reduce((total, { ms }) => total + ms, 0);

/**
 * @param {Tried | null} each null: nothing was measured
 * @param {number} width of the whole, in ms
 * @param {boolean} named there are several
 */
function bar(each, width, named) {
  const parts = each ? spent(each) : [];
  const scale = element("div", "scale");
  const made = element("div", "bar");
  made.setAttribute("role", "img");
  const of = parts.length ? `${say(sum(parts))} of ${LIMIT_MS} ms` : `nothing measured yet, of ${LIMIT_MS} ms`;
  made.setAttribute("aria-label", named ? `${each?.name}: ${of}` : of);
  parts.forEach(({ name, ms }) => {
    const piece = element("span", colour(name));
    piece.style.width = `${(100 * ms) / width}%`;
    made.append(piece);
  });
  const limit = element("div", "limit");
  limit.style.left = `${(100 * LIMIT_MS) / width}%`;
  scale.append(made, limit);
  if (!named) return [scale];
  const title = element("p", "wire");
  title.textContent = each?.name ?? "";
  return [title, scale];
}

/** A part has its colour whatever else there is. @param {string} name */
const colour = (name) => {
  const place = PARTS.findIndex(([, each]) => each === name);
  return `k${place < 0 ? PARTS.length + 1 : place + 1}`;
};

/**
 * A row for each part, a column for each wire.
 *
 * @param {readonly Tried[]} tried
 */
function figures(tried) {
  const table = document.createElement("table");
  table.className = "legend";
  if (tried.length > 1) {
    const head = table.createTHead().insertRow();
    head.insertCell();
    for (const { name } of tried) {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.textContent = name;
      head.append(cell);
    }
  }
  const body = table.createTBody();
  /** @param {string} name @param {Array<number | null | undefined>} values @param {string} [key] */
  const row = (name, values, key = "") => {
    if (values.every((value) => typeof value !== "number")) return null;
    const made = body.insertRow();
    const title = document.createElement("th");
    title.scope = "row";
    if (key) title.append(element("i", key));
    title.append(name);
    made.append(title);
    for (const value of values) made.insertCell().textContent = typeof value === "number" ? say(value) : "–";
    return made;
  };
  const felt = tried.some(({ report }) => !report) ? colour("felt") : ""; // it stands in a bar
  for (const [field, name] of PARTS) row(name, tried.map(({ report }) => report?.[field]), colour(name));
  const totals = tried.map(({ report }) => (report && partsOf(report).length ? sum(partsOf(report)) : null));
  const total = row("Together", totals);
  if (total) total.className = "total";
  const over = tried.some(({ report }) => report);
  row(`Word to screen${over ? ", as you felt it" : ""}`, tried.map((each) => each.felt), felt);
  row("First sound of a reply", tried.map(({ report }) => report?.playback_ms));
  return table;
}

/** @param {readonly Tried[]} tried */
function note(tried) {
  const made = element("p", "note");
  const over = tried.filter(({ report }) => report);
  const waited = over.map(({ report }) => report?.end_of_turn_ms).find((ms) => typeof ms === "number");
  if (typeof waited === "number") {
    made.textContent =
      `Before that, ${Math.round(waited)} ms of silence were waited through to know that a turn is ` +
      "over. That is asked for, not spent: make the pause shorter under Options.";
  } else if (over.length) {
    made.textContent = "No turn ended by itself, so there is no more to tell.";
  } else if (tried.length) {
    made.textContent = "From the end of a word, in your microphone, to that word on this page. The parts are named when the session ends.";
  } else {
    made.textContent = "People notice a delay beyond 300 ms. Start, and see how much of it is used. What one wire took stays here while you try the other.";
  }
  return made;
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
