/**
 * What the gateway tells about itself: which engine listens, the running sessions, and the lines
 * that make other people's code use it.
 *
 * @module
 */

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));

/**
 * @param {string} tag
 * @param {string} text
 * @param {string} [kind]
 */
function make(tag, text, kind = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (kind) made.className = kind;
  return made;
}

/**
 * @param {string} path
 * @param {string} key
 * @returns {Promise<any>} the JSON; null = there is none
 */
async function ask(path, key) {
  const headers = key ? { authorization: `Bearer ${key}` } : undefined;
  try {
    const answer = await fetch(path, { ...(headers && { headers }), credentials: "omit" });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null; // the page says so where it matters: when somebody starts
  }
}

/**
 * @typedef {object} About
 * @property {string} engine
 * @property {boolean} keys
 * @property {boolean} [webrtc]
 * @property {import("./choices.js").Answerer | null} [answers]
 * @property {string} [note]
 * @property {Array<{title: string, line: string, how: string, page: string}>} [better]
 */

/** Which engine listens, and how to get a better one. @returns {Promise<About | null>} */
export async function showEngine() {
  const about = await ask("/v1/about", "");
  if (!about) return null;
  const chip = find("engine");
  chip.textContent = about.engine;
  chip.title = `Engine: ${about.engine}`;
  chip.hidden = false;
  if (about.better?.length) better(about);
  return about;
}

/** @param {About} about */
function better({ note = "", better: all = [] }) {
  find("better-note").textContent = note;
  const choice = /** @type {HTMLSelectElement} */ (find("better-choice"));
  choice.replaceChildren(...all.map(({ title }, place) => new Option(title, String(place))));
  const show = () => {
    const each = all[Number(choice.value)];
    find("better-line").textContent = each?.line ?? "";
    find("better-how").textContent = each?.how ?? "";
    /** @type {HTMLAnchorElement} */ (find("better-link")).href = each?.page ?? "";
  };
  choice.addEventListener("change", show);
  show();
  find("better").hidden = false;
}

/**
 * The sessions of this key.
 *
 * @param {string} key
 * @param {string} mine id of this page's session
 */
export async function showSessions(key, mine) {
  const place = find("sessions");
  const told = await ask("/v1/sessions", key);
  if (!told) {
    place.replaceChildren(make("p", "The gateway does not show them: it wants a key, or is gone.", "note"));
    return;
  }
  const sessions = /** @type {Array<Record<string, any>>} */ (told.sessions ?? []);
  if (!sessions.length) {
    place.replaceChildren(make("p", "None at the moment.", "note"));
    return;
  }
  const table = document.createElement("table");
  const head = table.createTHead().insertRow();
  for (const name of ["Session", "Engine", "State", "Sound"]) {
    const cell = make("th", name);
    cell.setAttribute("scope", "col");
    head.append(cell);
  }
  const body = table.createTBody();
  for (const each of sessions.slice(0, 20)) {
    const row = body.insertRow();
    const own = each.session === mine;
    if (own) row.className = "mine";
    row.append(
      make("td", own ? "this one" : each.label || String(each.session).slice(0, 8)),
      make("td", each.engine),
      make("td", each.detached ? "waits" : each.state),
      make("td", `${(each.audio_ms / 1000).toFixed(0)} s`),
    );
  }
  const rest = sessions.length - 20;
  place.replaceChildren(table, ...(rest > 0 ? [make("p", `and ${rest} more`, "note")] : []));
}

/**
 * The lines to change in other people's code.
 *
 * @param {string} key
 */
export async function showSnippets(key) {
  const told = await ask("/v1/snippets", key);
  const all = /** @type {Array<Record<string, string>>} */ (told?.snippets ?? []);
  find("snippets-panel").hidden = !all.length;
  if (!all.length) return;
  const choice = document.createElement("select");
  choice.id = "sdk";
  const label = make("label", "SDK", "hidden");
  label.setAttribute("for", "sdk");
  for (const [place, each] of all.entries()) {
    choice.append(new Option(each.title || [each.sdk, each.language].filter(Boolean).join(", "), String(place)));
  }
  const code = make("div", "", "code");
  const text = make("pre", "");
  text.id = "snippet";
  text.tabIndex = 0;
  text.setAttribute("role", "group");
  text.setAttribute("aria-label", "Code");
  const copy = make("button", "Copy", "copy");
  copy.setAttribute("type", "button");
  copy.dataset.copy = "snippet";
  code.append(text, copy);
  const show = () => {
    const each = all[Number(choice.value)];
    text.textContent = each?.code ?? each?.text ?? "";
  };
  choice.addEventListener("change", show);
  show();
  find("snippets").replaceChildren(label, choice, code);
}

/** Every button with `data-copy` copies the text of that element. */
export function copyButtons() {
  document.addEventListener("click", async ({ target }) => {
    if (!(target instanceof HTMLButtonElement) || !target.dataset.copy) return;
    const before = target.textContent;
    try {
      await navigator.clipboard.writeText(find(target.dataset.copy).textContent ?? "");
      target.textContent = "Copied";
    } catch { // not a secure page, or not allowed: select it instead
      getSelection()?.selectAllChildren(find(target.dataset.copy));
      target.textContent = "Selected";
    }
    setTimeout(() => {
      target.textContent = before;
    }, 1500);
  });
}

/** Light and dark: the system's choice until somebody switches. */
export function themeSwitch() {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  root.dataset.theme = localStorage.getItem("theme") ?? "";
  find("theme").addEventListener("click", () => {
    const now = root.dataset.theme || (dark.matches ? "dark" : "light");
    root.dataset.theme = now === "dark" ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
  });
}
