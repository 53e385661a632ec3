/**
 * One connection: a WebSocket for as long as it lives. Knows nothing of reconnection: the stream
 * makes a new one for each.
 *
 * @module
 */

import {
  certificateHint, ConnectionLost, Denied, errorOf, errorOfStatus, Forbidden,
} from "./errors.js";
import { parse, serialize, SUBPROTOCOL } from "./messages.js";

/** @import { Call } from "./call.js" */
/** @import { OssicleError } from "./errors.js" */
/** @import { Fault, Request, ServerMessage } from "./messages.js" */

const HANDSHAKE_MS = 15_000;
/** Data at least this often: proxies cut idle connections at 60-120 s, and some count only data. */
const HEARTBEAT_MS = 20_000;
/** The gateway says something every 20 s; more than two of these missing is a dead network. */
const SILENCE_MS = 50_000;
/** Bytes in the browser's own buffer beyond which nothing is added. */
const HIGH_BYTES = 256 * 1024;
const LOOK_MS = 20;
/** How long after an error a `close` may come. */
const BLOCKED_MS = 1000;
const LOOK_AROUND_MS = 5000;

/**
 * Who a link reports to.
 *
 * @typedef {object} LinkOwner
 * @property {(link: Link | Call, message: ServerMessage) => void} told
 * @property {(link: Link | Call) => void} flowing
 */

/** One WebSocket. */
export class Link {
  #socket;
  #owner;
  #url;
  #credential;
  #opened = false;
  #over = false;
  #heardAt = Date.now();
  #saidAt = Date.now();
  /** @type {ServerMessage & {type: "audio_out"} | null} */
  #sound = null;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #looking;
  /** @type {ReturnType<typeof setInterval>} */
  #watch;
  /** @type {(error: OssicleError) => void} */
  #done = () => {};

  /**
   * @param {URL} url
   * @param {string} credential empty = none
   * @param {LinkOwner} owner
   * @param {typeof WebSocket} Socket
   */
  constructor(url, credential, owner, Socket) {
    this.#owner = owner;
    this.#url = url;
    this.#credential = credential;
    /** The gateway said where to go on: audio may be sent. Set by the owner. */
    this.live = false;
    /** Done when the connection is over, with why. @type {Promise<OssicleError>} */
    this.over = new Promise((resolve) => {
      this.#done = resolve;
    });
    const offers = credential ? [SUBPROTOCOL, "token", credential] : [SUBPROTOCOL];
    try {
      this.#socket = new Socket(url, offers);
    } catch (error) {
      throw new Denied(
        "this key holds characters that a browser cannot send (only letters, digits and " +
          "!#$%&'*+-.^_`|~ pass): let your server mint a token with it",
        { code: "unauthorized" },
      );
    }
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => {
      this.#opened = true;
      this.#heardAt = this.#saidAt = Date.now();
    };
    this.#socket.onmessage = ({ data }) => this.#received(data);
    this.#socket.onclose = ({ code, reason }) => void this.#closed(code, reason);
    // Chromium says `error` and never `close` where a page's own policy blocks the connection.
    this.#socket.onerror = () => setTimeout(() => void this.#closed(1006, ""), BLOCKED_MS);
    const since = Date.now();
    this.#watch = setInterval(() => this.#look(since), 1000);
  }

  /** Something may be sent now. */
  get ready() {
    if (!this.live || this.#socket.readyState !== 1) return false;
    if (this.#socket.bufferedAmount < HIGH_BYTES) return true;
    // Browsers do not tell when their buffer is empty again.
    this.#looking ??= setTimeout(() => {
      this.#looking = undefined;
      this.#owner.flowing(this);
    }, LOOK_MS);
    return false;
  }

  /** @param {Uint8Array | Request} item */
  send(item) {
    this.#saidAt = Date.now();
    this.#socket.send(
      item instanceof Uint8Array ? /** @type {Uint8Array<ArrayBuffer>} */ (item) : serialize(item),
    );
  }

  /** Say goodbye: the session ends. The browser waits for the answer, nobody else does. */
  close() {
    clearInterval(this.#watch);
    this.#socket.close(1000);
  }

  /** The gateway has said goodbye. */
  end() {
    this.close();
  }

  /** Let go: the session waits to be resumed. */
  drop() {
    this.live = false;
    this.#socket.close(4000, "will resume");
    // A dead network never answers a Close; nobody waits for it.
    void this.#finish(new ConnectionLost("the connection was let go"));
  }

  /** @param {number} since */
  #look(since) {
    const now = Date.now();
    if (!this.#opened) {
      if (now - since > HANDSHAKE_MS) {
        this.#socket.close();
        void this.#closed(1006, "");
      }
      return;
    }
    if (now - this.#heardAt > SILENCE_MS) this.drop();
    else if (now - this.#saidAt > HEARTBEAT_MS && this.#socket.readyState === 1) {
      this.#saidAt = now;
      this.#socket.send(serialize({ type: "keep_alive" }));
    }
  }

  /** @param {string | ArrayBuffer} data */
  #received(data) {
    this.#heardAt = Date.now();
    if (typeof data !== "string") {
      const sound = this.#sound;
      this.#sound = null;
      if (sound) this.#owner.told(this, { ...sound, data });
      return;
    }
    let message;
    try {
      message = parse(data);
    } catch (error) {
      this.#socket.close(4002, "not ossicle.v1");
      void this.#finish(/** @type {OssicleError} */ (error));
      return;
    }
    if (message?.type === "audio_out") this.#sound = message;
    else if (message) this.#owner.told(this, message);
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  async #closed(code, reason) {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#watch);
    if (this.#opened) this.#finish(errorOfStatus(code, reason));
    else this.#finish(await whyRefused(this.#url, this.#credential));
  }

  /** @param {OssicleError} error */
  #finish(error) {
    clearInterval(this.#watch);
    clearTimeout(this.#looking);
    this.live = false;
    this.#done(error);
  }
}

/**
 * Why a connection was refused. A browser tells nothing of that, so the same is asked for over
 * plain HTTP with no audio at all: the answer of the same admission, in words.
 *
 * @param {URL} stream
 * @param {string} credential
 * @returns {Promise<OssicleError>}
 */
export async function whyRefused(stream, credential) {
  const url = new URL(stream);
  url.protocol = url.protocol.replace("ws", "http");
  const resumed = url.searchParams.has("resume");
  for (const name of ["resume", "since", "turn", "settled_ms"]) url.searchParams.delete(name);
  if (typeof fetch !== "function") return nobody(url);
  try {
    const answer = await fetch(url, {
      method: "POST",
      headers: credential ? { authorization: `Bearer ${credential}` } : {},
      body: "",
      cache: "no-store",
      credentials: "omit",
      signal: AbortSignal.timeout(LOOK_AROUND_MS),
    });
    if (answer.ok) {
      await answer.body?.cancel();
      // Let in this way: what was refused is the token of the session, or a proxy in between
      // passes no WebSocket.
      return resumed
        ? errorOf({
            code: "resume_unknown",
            text: "the session is over, and cannot go on as a new one: start again",
          })
        : new ConnectionLost(
            `${url.origin} answers, but lets no WebSocket through: check the proxy in between ` +
              "(it has to pass Upgrade), or try again",
          );
    }
    const body = await answer.json().catch(() => null);
    return body?.error ? errorOf(/** @type {Fault} */ (body.error)) : errorOfStatus(answer.status);
  } catch {
    return whoAnswers(url);
  }
}

/**
 * A request had no answer that this page may read: is there anybody at all?
 *
 * @param {URL} url of the gateway
 * @returns {Promise<OssicleError>}
 */
export async function whoAnswers(url) {
  if (url.origin === globalThis.location?.origin) return nobody(url);
  try {
    await fetch(new URL("/healthz", url), {
      mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(LOOK_AROUND_MS),
    });
  } catch {
    return nobody(url);
  }
  return new Forbidden(
    `the gateway at ${url.origin} did not let this page in: check the key or token, and start it ` +
      `with --allow-host ${globalThis.location?.hostname ?? "HOST"}`,
    { code: "forbidden" },
  );
}

/** @param {URL} url */
function nobody({ origin }) {
  const elsewhere = origin !== globalThis.location?.origin;
  return new ConnectionLost(
    `nobody answers at ${origin}: start the gateway there (ossicle serve), or check the address` +
      certificateHint(origin) +
      (elsewhere ? "; a page with a Content-Security-Policy has to name it in connect-src" : ""),
  );
}
