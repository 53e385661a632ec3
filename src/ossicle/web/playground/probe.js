/**
 * The page that measures: `measurement` collects, the gateway judges, and this shows it: progress,
 * a table with bars, what is in the way, the advice, 300 ms.
 *
 * @module
 */

import { judge, measure, PARTS } from "./measurement.js";
import { themeSwitch } from "./panels.js";
import { spelt } from "./spelt.js";

/**
 * @typedef {{name: string, title: string, state: string, why: string, cold_ms: number | null, resumed_ms: number | null}} Wire
 * @typedef {{least_ms: number, median_ms: number, p95_ms: number, jitter_ms: number, count: number}} Spread
 * @typedef {{kbit_s: number | null, bytes: number, why: string}} Rate
 * @typedef {{code: string, weight: string, text: string, way_out: string}} Problem
 * @typedef {{name: string, title: string, ms: number, how: string}} Part
 * @typedef {{title: string, wire: string}} Choice
 * @typedef {{wires: Wire[], rtt: Spread | null, rtt_over: string, calls: Spread | null, loss: number | null,
 *   down: Rate, up: Rate, buffers_down: boolean | null,
 *   idle: {searched_s: number, lasts_s: number | null, cut_s: number | null, kept_by: string},
 *   skew_ms: number | null, problems: Problem[], budget: Part[]}} Findings
 * @typedef {{recommended: Choice, runner_up: Choice | null, today: Choice | null, command: string,
 *   ruled_out: {title: string, why: string}[], reasons: {text: string}[], asked: Record<string, any>}} Advice
 */

const LIMIT_MS = 300;
const STATES = {
  passes: "passes", blocked: "blocked", broken: "broken", not_offered: "not offered here", not_tried: "not tried",
};

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const form = /** @type {HTMLFormElement} */ (find("form"));
const start = /** @type {HTMLButtonElement} */ (find("start"));
const idle = /** @type {HTMLSelectElement} */ (find("idle"));
const key = /** @type {HTMLInputElement} */ (find("key"));

/** @param {string} tag @param {string} [text] @param {string} [kind] */
function make(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/** @param {number | null} ms */
const time = (ms) => (ms === null ? "" : ms < 100 ? `${ms.toFixed(1)} ms` : ms < 10_000 ? `${Math.round(ms)} ms` : `${(ms / 1_000).toFixed(1)} s`);

/** @param {number} kbit */
const speed = (kbit) => (kbit >= 1e6 ? `${(kbit / 1e6).toFixed(1)} Gbit/s` : kbit >= 1_000 ? `${(kbit / 1_000).toFixed(1)} Mbit/s` : `${Math.round(kbit)} kbit/s`);

// ── measuring ──

/** @type {AbortController | null} */
let running = null;

/** @param {string[]} names */
function progress(names) {
  const rows = names.map((name) => {
    const row = make("li");
    const label = /** @type {HTMLLabelElement} */ (make("label", name));
    const bar = /** @type {HTMLProgressElement} */ (make("progress"));
    bar.id = `part-${name.replace(/\W/g, "-")}`;
    bar.max = 1;
    bar.value = 0;
    label.htmlFor = bar.id;
    row.append(label, bar, make("span"));
    return row;
  });
  find("parts").replaceChildren(...rows);
  find("parts").hidden = false;
  /** @param {string} name @param {number} done */
  return (name, done) => {
    const row = rows[names.indexOf(name)];
    const bar = row?.querySelector("progress");
    if (!row || !bar) return;
    if (done === 0) find("status").textContent = `Measuring: ${name} …`;
    bar.value = Math.max(bar.value, done);
    if (done === 1) row.lastElementChild?.replaceChildren("✓");
  };
}

async function run() {
  running = new AbortController();
  start.disabled = true;
  find("stop").hidden = false;
  find("alert").hidden = true;
  find("result").hidden = true;
  delete document.body.dataset.done;
  const idleS = Number(idle.value);
  const told = progress(idleS ? PARTS : PARTS.filter((each) => each !== "silence"));
  try {
    const seen = await measure({ key: key.value.trim(), idleS, signal: running.signal, told });
    show(await judge(seen, key.value.trim()));
    find("status").textContent = `Done in ${seen.took_s.toFixed(1)} s.`;
    document.body.dataset.done = "yes"; // for whoever waits for it
    find("verdict").focus({ preventScroll: true });
  } catch (error) {
    find("alert-text").textContent = error instanceof TypeError
      ? "The gateway does not answer. Is it still running?"
      : `What was measured could not be judged: ${error instanceof Error ? error.message : error}`;
    find("alert").hidden = false;
    find("status").textContent = "";
  } finally {
    running = null;
    start.disabled = false;
    start.textContent = "Measure again";
    find("stop").hidden = true;
  }
}

// ── showing ──

/** @type {string} */
let saved = "";

/** @param {{findings: Findings, advice: Advice | null}} told */
function show(told) {
  saved = JSON.stringify(told, null, 2);
  const { findings, advice } = told;
  verdict(advice);
  problems(findings.problems);
  const longest = Math.max(0, ...findings.wires.flatMap(({ cold_ms, resumed_ms }) => [cold_ms ?? 0, resumed_ms ?? 0]));
  find("wires").replaceChildren(...findings.wires.map((each) => wire(each, longest)));
  figures(findings);
  budget(findings.budget);
  find("command").textContent = `ossicle probe ${location.origin} --client browser`;
  find("result").hidden = false;
}

/** @param {Advice | null} advice */
function verdict(advice) {
  find("verdict-kicker").textContent = advice ? "On this network, use" : "Not measured";
  find("verdict").textContent = advice ? advice.recommended.title : "There is no way to the gateway";
  /** @type {HTMLElement[]} */
  const rows = [];
  /** @param {string} name @param {string} text */
  const add = (name, text) => rows.push(make("dt", name), make("dd", text));
  if (advice) {
    const { recommended, runner_up, today, ruled_out, reasons } = advice;
    if (runner_up) add("or", runner_up.title);
    if (today && today.title !== recommended.title && today.title !== runner_up?.title) add("today", today.title);
    for (const each of ruled_out) add("not", `${each.title}: ${each.why}`);
    for (const each of reasons.slice(0, 2)) add("why", each.text);
  }
  find("others").replaceChildren(...rows);
  const link = /** @type {HTMLAnchorElement} */ (find("ask"));
  link.hidden = !advice;
  const asked = new URLSearchParams({ client: "browser" });
  for (const name of ["udp_blocked", "upgrades_blocked"]) if (advice?.asked[name]) asked.set(name, "yes");
  link.href = `/advise?${asked}`;
}

/** @param {Problem[]} found */
function problems(found) {
  const rows = found.map(({ code, weight, text, way_out }) => {
    const row = make("li", "", weight);
    row.dataset.code = code;
    row.append(spelt(make("b"), text));
    if (way_out) row.append(spelt(make("p"), way_out));
    return row;
  });
  find("problems").replaceChildren(...(rows.length ? rows : [make("li", "Nothing was found.", "none")]));
}

/** @param {Wire} each @param {number} longest */
function wire({ name, title, state, why, cold_ms, resumed_ms }, longest) {
  const row = make("tr");
  row.dataset.wire = name;
  const head = make("th", title);
  head.setAttribute("scope", "row");
  const passes = make("td");
  passes.append(make("span", STATES[/** @type {keyof typeof STATES} */ (state)], `sign ${state}`));
  const cold = make("td", time(cold_ms), "number");
  cold.dataset.name = "set-up";
  const resumed = make("td", time(resumed_ms), "number");
  resumed.dataset.name = "resumed";
  const line = make("td", "", "length");
  const ms = cold_ms ?? resumed_ms;
  if (ms !== null) line.append(bar(ms, longest));
  row.append(head, passes, cold, resumed, line, spelt(make("td"), why));
  return row;
}

/** @param {number} value @param {number} most @param {string} [kind] */
function bar(value, most, kind = "") {
  const outer = make("span", "", `thin ${kind}`);
  outer.setAttribute("aria-hidden", "true");
  const inner = make("i");
  inner.style.width = `${most > 0 ? (100 * value) / most : 0}%`;
  outer.append(inner);
  return outer;
}

/** @param {Findings} found */
function figures({ wires, rtt, rtt_over, calls, loss, down, up, buffers_down, idle: silence, skew_ms }) {
  /** @type {HTMLElement[]} */
  const rows = [];
  /** @param {string} name @param {string} value @param {string} [text] @param {HTMLElement} [drawn] */
  const add = (name, value, text = "", drawn) => {
    const said = make("dd", "", "said");
    if (drawn) said.append(drawn);
    if (text) said.append(make("span", text));
    rows.push(make("dt", name), make("dd", value, "value"), said);
  };
  const slowest = Math.max(rtt?.p95_ms ?? 0, calls?.p95_ms ?? 0);
  /** @param {Spread} each */
  const spread = (each) => `95 % within ${time(each.p95_ms)}, jitter ${time(each.jitter_ms)}`;
  if (rtt) add(`round trip, ${wires.find(({ name }) => name === rtt_over)?.title ?? rtt_over}`, time(rtt.median_ms), spread(rtt), bar(rtt.median_ms, slowest));
  if (calls) {
    const lost = loss === null ? "" : `, ${(100 * loss).toFixed(loss ? 1 : 0)} % lost`;
    add("round trip, WebRTC", time(calls.median_ms), spread(calls) + lost, bar(calls.median_ms, slowest));
  }
  const fastest = Math.max(down.kbit_s ?? 0, up.kbit_s ?? 0);
  for (const [name, rate] of /** @type {[string, Rate][]} */ ([["down", down], ["up", up]])) {
    const kbit = rate.kbit_s;
    const value = kbit === null ? "?" : speed(kbit);
    add(name, value, rate.why, kbit === null ? undefined : bar(kbit, fastest, "speed"));
  }
  add("answers", "", buffers_down === null ? "not seen" : buffers_down ? "collected on the way" : "come as they are sent");
  const { searched_s, lasts_s, cut_s } = silence;
  const lasts = cut_s !== null ? `${cut_s} s` : lasts_s !== null ? `${lasts_s} s` : "";
  const said = !searched_s ? "not looked for" : cut_s !== null ? "then a connection is cut" : lasts_s === null ? "not seen" : "and longer: no limit was found";
  add("silence", lasts, said);
  if (skew_ms !== null) add("clocks differ", time(Math.abs(skew_ms)), "by half a round trip more or less");
  find("figures").replaceChildren(...rows);
}

/** @param {Part[]} parts */
function budget(parts) {
  const total = parts.reduce((sum, { ms }) => sum + ms, 0);
  const width = Math.max(LIMIT_MS * 1.15, total);
  const scale = make("div", "", "scale");
  const whole = make("div", "", "bar");
  whole.setAttribute("role", "img");
  whole.setAttribute("aria-label", `${Math.round(total)} of ${LIMIT_MS} ms`);
  const list = make("ul", "", "legend");
  parts.forEach(({ title, ms, how }, index) => {
    const kind = `k${index + 1}`;
    const piece = make("span", "", kind);
    piece.style.width = `${(100 * ms) / width}%`;
    whole.append(piece);
    const row = make("li");
    row.append(make("i", "", kind), make("span", title), make("span", how, "how"), make("b", time(ms)));
    list.append(row);
  });
  const limit = make("div", "", "limit");
  limit.style.left = `${(100 * LIMIT_MS) / width}%`;
  scale.append(whole, limit);
  const left = Math.round(LIMIT_MS - total);
  const row = make("li", "", "total");
  row.append(make("span", left >= 0 ? "left of 300 ms" : "too many"), make("b", `${Math.abs(left)} ms`));
  list.append(row);
  const note = "“told” is a mean of this gateway's own sessions. And the silence that ends a turn, 500 to 800 ms: no wire shortens it.";
  find("budget").replaceChildren(scale, list, make("p", note, "note"));
}

find("download").addEventListener("click", () => {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([saved], { type: "application/json" }));
  link.download = `ossicle-probe-${location.hostname}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
});
find("stop").addEventListener("click", () => running?.abort());
form.addEventListener("submit", (event) => {
  event.preventDefault();
  if (!running) run();
});
fetch("/v1/about", { credentials: "omit" })
  .then((answer) => answer.json())
  .then((about) => {
    find("key-row").hidden = !about.keys;
  })
  .catch(() => {}); // whether a key is asked for shows at the first request as well
themeSwitch();
