/**
 * A live stream as its user sees it: send audio, read events, whatever happens to connections.
 *
 *     outbox ──▶ link or call (one connection) ──▶ gateway
 *     user ◀── queue ◀── timeline ◀── link or call
 *
 * One loop connects and connects again. Every queue has a bound: `send` waits while the gateway
 * does not take the audio.
 *
 * @module
 */

import { Backoff, RECONNECT } from "./backoff.js";
import { Call } from "./call.js";
import { ConnectionLost, errorOf, OssicleError, Refused } from "./errors.js";
import { there } from "./figures.js";
import { Format } from "./format.js";
import { Link } from "./link.js";
import { address, root } from "./messages.js";
import { Outbox, PIECE } from "./outbox.js";
import { EventQueue } from "./queue.js";
import { Timeline } from "./timeline.js";

/** @import { Reconnect } from "./backoff.js" */
/** @import { WireStats } from "./figures.js" */
/** @import { Place } from "./outbox.js" */
/** @import { Began, Ended, Fault, Flow, Join, OssicleEvent, Request, ServerMessage, SessionOptions, Side, Transcript, Transport } from "./messages.js" */

/**
 * @typedef {object} StreamState
 * @property {"connecting" | "live" | "waiting" | "ended"} state `waiting`: for the network, or for
 *   the gateway to come back
 * @property {number | null} buffered_s audio that no gateway has acknowledged; null for containers
 * @property {number} reconnects
 * @property {OssicleError | null} error why it waits, or ended
 *
 * @typedef {object} ConnectOptions
 * @property {string | URL} [url] of the gateway; default: where this module's page came from
 * @property {string | (() => string | Promise<string>)} [token] a key, a short-lived token, or
 *   a function that fetches one: it is called for every connection, so it may expire meanwhile
 * @property {Record<string, unknown>} [parameters] any of the reference's: `language`, `hint`
 *   (a list repeats it), `silence_ms`, `model` …
 * @property {string} [encoding] of what you send; `auto` = a container, recognised by its first
 *   bytes; default `pcm_s16le`
 * @property {number} [sample_rate]
 * @property {number} [channels]
 * @property {Transport} [transport] `websocket` by default. `webrtc`: sound goes both ways on a
 *   track, which the browser encodes, and plays with its echo cancelled. Attach a microphone to it;
 *   there is no `send`, and no format to choose
 * @property {Partial<Reconnect>} [reconnect] how to survive a broken connection
 * @property {(state: StreamState) => void} [onstate] told when it changes
 * @property {Clock} [clock] for tests
 * @property {() => number} [chance] for tests
 * @property {typeof WebSocket} [WebSocket] for tests
 * @property {typeof RTCPeerConnection} [RTCPeerConnection] for tests
 *
 * @typedef {object} Clock
 * @property {() => number} now seconds, monotonic
 * @property {(seconds: number) => Promise<void>} sleep
 */

/** @type {Clock} */
const CLOCK = {
  now: () => performance.now() / 1000,
  sleep: (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000)),
};

/** How often one credential may be refused when a function makes a fresh one. */
const FRESH_TOKENS = 2;
/**
 * Times that a session is said to be over before that is believed. Why a socket was refused is asked
 * a moment later, and by then another gateway may have taken the port: the next attempt finds it.
 */
const GONE_TIMES = 2;
/** A message on a data channel; the gateway takes no larger one. */
const MOST_CALLED = 60 * 1024;
/** How long the gateway may take to tell its figures. */
const ASK_MS = 3000;

/**
 * Open a stream.
 *
 * @param {ConnectOptions} [options]
 * @returns {Promise<SpeechStream>} once it began; rejected with an `OssicleError` that says what
 *   to do when nobody is there, or it was not let in
 */
export async function connect(options = {}) {
  const stream = new SpeechStream(options);
  await stream.open();
  return stream;
}

/** Made by `connect`. */
export class SpeechStream {
  #options;
  #plan;
  #backoff;
  #clock;
  #outbox;
  #timeline;
  #queue = new EventQueue();
  /** @type {Link | Call | null} */
  #link = null;
  /** Over WebRTC: what is sent, and what is heard. @type {MediaStreamTrack | null} */
  #track = null;
  /** @type {MediaStream | null} */
  #voice = null;
  /** @type {Set<(voice: MediaStream) => void>} */
  #listeners = new Set();
  /** Stream time up to which the gateway has heard a track. */
  #heardMs = 0;
  #brokeAt = 0;
  #credential = "";
  /** @type {Place | null} */
  #offer = null;
  /** @type {number | null} */
  #untilMs = null;
  #token = "";
  #stale = 0;
  #gone = 0;
  /** @type {Began | null} */
  #began = null;
  /** @type {Ended | null} */
  #ended = null;
  /** @type {Error | null} */
  #failure = null;
  /** @type {Fault | null} */
  #refusal = null;
  /** @type {SessionOptions | null} */
  #inForce = null;
  /** @type {object} */
  #patch = {};
  /** @type {Array<() => void>} */
  #waiters = [];
  /** @type {Map<string, (answer: Transcript | Error) => void>} */
  #answers = new Map();
  #refs = 0;
  #pumping = false;
  #full = false;
  #opened = false;
  #wakeUp = () => {};

  /** @param {ConnectOptions} [options] */
  constructor(options = {}) {
    this.#options = options;
    this.#clock = options.clock ?? CLOCK;
    this.#plan = { ...RECONNECT, ...options.reconnect };
    this.#backoff = new Backoff(this.#plan, options.chance);
    const { transport = "websocket" } = options;
    if (transport !== "websocket" && transport !== "webrtc") {
      throw new Refused(`${String(transport).slice(0, 40)} is no transport here: use "websocket" or "webrtc"`);
    }
    if (transport === "webrtc" && (options.encoding ?? options.sample_rate ?? options.channels) !== undefined) {
      throw new Refused(
        "over WebRTC the browser negotiates the format: leave out encoding, sample_rate and channels",
      );
    }
    /** What carries it. @type {Transport} */
    this.transport = transport;
    const encoding = options.encoding ?? "pcm_s16le";
    this.#outbox = new Outbox(new Format(encoding, options.sample_rate, options.channels), this.#plan);
    const split = options.parameters?.multichannel === "split";
    this.#timeline = new Timeline(split ? (options.channels ?? 1) : 1);
    /** How often the stream went on over another connection. */
    this.reconnects = 0;
    /** How often another gateway, or a new session, took over. */
    this.moves = 0;
  }

  // ── what it is ──

  /** The session's id; empty until it began. */
  get session() {
    return this.#began?.session ?? "";
  }

  /** Name of the engine that listens; empty until known. */
  get engine() {
    return this.#began?.engine ?? "";
  }

  /** Options in force; null until told. */
  get options() {
    return this.#inForce;
  }

  /** Format of the sound in `audio_out`, or on the track; null where the engine has no voice. */
  get speaks() {
    const format = this.#inForce?.speaks;
    if (!format) return null;
    return new Format(format.encoding, format.sample_rate, format.channels);
  }

  /** Audio can flow at this moment. */
  get connected() {
    return this.#link?.live ?? false;
  }

  /** Seconds of audio that no gateway has acknowledged; null for containers. */
  get buffered_s() {
    return this.#outbox.waitingSeconds;
  }

  /** Over WebRTC: the gateway's voice, for whoever does not use a `Player`; null = none yet. */
  get voice() {
    return this.#voice;
  }

  /** Bytes of audio taken from you so far. */
  get sentBytes() {
    return this.#outbox.end;
  }

  /** Stream time before which nothing will change any more. */
  get settledMs() {
    return this.#timeline.settledMs;
  }

  /** How it ended; null while it lives. */
  get ended() {
    return this.#ended;
  }

  /** Where the time went, as the gateway saw it; null until the end. */
  get ledger() {
    return this.#ended?.ledger ?? null;
  }

  /** Nothing more can be sent: the end was asked for, or came. */
  get ending() {
    return this.#outbox.finished || this.over;
  }

  /** Nothing more will come. */
  get over() {
    return this.#ended !== null || this.#failure !== null;
  }

  // ── asking ──

  /** Connect; `connect` does it for you. */
  async open() {
    if (this.#opened) throw new Refused("this stream was opened already: open another");
    this.#opened = true;
    this.#tellState("connecting", null);
    const online = () => this.#wakeUp();
    globalThis.addEventListener?.("online", online);
    void this.#run().finally(() => globalThis.removeEventListener?.("online", online));
    await this.#until(() => this.#began !== null || this.over, false);
    if (this.#began === null && this.#failure) throw this.#failure;
  }

  /**
   * Send audio in the declared format, in pieces of any size. Waits while the gateway takes none,
   * or nobody is there and `reconnect.buffer_s` of it wait already. Nothing is dropped. Waiting
   * calls keep their order.
   *
   * @param {ArrayBuffer | ArrayBufferView} data copied, so you may use it again
   * @returns {Promise<void>}
   */
  async send(data) {
    if (this.#calls) {
      throw new Refused(
        "over WebRTC sound goes on a track: attach a microphone, or attach(track); files go over a WebSocket",
      );
    }
    const view = ArrayBuffer.isView(data)
      ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
      : new Uint8Array(data);
    const bytes = view.slice();
    this.#sending = this.#sending.catch(() => {}).then(() => this.#sendAll(bytes));
    await this.#sending;
  }

  /**
   * Over WebRTC: send this track from now on, over later connections, too. A `Microphone` does it for
   * you.
   *
   * @param {MediaStreamTrack | null} track null = silence
   */
  attach(track) {
    if (!this.#calls) throw new Refused("over a WebSocket there is no track: send(data), or use a Microphone");
    this.#track = track;
    if (this.#link instanceof Call) this.#link.attach(track);
  }

  /**
   * Over WebRTC: told of the gateway's voice, now and whenever a new connection brings a new track.
   *
   * @param {(voice: MediaStream) => void} listener
   * @returns {() => void} stops it
   */
  onVoice(listener) {
    this.#listeners.add(listener);
    if (this.#voice) listener(this.#voice);
    return () => void this.#listeners.delete(listener);
  }

  /**
   * How it is carried at this moment: losses, jitter buffers, round trip, the ledger so far. What the
   * gateway knows is asked for over HTTP, so once a second is often enough.
   *
   * @returns {Promise<WireStats>}
   */
  async stats() {
    const [here, record] = await Promise.all([
      this.#link instanceof Call ? this.#link.figures() : null,
      this.#record(),
    ]);
    const sound = there(record);
    return {
      transport: this.transport,
      path: here?.path ?? "",
      round_trip_ms: here?.round_trip_ms ?? record?.ledger?.network_ms ?? null,
      in: sound && { ...sound, bitrate: here?.bitrate ?? null },
      out: here?.out ?? null,
      ledger: record?.ledger ?? null,
    };
  }

  /** What the gateway tells of this session; null = it does not. @returns {Promise<any>} */
  async #record() {
    const { session } = this;
    if (!session || this.over) return null;
    const url = this.#door();
    url.protocol = url.protocol.replace("ws", "http");
    url.pathname = `${root(url)}/v1/sessions/${encodeURIComponent(session)}`;
    url.search = "";
    /** @type {Record<string, string>} */
    const headers = this.#credential ? { authorization: `Bearer ${this.#credential}` } : {};
    try {
      const signal = AbortSignal.timeout(ASK_MS);
      const answer = await fetch(url, { headers, cache: "no-store", credentials: "omit", signal });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null; // the stream itself notices when nobody is there
    }
  }

  /** @type {Promise<void>} */
  #sending = Promise.resolve();

  /** @param {Uint8Array} bytes */
  async #sendAll(bytes) {
    for (let start = 0; start < bytes.length; start += PIECE) {
      const piece = bytes.subarray(start, start + PIECE);
      await this.#until(() => this.#outbox.hasRoom(piece.length, this.connected));
      this.#outbox.push(piece);
      this.#pump();
    }
  }

  /**
   * Decide now: the last final of the turn, perhaps empty. It is among the events, too.
   *
   * @returns {Promise<Transcript>}
   */
  async finalize() {
    const ref = this.#ref();
    /** @type {Promise<Transcript | Error>} */
    const answer = new Promise((resolve) => this.#answers.set(ref, resolve));
    try {
      await this.#ask({ type: "finalize", ref });
      const said = await answer;
      if (said instanceof Error) throw said;
      return said;
    } finally {
      this.#answers.delete(ref);
    }
  }

  /** No more audio. The last events follow; read them until the iteration ends. */
  async end() {
    await this.#sending.catch(() => {});
    if (!this.#outbox.finished && !this.over) await this.#ask({ type: "end" });
  }

  /**
   * Say this (null: answer yourself). `more`: the utterance goes on in the next one.
   *
   * @param {string | null} text
   * @param {{more?: boolean, options?: object}} [how]
   * @returns {Promise<string>} the `ref` that the events it causes carry
   */
  async speak(text, { more = false, options } = {}) {
    const ref = this.#ref();
    await this.#ask({
      type: "speak", ref, ...(text === null ? {} : { text }), more, ...(options ? { options } : {}),
    });
    return ref;
  }

  /**
   * Tell how far an utterance has been heard. A `Player` does it for you.
   *
   * @param {string} utterance
   * @param {number} untilMs
   * @param {string} [mark]
   */
  async played(utterance, untilMs, mark = "") {
    const name = this.#timeline.here(utterance);
    if (name === null || this.over || this.#outbox.finished) return;
    await this.#ask({
      type: "played", utterance: name, until_ms: Math.max(0, Math.floor(untilMs)), mark,
    });
  }

  /**
   * Stop speaking (`out`), or forget what was heard since the last final (`in`).
   *
   * @param {Side} [side]
   * @param {string} [utterance]
   */
  async cancel(side = "out", utterance = "") {
    const name = this.#timeline.here(utterance);
    if (name !== null) await this.#ask({ type: "cancel", side, utterance: name });
  }

  /**
   * Text, digits or a tool's result, for the engine to know.
   *
   * @param {string} text
   * @param {{kind?: "text" | "digits" | "result", role?: string, call?: string}} [what]
   */
  async tell(text, { kind = "text", role = "user", call = "" } = {}) {
    await this.#ask({ type: "tell", ref: this.#ref(), kind, text, role, call });
  }

  /**
   * Change options: an RFC 7396 merge patch. Answered by the event `configured`.
   *
   * @param {object} patch
   */
  async configure(patch) {
    await this.#ask({ type: "start", ref: this.#ref(), options: patch });
  }

  /** Leave at once. The session ends; what was said in it and not read is gone. */
  close() {
    this.#finish(null);
    this.#link?.close();
    this.#wakeUp();
    this.#tellState("ended", null);
  }

  /** Sound is on a track. */
  get #calls() {
    return this.transport === "webrtc";
  }

  // ── listening ──

  /**
   * The events, each once, `ended` the last; throws after an `ended` that carries an error.
   *
   * @returns {AsyncGenerator<OssicleEvent, void, void>}
   */
  async *[Symbol.asyncIterator]() {
    for (;;) {
      await this.#until(() => this.#queue.length > 0 || this.over, false);
      const event = this.#queue.pop();
      if (this.#full && this.#queue.low) {
        this.#full = false;
        this.#wake();
      }
      if (event) yield event;
      else if (this.#failure) throw this.#failure;
      else return;
    }
  }

  // ── life ──

  async #run() {
    try {
      while (!this.over) {
        const broken = await this.#connectedOnce();
        if (this.over) return;
        const hope = broken.retryable && this.#token !== "";
        const wait = hope ? this.#backoff.wait(this.#clock.now(), broken.retryAfter) : null;
        if (wait === null) {
          this.#giveUp(broken);
          return;
        }
        this.#tellState("waiting", broken);
        const online = new Promise((/** @type {(value: void) => void} */ resolve) => {
          this.#wakeUp = resolve;
        });
        await Promise.race([this.#clock.sleep(wait), online]);
        await this.#until(() => !this.#full || this.over, false);
      }
    } catch (error) { // a bug: thrown to whoever reads the stream
      this.#finish(error instanceof Error ? error : new Error(String(error)));
      this.#tellState("ended", null);
    }
  }

  /** One connection, to its end. @returns {Promise<OssicleError>} why it ended */
  async #connectedOnce() {
    let link;
    try {
      const { token } = this.#options;
      const credential = (typeof token === "function" ? await token() : token) ?? "";
      if (this.over) return new ConnectionLost("the stream was left");
      this.#credential = credential;
      link = this.#dial(credential);
    } catch (error) {
      if (error instanceof OssicleError) return error;
      return new ConnectionLost(
        `the function that fetches a token failed (${error instanceof Error ? error.name : "?"}): ` +
          "check the address it asks",
      );
    }
    this.#link = link;
    this.#refusal = null;
    this.#untilMs = null;
    const error = await link.over;
    this.#brokeAt = this.#clock.now();
    const why = this.#refusal ? errorOf(this.#refusal) : error;
    const fresh = typeof this.#options.token === "function" && why.code === "unauthorized";
    if (fresh && this.#token && ++this.#stale <= FRESH_TOKENS) why.retryable = true;
    if (why.code === "resume_unknown" && ++this.#gone <= GONE_TIMES) why.retryable = true;
    return why;
  }

  /** @param {string} credential */
  #dial(credential) {
    const { WebSocket = globalThis.WebSocket, RTCPeerConnection } = this.#options;
    if (!this.#calls) return new Link(this.#address(), credential, this, WebSocket);
    return new Call(this.#address(), credential, this, {
      track: this.#track,
      ...(RTCPeerConnection && { RTCPeerConnection }),
      onvoice: (call, voice) => {
        if (call !== this.#link) return;
        this.#voice = voice;
        for (const listener of this.#listeners) listener(voice);
      },
    });
  }

  #address() {
    if (!this.#token) return this.#door();
    // What nobody heard of a track is gone: another gateway goes on with what is said next.
    this.#offer = this.#calls
      ? { at: 0, ms: Math.max(this.#heardMs, this.#timeline.settledMs), lost_ms: 0 }
      : this.#outbox.place(this.#timeline.settledMs);
    return this.#door({
      token: this.#token,
      since: this.#timeline.since,
      settledMs: this.#offer?.ms ?? null,
      turn: this.#timeline.turn,
    });
  }

  /** @param {Join | null} [join] */
  #door(join = null) {
    const { url = globalThis.location?.origin ?? "", parameters = {} } = this.#options;
    const { encoding, sample_rate, channels } = this.#outbox.source;
    const all = this.#calls ? parameters : { encoding, sample_rate, channels, ...parameters };
    return address(url, all, join, this.transport);
  }

  // ── LinkOwner ──

  /**
   * A message came over a connection. Called by the link.
   *
   * @param {Link | Call} link
   * @param {ServerMessage} message
   * @internal
   */
  told(link, message) {
    if (link !== this.#link || this.over) return;
    try {
      switch (message.type) {
        case "began":
          return this.#onBegan(link, message);
        case "flow":
          return this.#onFlow(message);
        case "ended":
          return this.#onEnded(link, message);
        default:
          this.#backoff.progress();
          return this.#emit(message);
      }
    } catch (error) { // the gateway contradicts itself
      this.#finish(error instanceof Error ? error : new Error(String(error)));
      link.drop();
      this.#tellState("ended", error instanceof OssicleError ? error : null);
    }
  }

  /**
   * The connection takes more. Called by the link.
   *
   * @param {Link | Call} link
   * @internal
   */
  flowing(link) {
    if (link === this.#link) this.#pump();
  }

  /**
   * @param {Link | Call} link
   * @param {Began} began
   */
  #onBegan(link, began) {
    const first = this.#token === "";
    this.#token = began.token || this.#token;
    this.#inForce = began.options;
    this.#stale = this.#gone = 0;
    if (first) {
      this.#began = began;
      this.#push(began);
    } else if (began.resumed) {
      this.reconnects += 1;
      this.#outbox.resume(this.#calls ? 0 : began.taken_bytes, began.taken_commands);
    } else {
      this.#onMoved(link, began);
    }
    if (!first && this.#calls) this.#tellUnheard();
    link.live = true;
    this.#tellState("live", null);
    this.#pump();
  }

  /**
   * @param {Link | Call} link
   * @param {Began} began
   */
  #onMoved(link, began) {
    const place = this.#offer;
    this.#offer = null;
    if (!place || !this.#began) {
      throw new Refused("the gateway began a new session although none was asked for", {
        code: "bad_message",
      });
    }
    this.reconnects += 1;
    this.moves += 1;
    this.#began = {
      ...this.#began, session: began.session, engine: began.engine || this.#began.engine || "",
    };
    for (const event of this.#timeline.move(place.ms)) this.#push(event);
    this.#outbox.move(place);
    // What was changed on the way has to be asked of the new one, too; not counted.
    if (Object.keys(this.#patch).length) link.send({ type: "start", options: this.#patch });
    if (place.lost_ms) {
      this.#push({
        type: "notice",
        level: "warning",
        code: "audio_lost",
        text:
          `${place.lost_ms} ms of audio before ${place.ms} ms were taken by a gateway that is ` +
          `gone and could not be sent again: ${this.#plan.keep_s} s are kept (reconnect.keep_s)`,
      });
    }
  }

  /** Live sound is not sent again: what was said while nobody was there was said to nobody. */
  #tellUnheard() {
    const seconds = (this.#clock.now() - this.#brokeAt).toFixed(1);
    this.#push({
      type: "notice",
      level: "warning",
      code: "audio_lost",
      text:
        `the connection was away, and what was said meanwhile was not heard: ${seconds} s, and what it ` +
        "took to notice. A WebSocket keeps it and sends it later",
    });
  }

  /** @param {Flow} flow */
  #onFlow(flow) {
    if (this.#calls) {
      const { homeMs, source } = this.#outbox;
      this.#heardMs = Math.max(this.#heardMs, homeMs + source.ms(flow.taken_bytes));
      flow = { ...flow, taken_bytes: 0 };
    }
    const before = this.#outbox.taken;
    const settled = this.#timeline.settledMs;
    this.#timeline.settled(flow.settled_ms);
    this.#outbox.acknowledge(flow.taken_bytes, flow.taken_commands, this.#timeline.settledMs);
    if (this.#outbox.taken > before || this.#timeline.settledMs > settled) this.#backoff.progress();
    this.#untilMs = flow.until_ms ?? null;
    this.#pump();
  }

  /**
   * @param {Link | Call} link
   * @param {Ended} ended
   */
  #onEnded(link, ended) {
    if (!ended.seq || ended.reason === "shutdown" || ended.reason === "lost") {
      // This connection is refused, or this gateway leaves: that is not the end of a stream.
      const fault = ended.error ?? new ConnectionLost("the gateway left before the end").fault();
      this.#refusal = ended.seq ? { ...fault, retryable: true } : fault;
      link.live = false;
      return;
    }
    for (const event of this.#timeline.take(ended)) {
      if (event.type !== "ended") {
        this.#push(event);
        continue;
      }
      // Each gateway counts what it heard itself.
      const whole = { ...event, audio_ms: event.audio_ms + this.#outbox.homeMs };
      this.#ended = whole;
      this.#push(whole);
      const error = event.error ? errorOf(event.error) : null;
      this.#finish(error);
      link.end();
      this.#tellState("ended", error);
    }
  }

  // ── inside ──

  /** @param {OssicleEvent} event */
  #emit(event) {
    for (const each of this.#timeline.take(event)) this.#push(each.ref ? this.#answered(each) : each);
    if (event.type === "transcript" && event.final) this.#outbox.settle(this.#timeline.settledMs);
  }

  /**
   * @param {OssicleEvent} event
   * @returns {OssicleEvent}
   */
  #answered(event) {
    const ref = event.ref ?? "";
    switch (event.type) {
      case "transcript":
        if (event.final && event.ends_turn && event.side !== "out") {
          this.#outbox.answer(ref);
          this.#answers.get(ref)?.(event);
        }
        break;
      case "configured": {
        this.#inForce = event.options;
        const request = this.#outbox.answer(ref);
        if (request?.type === "start") this.#patch = joined(this.#patch, request.options ?? {});
        break;
      }
      case "speech_started":
      case "speech_ended":
        if (event.side === "out") this.#outbox.answer(ref);
        break;
      case "audio_out":
      case "told":
        this.#outbox.answer(ref);
        break;
      case "notice":
        if (event.level === "error") this.#outbox.answer(ref);
        break;
      default:
        break;
    }
    return event;
  }

  /** @param {OssicleEvent} event */
  #push(event) {
    if (event.type === "configured") this.#inForce = event.options;
    this.#queue.push(event);
    if (this.#queue.full && !this.#full && !this.over) {
      this.#full = true;
      this.#link?.drop(); // and resume when somebody has read
    }
    this.#wake();
  }

  /** Send what may be sent. Safe to call from inside itself. */
  #pump() {
    const link = this.#link;
    if (!link || this.#pumping) return;
    this.#pumping = true;
    try {
      while (link.ready) {
        const item = this.#outbox.next(this.#untilMs);
        if (item === null) break;
        link.send(item);
      }
    } finally {
      this.#pumping = false;
    }
    this.#wake();
  }

  /** @param {Request} request */
  async #ask(request) {
    if (this.#calls && JSON.stringify(request).length > MOST_CALLED) {
      throw new Refused(`over WebRTC a request has at most ${MOST_CALLED} characters: say it in parts`, {
        code: "too_large",
      });
    }
    await this.#until(() => this.#outbox.hasPlace);
    this.#outbox.ask(request);
    this.#pump();
  }

  /**
   * Wait until `ready`. `check`: the end of the stream is an error.
   *
   * @param {() => boolean} ready
   * @param {boolean} [check]
   */
  async #until(ready, check = true) {
    for (;;) {
      if (check) this.#check();
      if (ready()) return;
      await new Promise((/** @type {(value: void) => void} */ resolve) => {
        this.#waiters.push(resolve);
      });
    }
  }

  #wake() {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  #check() {
    if (this.#failure) throw this.#failure;
    if (this.over) throw new Refused("the stream has ended: open another");
    if (!this.#opened) throw new Refused("the stream is not connected: use connect()");
  }

  #ref() {
    this.#refs += 1;
    return `c${this.#refs}`;
  }

  /** @param {OssicleError} broken */
  #giveUp(broken) {
    let error = broken;
    if (broken.retryable && this.#backoff.attempts) {
      error = new ConnectionLost(
        `the stream could not go on within ${this.#plan.total_s} s and ${this.#backoff.attempts} ` +
          `attempts: ${broken.message}`,
      );
    }
    if (this.#token) {
      const ended = /** @type {Ended} */ ({
        type: "ended", reason: "lost", audio_ms: this.#timeline.settledMs, session_ms: 0,
        error: error.fault(),
      });
      for (const event of this.#timeline.take(ended)) {
        if (event.type === "ended") this.#ended = event;
        this.#push(event);
      }
    }
    this.#finish(error);
    this.#tellState("ended", error);
  }

  /** The stream is over. @param {Error | null} error null = by its own user, or politely */
  #finish(error) {
    if (!this.#failure && error) this.#failure = error;
    if (!this.#ended && !this.#failure) {
      this.#ended = { type: "ended", reason: "done", audio_ms: 0, session_ms: 0 };
    }
    const over = error ?? new Refused("the stream ended before the answer");
    for (const answer of this.#answers.values()) answer(over);
    this.#wake();
  }

  /**
   * @param {StreamState["state"]} state
   * @param {OssicleError | null} error
   */
  #tellState(state, error) {
    this.#options.onstate?.({
      state, buffered_s: this.buffered_s, reconnects: this.reconnects, error,
    });
  }
}

/**
 * Two merge patches as one (RFC 7396): nulls stay, they mean the default.
 *
 * @param {object} patch
 * @param {object} more
 * @returns {object}
 */
function joined(patch, more) {
  /** @type {Record<string, unknown>} */
  const result = { ...patch };
  for (const [name, value] of Object.entries(more)) {
    const held = result[name];
    const both = isObject(value) && isObject(held);
    result[name] = both ? joined(/** @type {object} */ (held), value) : value;
  }
  return result;
}

/** @param {unknown} value */
const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
