/**
 * The page of the advice: a form, and the answer of `GET /v1/advise` drawn. It decides nothing
 * itself; the gateway does, by the same code as `ossicle advise`.
 *
 * @module
 */

import { copyButtons, themeSwitch } from "./panels.js";
import { spelt } from "./spelt.js";

/**
 * @typedef {{wire: string, dialect: string, title: string, built: boolean}} Choice
 * @typedef {{text: string, fact: string, known: string, source: string, date: string, read: boolean}} Reason
 * @typedef {{name: string, title: string, low_ms: number, high_ms: number}} Part
 * @typedef {{recommended: Choice, runner_up: Choice | null, today: Choice | null,
 *   upstream: Choice | null, reasons: Reason[], warnings: string[], contradictions: string[],
 *   ruled_out: {wire: string, title: string, why: string}[], path: string[],
 *   steps: [string, string][], budget: Part[], config: string, client: string,
 *   client_title: string, client_install: string, command: string}} Answer
 */

const LIMIT_MS = 300;

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const form = /** @type {HTMLFormElement} */ (find("form"));

/**
 * @param {string} tag
 * @param {string} [text]
 * @param {string} [kind]
 */
function make(tag, text = "", kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

// ── the question, in the form and in the address ──

/** What differs from the form's own defaults: short addresses, and links that keep their meaning. */
function question() {
  const asked = new URLSearchParams();
  for (const [name, value] of new FormData(form)) {
    const text = value === "on" ? "yes" : String(value).trim();
    if (text && !(name === "provider" && text === "own")) asked.append(name, text);
  }
  return asked;
}

/** The form, from an address that somebody sent. */
function restore() {
  for (const [name, value] of new URLSearchParams(location.search)) {
    for (const field of form.querySelectorAll("input, select")) {
      const it = /** @type {HTMLInputElement} */ (field);
      if (it.name !== name) continue;
      if (it.type === "radio") it.checked = it.value === value || it.checked;
      else if (it.type === "checkbox") it.checked = !["no", "0", "false", "off"].includes(value);
      else it.value = value;
    }
  }
}

let asking = 0;

async function ask() {
  const mine = ++asking;
  const asked = question();
  history.replaceState(null, "", `?${asked}`);
  /** @type {Answer | null} */
  let answer = null;
  let problem = "The gateway does not answer. Is it still running?";
  try {
    const reply = await fetch(`/v1/advise?${asked}`, { credentials: "omit" });
    const told = await reply.json();
    if (reply.ok) answer = told;
    else problem = told?.error?.text ?? problem;
  } catch {
    // `problem` says it
  }
  if (mine !== asking) return; // somebody went on clicking
  find("alert").hidden = answer !== null;
  find("alert-text").textContent = answer ? "" : problem;
  if (answer) show(answer);
}

// ── the answer ──

/** @param {Answer} answer */
function show(answer) {
  find("best").textContent = answer.recommended.title;
  others(answer);
  const against = find("against");
  against.hidden = !answer.contradictions.length;
  against.querySelector("ul")?.replaceChildren(...answer.contradictions.map((text) => make("li", text)));
  find("reasons").replaceChildren(...answer.reasons.map(reason));
  find("warnings").replaceChildren(...answer.warnings.map((text) => make("li", text)));
  budget(answer.budget);
  find("steps").replaceChildren(
    ...answer.steps.map(([asked, said]) => {
      const step = make("li", `${asked} `);
      step.append(make("b", said));
      return step;
    }),
  );
  light(answer.path);
  find("config").textContent = answer.config;
  find("client-card").hidden = !answer.client;
  find("client-title").textContent = answer.client_title || "A client";
  find("client").textContent = answer.client;
  find("install").textContent = answer.client_install ? `Install: ${answer.client_install}` : "";
  find("command").textContent = answer.command;
  document.body.dataset.wire = answer.recommended.wire; // for whoever waits for it
}

/** @param {Answer} answer */
function others({ recommended, runner_up, today, upstream, ruled_out }) {
  /** @type {HTMLElement[]} */
  const rows = [];
  /** @param {string} name @param {Choice} choice */
  const add = (name, choice) => {
    const value = make("dd", choice.title);
    if (!choice.built) value.append(" ", make("span", "not in this version", "later"));
    rows.push(make("dt", name), value);
  };
  /** @param {Choice | null} one @param {Choice | null} other */
  const same = (one, other) => one?.wire === other?.wire && one?.dialect === other?.dialect;
  if (runner_up) add(same(runner_up, today) && !recommended.built ? "or, and today" : "or", runner_up);
  if (today && !same(today, recommended) && !same(today, runner_up)) add("today", today);
  if (upstream && upstream.dialect !== recommended.dialect) add("behind it", upstream);
  for (const each of ruled_out) rows.push(make("dt", "not"), make("dd", `${each.title}: ${each.why}`));
  find("others").replaceChildren(...rows);
}

/** @param {Reason} each */
function reason(each) {
  const item = make("li", each.text);
  const more = document.createElement("details");
  const ours = !each.source.startsWith("https://");
  const where = ours ? "measured here" : new URL(each.source).host;
  more.append(make("summary", `${where}, ${each.read ? "read " : ""}${each.date}`));
  const known = spelt(make("p"), `${each.known} `);
  if (!ours) {
    const link = document.createElement("a");
    link.href = each.source;
    link.rel = "noreferrer";
    link.textContent = each.source.replace("https://", "");
    known.append(link);
  } else {
    known.append(make("code", each.source));
  }
  more.append(known);
  item.append(more);
  return item;
}

/** @param {Part[]} parts */
function budget(parts) {
  const total = parts.reduce((sum, part) => sum + (part.low_ms + part.high_ms) / 2, 0);
  const width = Math.max(LIMIT_MS * 1.15, total);
  const scale = make("div", "", "scale");
  const bar = make("div", "", "bar");
  bar.setAttribute("role", "img");
  bar.setAttribute("aria-label", `about ${Math.round(total)} of ${LIMIT_MS} ms`);
  const list = make("ul", "", "legend");
  parts.forEach((part, index) => {
    const kind = `k${index + 1}`;
    const piece = make("span", "", kind);
    piece.style.width = `${(50 * (part.low_ms + part.high_ms)) / width}%`;
    bar.append(piece);
    const row = make("li");
    row.append(make("i", "", kind), make("span", part.title), make("b", range(part)));
    list.append(row);
  });
  const limit = make("div", "", "limit");
  limit.style.left = `${(100 * LIMIT_MS) / width}%`;
  scale.append(bar, limit);
  const note = "And the silence that ends a turn, 500 to 800 ms: no wire shortens it.";
  find("budget").replaceChildren(scale, list, make("p", note, "note"));
}

/** @param {Part} part */
const range = ({ low_ms, high_ms }) => (low_ms === high_ms ? `${low_ms} ms` : `${low_ms} to ${high_ms} ms`);

// ── the tree ──

/** @type {Promise<void> | null} */
let drawn = null;

/** Fetched as a document, so that no text ever becomes markup here. */
function draw() {
  drawn ??= new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", "/playground/tree.svg");
    request.responseType = "document";
    request.onloadend = () => {
      const root = request.responseXML?.documentElement;
      if (root) find("tree").replaceChildren(document.importNode(root, true));
      resolve();
    };
    request.send();
  });
  return drawn;
}

/** @param {string[]} path */
async function light(path) {
  await draw();
  const tree = find("tree");
  for (const each of tree.querySelectorAll(".lit")) each.classList.remove("lit");
  path.forEach((name, place) => {
    tree.querySelector(`#node-${name}`)?.classList.add("lit");
    const edge = tree.querySelector(`#edge-${path[place - 1]}-${name}`);
    edge?.classList.add("lit");
    edge?.parentNode?.insertBefore(edge, tree.querySelector(".node")); // above the other lines
  });
  const end = tree.querySelector(`#node-${path.at(-1)}`)?.getBoundingClientRect();
  if (end) tree.scrollLeft += end.x + end.width / 2 - tree.getBoundingClientRect().x - tree.clientWidth / 2;
}

form.addEventListener("change", ask);
form.addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
themeSwitch();
copyButtons();
restore();
ask();
