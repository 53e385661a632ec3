/**
 * `ossicle.v1` from a browser: live speech to words, and words to speech, through a gateway.
 *
 *     import { connect, microphone } from "https://gateway.example/ossicle.js";
 *
 *     const stream = await connect({ url: "https://gateway.example", token: fetchToken });
 *     const mic = await microphone(stream);
 *     for await (const event of stream) {
 *       if (event.type === "transcript") show(event.text, event.final);
 *     }
 *
 * A plain ES module: nothing to build, nothing loaded from anywhere else. What stands here is the
 * whole public API; the files beside it may change.
 *
 * @module
 */

export { connect, SpeechStream } from "./ossicle/stream.js";
export { microphone, Microphone } from "./ossicle/microphone.js";
export { Player } from "./ossicle/player.js";
export { decodeFile, sendFile } from "./ossicle/file.js";
export { Resampler } from "./ossicle/resample.js";
export {
  BadAudio,
  ConnectionLost,
  Denied,
  EngineFailed,
  Forbidden,
  InsecureContext,
  MicrophoneDenied,
  MicrophoneError,
  MicrophoneLost,
  MicrophoneMissing,
  OssicleError,
  Overloaded,
  Refused,
  ResumeFailed,
} from "./ossicle/errors.js";

/**
 * @typedef {import("./ossicle/stream.js").ConnectOptions} ConnectOptions
 * @typedef {import("./ossicle/stream.js").StreamState} StreamState
 * @typedef {import("./ossicle/microphone.js").MicrophoneOptions} MicrophoneOptions
 * @typedef {import("./ossicle/player.js").PlayerOptions} PlayerOptions
 * @typedef {import("./ossicle/figures.js").WireStats} WireStats
 * @typedef {import("./ossicle/figures.js").Carried} Carried
 * @typedef {import("./ossicle/messages.js").Transport} Transport
 * @typedef {import("./ossicle/messages.js").OssicleEvent} OssicleEvent
 * @typedef {import("./ossicle/messages.js").Transcript} Transcript
 * @typedef {import("./ossicle/messages.js").Word} Word
 * @typedef {import("./ossicle/messages.js").Fault} Fault
 * @typedef {import("./ossicle/messages.js").LedgerReport} LedgerReport
 */
