/**
 * One connection: a call over WebRTC for as long as it lives. Sound goes both ways on a track, with
 * the browser's own encoder and echo cancellation; the messages of `ossicle.v1` go over a data
 * channel beside it. Like `link.js` it knows nothing of reconnection: the stream makes a new one,
 * with a new offer, for each.
 *
 *     OPTIONS /whip   ICE servers          POST /whip   offer ─▶ answer          DELETE   goodbye
 *
 * @module
 */

import { ConnectionLost, errorOf, errorOfStatus, OssicleError, Refused } from "./errors.js";
import { here } from "./figures.js";
import { iceServers } from "./ice.js";
import { whoAnswers } from "./link.js";
import { parse, serialize, SUBPROTOCOL } from "./messages.js";

/** @import { Here } from "./figures.js" */
/** @import { LinkOwner } from "./link.js" */
/** @import { Fault, Request, ServerMessage } from "./messages.js" */

const ASK_MS = 15_000;
/** From the answer to a connection. ICE itself would try for half a minute. */
const CONNECT_MS = 10_000;
const LOOK_MS = 1000;
/**
 * Looks in a row at which nothing had come: a gateway sends a packet every 400 ms even while it has
 * nothing to say. A page that was suspended looks once, so it is not cut off for that.
 */
const SILENT_LOOKS = 3;
/** After the gateway's goodbye, until it hangs up: it lets its voice be heard to the end. */
const LAST_SOUND_MS = 70_000;
/**
 * Words on the data channel may overtake sound on the track, which waits in the gateway's jitter
 * buffer for up to 200 ms. What ends a turn waits as long, or it would cut off the last word.
 */
const TAIL_MS = 200;
const HIGH_BYTES = 64 * 1024;

/**
 * What a call needs besides.
 *
 * @typedef {object} CallParts
 * @property {MediaStreamTrack | null} track what is sent; null = nothing yet
 * @property {typeof RTCPeerConnection} [RTCPeerConnection]
 * @property {(call: Call, voice: MediaStream) => void} onvoice the gateway's voice
 */

/** One peer connection. */
export class Call {
  #owner;
  #url;
  #headers;
  #parts;
  #track;
  /** @type {RTCPeerConnection | null} */
  #pc = null;
  /** @type {RTCRtpSender | null} */
  #sender = null;
  /** @type {RTCDataChannel | null} */
  #channel = null;
  /** Where the gateway keeps this call; empty = not yet, or no more. */
  #place = "";
  #over = false;
  /** The gateway has said goodbye. */
  #ended = false;
  #received = 0;
  #silent = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #limit;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #holding;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #watch;
  /** The page wants no more of it. */
  #left = false;
  /** @type {(error: OssicleError) => void} */
  #done = () => {};

  /**
   * @param {URL} url with everything that is asked for
   * @param {string} credential empty = none
   * @param {LinkOwner} owner
   * @param {CallParts} parts
   */
  constructor(url, credential, owner, parts) {
    this.#owner = owner;
    this.#url = url;
    this.#headers = { authorization: `Bearer ${credential || "none"}` };
    this.#parts = parts;
    this.#track = parts.track;
    /** The gateway said where to go on: words may be sent. Set by the owner. */
    this.live = false;
    /** Done when the connection is over, with why. @type {Promise<OssicleError>} */
    this.over = new Promise((resolve) => {
      this.#done = resolve;
    });
    this.#begin(credential).catch((error) => this.#finish(asOssicle(error)));
  }

  /** Something may be sent now. */
  get ready() {
    const channel = this.#channel;
    return this.live && this.#holding === undefined && channel?.readyState === "open" &&
      channel.bufferedAmount < HIGH_BYTES;
  }

  /** @param {Uint8Array | Request} item sound goes on the track; the stream knows that */
  send(item) {
    if (item instanceof Uint8Array) return;
    const text = serialize(item);
    if (item.type !== "end" && item.type !== "finalize") {
      this.#channel?.send(text);
      return;
    }
    this.#holding = setTimeout(() => {
      this.#holding = undefined;
      // One that closed meanwhile: the stream asks again over the next.
      if (this.#channel?.readyState === "open") this.#channel.send(text);
      this.#owner.flowing(this);
    }, TAIL_MS);
  }

  /** Send this from now on; null = silence. @param {MediaStreamTrack | null} track */
  attach(track) {
    this.#track = track;
    // A connection that is closed in this moment needs no track.
    this.#sender?.replaceTrack(track).catch(() => {});
  }

  /** How it is carried; null = it is not. @returns {Promise<Here | null>} */
  async figures() {
    if (this.#over || !this.#pc) return null;
    return here((await this.#pc.getStats()).values());
  }

  /** The gateway has said goodbye: it hangs up when its voice has been heard. */
  end() {
    this.#ended = true;
    this.live = false;
    this.attach(null);
    clearInterval(this.#watch);
    clearTimeout(this.#limit);
    this.#limit = setTimeout(() => this.#hangUp(), LAST_SOUND_MS);
    this.#done(new ConnectionLost("the session is over"));
  }

  /** Say goodbye: the session ends. */
  close() {
    const place = this.#place;
    this.#left = true;
    this.#finish(new ConnectionLost("the stream was left"));
    if (!place || this.#ended) return;
    // The page may be on its way out, too: the request outlives it. Nobody waits for the answer.
    fetch(place, { method: "DELETE", keepalive: true, credentials: "omit" }).catch(() => {});
  }

  /** Let go: the session waits to be resumed. */
  drop() {
    this.#finish(new ConnectionLost("the connection was let go"));
  }

  // ── inside: how it comes about ──

  /** @param {string} credential */
  async #begin(credential) {
    const Connection = this.#parts.RTCPeerConnection ?? globalThis.RTCPeerConnection;
    if (!Connection) {
      throw new Refused("this browser has no WebRTC, or it is switched off: use transport: \"websocket\"", {
        code: "not_supported",
      });
    }
    if (!/^[\x21-\x7e]*$/.test(credential)) {
      throw errorOf({
        code: "unauthorized", whose: "client",
        text: "this key holds characters that no key has: copy it again",
      });
    }
    const servers = await this.#servers();
    if (this.#over) return;
    const pc = (this.#pc = new Connection({ iceServers: servers }));
    this.#sender = pc.addTransceiver(this.#track ?? "audio", {
      direction: "sendrecv",
      // Without it Chromium keeps its encoder's bitrate whatever the network says.
      sendEncodings: [/** @type {RTCRtpEncodingParameters} */ ({ adaptivePtime: true })],
    }).sender;
    pc.ontrack = ({ track }) => this.#parts.onvoice(this, new MediaStream([track]));
    pc.onconnectionstatechange = () => this.#changed(pc.connectionState);
    const channel = (this.#channel = pc.createDataChannel(SUBPROTOCOL));
    channel.bufferedAmountLowThreshold = HIGH_BYTES / 4;
    channel.onopen = channel.onbufferedamountlow = () => this.#owner.flowing(this);
    channel.onmessage = ({ data }) => this.#heard(data);
    channel.onclose = () => this.#lost("the gateway closed the call before the end");
    // Candidates need not be waited for: checks from addresses that nobody told are answered, too.
    await pc.setLocalDescription();
    const answer = await this.#ask();
    if (this.#over) return;
    try {
      await pc.setRemoteDescription({ type: "answer", sdp: answer });
    } catch (error) {
      throw new Refused(
        `this browser cannot use the gateway's answer (${error instanceof Error ? error.name : "?"}): ` +
          "use transport: \"websocket\"",
        { code: "bad_message" },
      );
    }
    if (this.#over) return;
    this.#limit = setTimeout(() => this.#blocked(), CONNECT_MS);
  }

  /** Where to be reached from behind a NAT. A gateway without an answer to this has one to the offer. */
  async #servers() {
    try {
      const answer = await fetch(this.#url, {
        method: "OPTIONS", headers: this.#headers, cache: "no-store", credentials: "omit",
        signal: AbortSignal.timeout(ASK_MS),
      });
      return answer.ok ? iceServers(answer.headers.get("link")) : [];
    } catch {
      return [];
    }
  }

  /** The offer, and the answer to it. */
  async #ask() {
    let answer;
    try {
      answer = await fetch(this.#url, {
        method: "POST",
        headers: { ...this.#headers, "content-type": "application/sdp" },
        body: this.#pc?.localDescription?.sdp ?? "",
        cache: "no-store",
        credentials: "omit",
        signal: AbortSignal.timeout(ASK_MS),
      });
    } catch {
      throw await whoAnswers(this.#url);
    }
    if (answer.status !== 201) {
      const body = await answer.json().catch(() => null);
      throw body?.error ? errorOf(/** @type {Fault} */ (body.error)) : errorOfStatus(answer.status);
    }
    this.#place = new URL(answer.headers.get("location") ?? "", this.#url).href;
    const text = await answer.text();
    if (this.#left) this.close(); // meanwhile
    return text;
  }

  // ── inside: what happens to it ──

  /** @param {RTCPeerConnectionState} state */
  #changed(state) {
    if (state === "connected") {
      clearTimeout(this.#limit);
      this.#watch ??= setInterval(() => void this.#look(), LOOK_MS);
    } else if (state === "failed") {
      if (this.#watch === undefined) this.#blocked();
      else this.#lost("the network between here and the gateway is gone");
    } else if (state === "closed") {
      this.#lost("the gateway closed the call before the end");
    }
  }

  /** Something came since the last time? */
  async #look() {
    const { received = 0 } = (await this.figures()) ?? {};
    if (this.#over || this.#ended) return;
    this.#silent = received > this.#received ? 0 : this.#silent + 1;
    this.#received = Math.max(received, this.#received);
    if (this.#silent >= SILENT_LOOKS) {
      this.#lost(`nothing came from the gateway for ${SILENT_LOOKS} s`);
    }
  }

  /** It answers over HTTP, and no packet passes. */
  #blocked() {
    this.#finish(
      new ConnectionLost(
        `the gateway at ${this.#url.origin} answers, but no packet passes between it and this browser: ` +
          "a firewall or a NAT in between blocks UDP. Open the gateway's UDP ports (--ice-ports, " +
          "--announce), give it a relay (webrtc.turn), or use the WebSocket",
        { code: "udp_blocked" },
      ),
    );
  }

  /** @param {string} text */
  #lost(text) {
    if (this.#ended) this.#hangUp();
    else this.#finish(new ConnectionLost(text));
  }

  /** @param {unknown} data */
  #heard(data) {
    if (typeof data !== "string" || this.#over || this.#ended) return;
    let message;
    try {
      message = parse(data);
    } catch (error) {
      this.#finish(/** @type {OssicleError} */ (error));
      return;
    }
    // Sound is on the track.
    if (message && message.type !== "audio_out") this.#owner.told(this, message);
  }

  /** @param {OssicleError} error */
  #finish(error) {
    if (this.#over) return;
    this.#hangUp();
    this.#done(error);
  }

  /** Nothing of it goes on. */
  #hangUp() {
    this.#over = true;
    this.live = false;
    clearTimeout(this.#limit);
    clearTimeout(this.#holding);
    clearInterval(this.#watch);
    this.#pc?.close();
  }
}

/** @param {unknown} error */
function asOssicle(error) {
  if (error instanceof OssicleError) return error;
  const name = error instanceof Error ? error.name : "?";
  return new Refused(`this browser could not make the call (${name}): use transport: "websocket"`, {
    code: "not_supported",
  });
}
