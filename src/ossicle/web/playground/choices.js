/**
 * What a visitor chooses before talking, and finds again next time: the wire, and whether the words
 * are only written down or answered, too.
 *
 * @module
 */

/** @import { Transport } from "../ossicle.js" */

/**
 * @typedef {object} Answerer who answers here, as `/v1/about` tells
 * @property {string} name
 * @property {string} [model] that leads to it
 * @property {boolean} [aloud]
 * @property {boolean} [always] it answers unless it is told not to
 */

/** @param {string} id */
const find = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
/** @param {string} name */
const radios = (name) =>
  /** @type {HTMLInputElement[]} */ ([...document.querySelectorAll(`input[name="${name}"]`)]);
/** @param {string} name */
const chosen = (name) => radios(name).find((each) => each.checked)?.value ?? "";

/** Both choices. */
export class Choices {
  /** @type {Answerer | null} */
  #answerer = null;

  constructor() {
    for (const name of ["wire", "purpose"]) {
      const kept = localStorage.getItem(`ossicle.${name}`);
      for (const each of radios(name)) {
        if (each.value === kept) each.checked = true;
        each.addEventListener("change", () => {
          localStorage.setItem(`ossicle.${name}`, each.value);
          this.#explain();
        });
      }
    }
  }

  /** @returns {Transport} */
  get wire() {
    return chosen("wire") === "webrtc" ? "webrtc" : "websocket";
  }

  /** Somebody answers. */
  get talks() {
    return chosen("purpose") === "talk" && this.#answerer !== null;
  }

  /** What the gateway is asked for. @returns {Record<string, unknown>} */
  get parameters() {
    const { model = "", always = false } = this.#answerer ?? {};
    if (this.talks) return { answers: true, model };
    // One that always answers is asked to listen only.
    return always && !model ? { answer_turns: false } : {};
  }

  /**
   * What this gateway has.
   *
   * @param {{webrtc?: boolean, answers?: Answerer | null}} about
   */
  offer({ webrtc = false, answers = null }) {
    this.#answerer = answers;
    this.#allow("wire", "webrtc", webrtc && typeof RTCPeerConnection === "function", "websocket");
    this.#allow("purpose", "talk", answers !== null, "write");
    find("wire-note").textContent = webrtc
      ? ""
      : "This gateway takes no WebRTC: pip install 'ossicle[webrtc]', and start it again.";
    // Who has configured somebody to talk to came to talk.
    if (answers?.always && !answers.model && !localStorage.getItem("ossicle.purpose")) {
      for (const each of radios("purpose")) each.checked = each.value === "talk";
    }
    this.#explain();
  }

  /** While a session runs nothing of it can change. @param {boolean} off */
  lock(off) {
    for (const name of ["wire-choice", "purpose-choice"]) {
      /** @type {HTMLFieldSetElement} */ (find(name)).disabled = off;
    }
  }

  /**
   * @param {string} name
   * @param {string} value
   * @param {boolean} there
   * @param {string} otherwise
   */
  #allow(name, value, there, otherwise) {
    for (const each of radios(name)) {
      if (each.value === value) each.disabled = !there;
      if (!there && each.value === otherwise) each.checked = true;
    }
  }

  #explain() {
    const place = find("purpose-note");
    const { name = "", aloud = true } = this.#answerer ?? {};
    if (!this.talks) place.textContent = "";
    else {
      const who = name === "parrot" ? "A parrot answers: it repeats what you say" : `${name} answers`;
      place.textContent = `${who}${aloud ? "" : ", in writing: this gateway has no voice"}. Talk, and it falls silent.`;
    }
  }
}
