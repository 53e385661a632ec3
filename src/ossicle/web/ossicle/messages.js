/**
 * The messages of `ossicle.v1` as a client sees them, and the address that asks for a session.
 * The reference is docs/reference/ossicle-v1.md; fields that have their default are absent.
 *
 * @module
 */

import { Refused } from "./errors.js";

/**
 * @typedef {"in" | "out"} Side
 *
 * @typedef {object} Fault
 * @property {string} code
 * @property {string} text one sentence for a person
 * @property {string} [whose] `client`, `us` or `upstream`
 * @property {boolean} [retryable]
 * @property {number} [retry_after_s] when, if it is known
 *
 * @typedef {object} Word
 * @property {string} text
 * @property {number} start_ms
 * @property {number} end_ms
 * @property {number | null} [confidence]
 * @property {string} [speaker]
 * @property {string} [language]
 *
 * @typedef {object} FormatFields
 * @property {string} [encoding]
 * @property {number} [sample_rate]
 * @property {number} [channels]
 *
 * @typedef {object} LedgerReport milliseconds, medians over the turns of the session
 * @property {number | null} [setup_ms]
 * @property {number | null} [first_partial_ms]
 * @property {number | null} [end_of_turn_ms]
 * @property {number | null} [queue_ms]
 * @property {number | null} [convert_ms]
 * @property {number | null} [engine_ms]
 * @property {number | null} [send_ms]
 * @property {number | null} [network_ms]
 * @property {number | null} [playback_ms]
 * @property {number} [turns]
 *
 * @typedef {object} Began
 * @property {"began"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {string} session
 * @property {string} [token] as secret as a key
 * @property {boolean} resumed
 * @property {number} taken_bytes
 * @property {number} taken_commands
 * @property {string} [engine]
 * @property {SessionOptions} options
 *
 * @typedef {{speaks?: FormatFields | null, recognition?: object} & Record<string, unknown>} SessionOptions
 *
 * @typedef {object} Configured
 * @property {"configured"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {SessionOptions} options
 *
 * @typedef {object} SpeechStarted
 * @property {"speech_started"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {Side} side
 * @property {number} turn
 * @property {number | null} at_ms
 * @property {number} [channel]
 * @property {string} [utterance]
 *
 * @typedef {object} Transcript
 * @property {"transcript"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {string} text
 * @property {Side} [side]
 * @property {number} turn
 * @property {number} segment
 * @property {boolean} final it will not change any more
 * @property {boolean} [ends_turn]
 * @property {number | null} start_ms
 * @property {number | null} end_ms
 * @property {number} [stable] leading characters that will not change
 * @property {Word[] | null} [words]
 * @property {number | null} [confidence]
 * @property {string} [language]
 * @property {number} [channel]
 * @property {string[]} [alternatives]
 * @property {string} [utterance]
 *
 * @typedef {object} SpeechEnded
 * @property {"speech_ended"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {Side} side
 * @property {number} turn
 * @property {number | null} at_ms
 * @property {string} reason
 * @property {boolean} [provisional]
 * @property {number | null} [heard_ms]
 * @property {number} [channel]
 * @property {string} [utterance]
 *
 * @typedef {object} AudioOut
 * @property {"audio_out"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {string} utterance
 * @property {number} start_ms
 * @property {string} [mark] report it with `played` when it was heard up to here
 * @property {ArrayBuffer} data in the format of `stream.speaks`
 *
 * @typedef {object} Asked
 * @property {"asked"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {string} call
 * @property {string} name
 * @property {string} arguments
 * @property {string} [utterance]
 *
 * @typedef {object} Told
 * @property {"told"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {"text" | "digits" | "result"} kind
 * @property {string} text
 * @property {string} [role]
 * @property {string} [call]
 *
 * @typedef {object} Marked
 * @property {"marked"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {string} name
 * @property {string} utterance
 * @property {number} heard_ms
 * @property {boolean} [cleared]
 *
 * @typedef {object} Flow
 * @property {"flow"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {number} taken_bytes
 * @property {number} taken_commands
 * @property {number} settled_ms
 * @property {number | null} [until_ms]
 *
 * @typedef {object} Notice
 * @property {"notice"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {"info" | "warning" | "error"} level
 * @property {string} code
 * @property {string} text
 *
 * @typedef {object} Ended
 * @property {"ended"} type
 * @property {number} [seq]
 * @property {string} [ref]
 * @property {string} reason
 * @property {number} audio_ms
 * @property {number} session_ms
 * @property {Fault | null} [error]
 * @property {LedgerReport | null} [ledger]
 *
 * @typedef {Began | Configured | SpeechStarted | Transcript | SpeechEnded | AudioOut | Asked | Told
 *   | Marked | Notice | Ended} OssicleEvent what a user reads
 * @typedef {OssicleEvent | Flow} ServerMessage
 *
 * @typedef {{type: "start", ref?: string, options?: object}} StartRequest
 * @typedef {{type: "finalize", ref?: string, channel?: number}} FinalizeRequest
 * @typedef {{type: "speak", ref?: string, text?: string, more?: boolean, options?: object}} SpeakRequest
 * @typedef {{type: "tell", ref?: string, kind?: "text" | "digits" | "result", text: string, role?: string, call?: string}} TellRequest
 * @typedef {{type: "played", ref?: string, utterance: string, until_ms: number, mark?: string, estimated?: boolean}} PlayedRequest
 * @typedef {{type: "cancel", ref?: string, side?: Side, utterance?: string}} CancelRequest
 * @typedef {{type: "end", ref?: string}} EndRequest
 * @typedef {StartRequest | FinalizeRequest | SpeakRequest | TellRequest | PlayedRequest
 *   | CancelRequest | EndRequest} Request
 */

/** The subprotocol, and how it carries a credential: `ossicle.v1, token, KEY`. */
export const SUBPROTOCOL = "ossicle.v1";

const KNOWN = new Set([
  "began", "configured", "speech_started", "transcript", "speech_ended", "audio_out", "asked",
  "told", "marked", "flow", "notice", "ended",
]);

/**
 * A gateway's message; null for a type this version does not know, which says nothing to us.
 *
 * @param {string} text
 * @returns {ServerMessage | null}
 */
export function parse(text) {
  /** @type {unknown} */
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    value = null;
  }
  if (typeof value !== "object" || value === null || !("type" in value)) {
    throw new Refused("this is not ossicle.v1: does the address lead to a gateway?", {
      code: "bad_message",
    });
  }
  return KNOWN.has(String(value.type)) ? /** @type {ServerMessage} */ (value) : null;
}

/**
 * A request as text; what is undefined is left out.
 *
 * @param {Request | {type: "keep_alive"}} request
 * @returns {string}
 */
export function serialize(request) {
  return JSON.stringify(request);
}

/**
 * What resuming adds to an address.
 *
 * @typedef {object} Join
 * @property {string} token
 * @property {number} since
 * @property {number | null} settledMs
 * @property {number} turn
 */

/** @typedef {"websocket" | "webrtc"} Transport */

/** Where each of them is asked for. @type {Record<Transport, string>} */
const PATHS = { websocket: "/v1/stream", webrtc: "/whip" };

/**
 * The address of a stream. `base` may be a gateway (`https://host`), or the path itself.
 *
 * @param {string | URL} base
 * @param {Record<string, unknown>} parameters as in docs/reference/ossicle-v1.md; lists repeat
 * @param {Join | null} [join]
 * @param {Transport} [transport]
 * @returns {URL}
 */
export function address(base, parameters, join = null, transport = "websocket") {
  let url;
  try {
    url = new URL(base, globalThis.location?.href);
  } catch {
    throw new Refused(`${String(base).slice(0, 200)} is no address: use https://HOST`);
  }
  url.protocol = url.protocol.replace("http", "ws");
  if (url.protocol !== "ws:" && url.protocol !== "wss:") {
    throw new Refused(`${url.protocol} is no protocol of a gateway: use https: or wss:`);
  }
  if (transport !== "websocket") url.protocol = url.protocol.replace("ws", "http");
  url.pathname = root(url) + PATHS[transport];
  url.hash = "";
  for (const [name, value] of Object.entries(parameters)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined && each !== null && each !== "") {
        url.searchParams.append(name, String(each));
      }
    }
  }
  if (join) {
    url.searchParams.set("resume", join.token);
    url.searchParams.set("since", String(join.since));
    url.searchParams.set("turn", String(join.turn));
    if (join.settledMs !== null) url.searchParams.set("settled_ms", String(join.settledMs));
  }
  return url;
}

/** Where a gateway begins: behind a proxy it may have a path of its own. @param {URL} url */
export const root = (url) => url.pathname.replace(/(\/v1\/stream|\/whip)?\/?$/, "");
