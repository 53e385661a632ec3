/**
 * The playground: `ossicle.js` in use. Everything about sound and connections is there; here is
 * only what the page shows.
 *
 * @module
 */

import { connect, decodeFile, microphone, OssicleError, Player, sendFile } from "../ossicle.js";
import { Captions } from "./captions.js";
import { Choices } from "./choices.js";
import { showDevices, showGranted } from "./devices.js";
import { dropZone, save } from "./files.js";
import { draw, Felt } from "./ledger.js";
import { drawNetwork, NAMES } from "./network.js";
import { copyButtons, showEngine, showSessions, showSnippets, themeSwitch } from "./panels.js";

/** @import { LedgerReport, Microphone, OssicleEvent, SpeechStream, StreamState, Transport, WireStats } from "../ossicle.js" */
/** @import { Tried } from "./ledger.js" */

const SESSIONS_EVERY_MS = 3000;
const STATS_EVERY_MS = 1000;
const KEY = "ossicle.key";

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} id */
const input = (id) => /** @type {HTMLInputElement} */ (document.getElementById(id));

const captions = new Captions();
const choices = new Choices();
/** What each wire took, the last time. @type {Map<Transport, Tried>} */
const tried = new Map();
const talk = find("talk");

/**
 * One session of this page.
 *
 * @typedef {object} Run
 * @property {SpeechStream} stream
 * @property {Microphone | null} mic
 * @property {Player} player
 * @property {Felt} felt
 * @property {boolean} talks it is answered
 */

/** @type {Run | null} */
let run = null;
/** Between the click and the first sound, and between the last sound and the last word. */
let busy = false;
/** The gateway asks for a key. */
let keys = false;

// ── what is shown ──

/** @param {string} text */
function status(text) {
  if (find("status").textContent !== text) find("status").textContent = text;
}

/** @param {unknown} error */
function complain(error) {
  const known = error instanceof OssicleError;
  find("alert-text").textContent = known
    ? sentence(error.message)
    : "This page has a fault of its own: load it again. The browser's console says more.";
  find("alert").hidden = false;
  find("alert").dataset.code = known ? error.code : "page";
  if (!known) console.error(error);
}

/** @param {string} text */
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

function show() {
  const live = run !== null;
  const listening = run?.mic != null;
  talk.setAttribute("aria-pressed", String(listening));
  find("talk-text").textContent = live ? "Stop" : "Start microphone";
  input("file").disabled = live || busy;
  find("file-label").classList.toggle("off", live || busy);
  for (const button of document.querySelectorAll("button[data-save], #clear")) {
    /** @type {HTMLButtonElement} */ (button).disabled = captions.finals.length === 0;
  }
  find("voice").hidden = !run?.stream.speaks;
  choices.lock(live || busy);
}

/** What the session of this page does. */
function doing() {
  if (!run?.mic) return "Connected";
  return run.player.playing ? "Answering. Talk, and it falls silent" : "Listening";
}

/** @param {Run} made @param {LedgerReport | null} report */
function ledger({ stream, felt }, report) {
  tried.set(stream.transport, { name: NAMES[stream.transport], felt: felt.median, report });
  draw(find("ledger"), [...tried.values()]);
}

/** @param {StreamState} state */
function connection({ state, buffered_s, error }) {
  if (state === "connecting") status("Connecting…");
  else if (state === "live") status(doing());
  else if (state === "waiting") {
    run?.player.take({ type: "marked", name: "", utterance: "", heard_ms: 0, cleared: true });
    const lost = run?.stream.transport === "webrtc";
    if (lost) run?.felt.stop();
    const held = lost ? "; what you say meanwhile is not heard"
      : buffered_s ? `; ${buffered_s.toFixed(1)} s of sound wait here` : "";
    status(`The gateway is not there (${error?.code ?? "lost"}); trying again${held}`);
  }
}

// ── a session ──

function parameters() {
  const hint = input("hints").value.split(",").map((each) => each.trim()).filter(Boolean);
  return {
    language: input("language").value.trim(),
    silence_ms: input("silence").value === "800" ? "" : input("silence").value,
    hint: hint.slice(0, 100),
    label: "playground",
    ...choices.parameters,
  };
}

/**
 * @param {Transport} transport
 * @param {"pcm_s16le" | "auto"} [encoding]
 * @returns {Promise<Run>}
 */
async function begin(transport, encoding) {
  captions.talks = choices.talks;
  const stream = await connect({
    url: location.origin,
    token: () => input("key").value.trim(),
    parameters: parameters(),
    transport,
    ...(encoding && { encoding }),
    onstate: connection,
  });
  const player = new Player(stream, { onplaying: () => run?.mic && !busy && status(doing()) });
  return { stream, mic: null, player, felt: new Felt(), talks: choices.talks };
}

async function startMicrophone() {
  status("Waiting for the microphone…");
  /** @type {Felt | null} */
  let felt = null;
  let captured = 0;
  const mic = await microphone(null, {
    deviceId: input("device").value,
    echoCancellation: input("echo").checked,
    noiseSuppression: input("noise").checked,
    autoGainControl: input("gain").checked,
    onlevel: ({ rms, peak }) => {
      input("level").value = /** @type {any} */ (Math.min(1, peak > 0.98 ? 1 : 2.2 * rms ** 0.6));
      if (felt) felt.captured((captured += 40), performance.now());
    },
    onloss: (ms) => status(`Nobody takes the sound: ${(ms / 1000).toFixed(1)} s were not sent`),
    onlost: (error) => {
      complain(error);
      void stop();
    },
  });
  try {
    const made = await begin(choices.wire);
    made.mic = mic;
    felt = made.felt;
    mic.attach(made.stream);
    run = made;
    showGranted(mic, made.stream.transport);
    void showDevices();
    status(doing());
    void read(made);
    void watch(made);
  } catch (error) {
    await mic.stop();
    throw error;
  }
}

/** @param {File} file */
async function startFile(file) {
  const asIs = !/\.(m4a|mp4|aac|wma|aiff?)$/i.test(file.name) && !/aac|mp4|aiff/.test(file.type);
  status(`Sending ${file.name}`);
  const decoded = asIs ? null : await decodeFile(file);
  // A file comes faster than speech, and whole: that is nothing for a call.
  const made = await begin("websocket", asIs ? "auto" : "pcm_s16le");
  run = made;
  void read(made);
  void watch(made);
  show();
  try {
    if (decoded) {
      await made.stream.send(decoded);
      await made.stream.end();
    } else {
      await sendFile(made.stream, file, (share) => {
        if (share < 1) status(`Sending ${file.name}: ${Math.round(100 * share)} %`);
        else status("Waiting for the last words");
      });
    }
  } catch (error) {
    if (!made.stream.over) throw error; // else the reader below says it
  }
}

/** Events until the end. @param {Run} made */
async function read(made) {
  /** @type {LedgerReport | null} */
  let report = null;
  let words = 0;
  try {
    for await (const event of made.stream) {
      made.player.take(event);
      report = take(made, event) ?? report;
      if (event.type === "transcript" && event.final && event.text && event.side !== "out") {
        words += event.text.split(/\s+/).length;
      }
    }
    if (made.talks) await made.player.finish();
    status(words ? `Done: ${words} ${words === 1 ? "word" : "words"}` : "Done. No word was heard");
  } catch (error) {
    complain(error);
    status("Stopped");
  } finally {
    await made.mic?.stop();
    await made.player.close();
    captions.settle();
    ledger(made, report);
    input("level").value = "0";
    if (run === made) run = null;
    busy = false;
    show();
    void sessions();
  }
}

/**
 * @param {Run} made
 * @param {OssicleEvent} event
 * @returns {LedgerReport | null | undefined}
 */
function take(made, event) {
  switch (event.type) {
    case "began":
    case "configured":
      show();
      return null;
    case "transcript":
      if (event.side === "out") {
        captions.answer(event);
      } else {
        captions.take(event);
        made.felt.shown(event.end_ms, performance.now());
        ledger(made, null);
      }
      if (event.final) show();
      return null;
    case "speech_ended":
    case "marked":
      captions.answer(event);
      return null;
    case "notice":
      if (event.level !== "info") complain(new OssicleError(event.text, { code: event.code }));
      return null;
    case "ended":
      return event.ledger;
    default:
      return null;
  }
}

/** How it gets there, once a second. @param {Run} made */
async function watch(made) {
  /** @type {WireStats | null} */
  let last = null;
  while (run === made && !made.stream.over) {
    last = made.stream.connected ? await made.stream.stats() : last;
    if (made.stream.over) break;
    drawNetwork(find("network"), last, false);
    await new Promise((resolve) => setTimeout(resolve, STATS_EVERY_MS));
  }
  drawNetwork(find("network"), last, true);
}

async function stop() {
  const made = run;
  if (!made) return;
  if (made.stream.over) { // only its voice goes on
    await made.player.interrupt();
    return;
  }
  if (busy) return;
  busy = true;
  status("Waiting for the last words");
  const { mic } = made;
  made.mic = null;
  show();
  try {
    await mic?.stop();
    if (made.talks) { // enough talked: no more answers
      if (made.player.playing) await made.player.interrupt();
      await made.stream.configure({ answers: { auto: false } });
    }
    await made.stream.end();
  } catch (error) {
    if (!made.stream.over) complain(error);
  }
}

/** @param {() => Promise<void>} what */
async function start(what) {
  if (run || busy) return;
  busy = true;
  find("alert").hidden = true;
  show();
  try {
    await what();
  } catch (error) {
    complain(error);
    status("Ready");
    leave();
  } finally {
    busy = false;
    show();
    void sessions();
  }
}

function leave() {
  run?.stream.close();
}

// ── around it ──

async function sessions() {
  if (document.hidden) return;
  const key = input("key").value.trim();
  const asked = keys && !key;
  if (asked) find("sessions").textContent = "Shown once you give a key.";
  else await showSessions(key, run?.stream.session ?? "");
}

function wire() {
  themeSwitch();
  copyButtons();
  talk.addEventListener("click", () => void (run ? stop() : start(startMicrophone)));
  input("file").addEventListener("change", () => {
    const file = input("file").files?.[0];
    input("file").value = "";
    if (file) void start(() => startFile(file));
  });
  find("alert-close").addEventListener("click", () => {
    find("alert").hidden = true;
    talk.focus();
  });
  find("clear").addEventListener("click", () => {
    captions.clear();
    show();
    talk.focus();
  });
  for (const button of document.querySelectorAll("button[data-save]")) {
    const format = /** @type {HTMLElement} */ (button).dataset.save ?? "";
    button.addEventListener("click", () => save(captions.finals, format));
  }
  input("silence").addEventListener("input", () => {
    find("silence-value").textContent = `${input("silence").value} ms`;
  });
  find("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = input("say-text").value.trim();
    if (text && run && !busy) void run.stream.speak(text).catch(complain);
    input("say-text").value = "";
  });
  find("form").addEventListener("submit", (event) => event.preventDefault());

  input("key").value = sessionStorage.getItem(KEY) ?? "";
  input("key").addEventListener("change", () => {
    sessionStorage.setItem(KEY, input("key").value.trim());
    void sessions();
    void showSnippets(input("key").value.trim());
  });
  find("key-show").addEventListener("click", () => {
    const shown = input("key").type === "text";
    input("key").type = shown ? "password" : "text";
    find("key-show").setAttribute("aria-pressed", String(!shown));
  });

  dropZone(find("drop"), (file) => void start(() => startFile(file)));
  navigator.mediaDevices?.addEventListener("devicechange", () => void showDevices());
  if (matchMedia("(max-width: 60rem)").matches) find("options").removeAttribute("open");
}

wire();
draw(find("ledger"), []);
drawNetwork(find("network"), null, false);
show();
void showDevices();
void showEngine().then((about) => {
  keys = about?.keys ?? false;
  if (about) choices.offer(about);
  void sessions();
  void showSnippets(input("key").value.trim());
});
setInterval(() => void sessions(), SESSIONS_EVERY_MS);
