/**
 * The messages of `ossicle.v1` as a client sees them, and the address that asks for a session.
 * The reference is docs/reference/ossicle-v1.md; fields that have their default are absent.
 *
 * @module
 */
export type Side = "in" | "out";
export type Fault = {
    code: string;
    /**
     * one sentence for a person
     */
    text: string;
    /**
     * `client`, `us` or `upstream`
     */
    whose?: string;
    retryable?: boolean;
    /**
     * when, if it is known
     */
    retry_after_s?: number;
};
export type Word = {
    text: string;
    start_ms: number;
    end_ms: number;
    confidence?: number | null;
    speaker?: string;
    language?: string;
};
export type FormatFields = {
    encoding?: string;
    sample_rate?: number;
    channels?: number;
};
export type LedgerReport = {
    setup_ms?: number | null;
    first_partial_ms?: number | null;
    end_of_turn_ms?: number | null;
    queue_ms?: number | null;
    convert_ms?: number | null;
    engine_ms?: number | null;
    send_ms?: number | null;
    network_ms?: number | null;
    playback_ms?: number | null;
    turns?: number;
};
export type Began = {
    type: "began";
    seq?: number;
    ref?: string;
    session: string;
    /**
     * as secret as a key
     */
    token?: string;
    resumed: boolean;
    taken_bytes: number;
    taken_commands: number;
    engine?: string;
    options: SessionOptions;
};
export type SessionOptions = {
    speaks?: FormatFields | null;
    recognition?: object;
} & Record<string, unknown>;
export type Configured = {
    type: "configured";
    seq?: number;
    ref?: string;
    options: SessionOptions;
};
export type SpeechStarted = {
    type: "speech_started";
    seq?: number;
    ref?: string;
    side: Side;
    turn: number;
    at_ms: number | null;
    channel?: number;
    utterance?: string;
};
export type Transcript = {
    type: "transcript";
    seq?: number;
    ref?: string;
    text: string;
    side?: Side;
    turn: number;
    segment: number;
    /**
     * it will not change any more
     */
    final: boolean;
    ends_turn?: boolean;
    start_ms: number | null;
    end_ms: number | null;
    /**
     * leading characters that will not change
     */
    stable?: number;
    words?: Word[] | null;
    confidence?: number | null;
    language?: string;
    channel?: number;
    alternatives?: string[];
    utterance?: string;
};
export type SpeechEnded = {
    type: "speech_ended";
    seq?: number;
    ref?: string;
    side: Side;
    turn: number;
    at_ms: number | null;
    reason: string;
    provisional?: boolean;
    heard_ms?: number | null;
    channel?: number;
    utterance?: string;
};
export type AudioOut = {
    type: "audio_out";
    seq?: number;
    ref?: string;
    utterance: string;
    start_ms: number;
    /**
     * report it with `played` when it was heard up to here
     */
    mark?: string;
    /**
     * in the format of `stream.speaks`
     */
    data: ArrayBuffer;
};
export type Asked = {
    type: "asked";
    seq?: number;
    ref?: string;
    call: string;
    name: string;
    arguments: string;
    utterance?: string;
};
export type Told = {
    type: "told";
    seq?: number;
    ref?: string;
    kind: "text" | "digits" | "result";
    text: string;
    role?: string;
    call?: string;
};
export type Marked = {
    type: "marked";
    seq?: number;
    ref?: string;
    name: string;
    utterance: string;
    heard_ms: number;
    cleared?: boolean;
};
export type Flow = {
    type: "flow";
    seq?: number;
    ref?: string;
    taken_bytes: number;
    taken_commands: number;
    settled_ms: number;
    until_ms?: number | null;
};
export type Notice = {
    type: "notice";
    seq?: number;
    ref?: string;
    level: "info" | "warning" | "error";
    code: string;
    text: string;
};
export type Ended = {
    type: "ended";
    seq?: number;
    ref?: string;
    reason: string;
    audio_ms: number;
    session_ms: number;
    error?: Fault | null;
    ledger?: LedgerReport | null;
};
export type OssicleEvent = Began | Configured | SpeechStarted | Transcript | SpeechEnded | AudioOut | Asked | Told | Marked | Notice | Ended;
export type ServerMessage = OssicleEvent | Flow;
export type StartRequest = {
    type: "start";
    ref?: string;
    options?: object;
};
export type FinalizeRequest = {
    type: "finalize";
    ref?: string;
    channel?: number;
};
export type SpeakRequest = {
    type: "speak";
    ref?: string;
    text?: string;
    more?: boolean;
    options?: object;
};
export type TellRequest = {
    type: "tell";
    ref?: string;
    kind?: "text" | "digits" | "result";
    text: string;
    role?: string;
    call?: string;
};
export type PlayedRequest = {
    type: "played";
    ref?: string;
    utterance: string;
    until_ms: number;
    mark?: string;
    estimated?: boolean;
};
export type CancelRequest = {
    type: "cancel";
    ref?: string;
    side?: Side;
    utterance?: string;
};
export type EndRequest = {
    type: "end";
    ref?: string;
};
export type Request = StartRequest | FinalizeRequest | SpeakRequest | TellRequest | PlayedRequest | CancelRequest | EndRequest;
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
export declare const SUBPROTOCOL = "ossicle.v1";
/**
 * A gateway's message; null for a type this version does not know, which says nothing to us.
 *
 * @param {string} text
 * @returns {ServerMessage | null}
 */
export declare function parse(text: string): ServerMessage | null;
/**
 * A request as text; what is undefined is left out.
 *
 * @param {Request | {type: "keep_alive"}} request
 * @returns {string}
 */
export declare function serialize(request: Request | {
    type: "keep_alive";
}): string;
export type Join = {
    token: string;
    since: number;
    settledMs: number | null;
    turn: number;
};
export type Transport = "websocket" | "webrtc";
/**
 * The address of a stream. `base` may be a gateway (`https://host`), or the path itself.
 *
 * @param {string | URL} base
 * @param {Record<string, unknown>} parameters as in docs/reference/ossicle-v1.md; lists repeat
 * @param {Join | null} [join]
 * @param {Transport} [transport]
 * @returns {URL}
 */
export declare function address(base: string | URL, parameters: Record<string, unknown>, join?: Join | null, transport?: Transport): URL;
/** Where a gateway begins: behind a proxy it may have a path of its own. @param {URL} url */
export declare const root: (url: URL) => string;
