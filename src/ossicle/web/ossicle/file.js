/**
 * Files into a stream: as they are, which the gateway takes apart, or decoded by the browser where
 * only that knows the format.
 *
 *     const stream = await connect({ encoding: "auto" });
 *     await sendFile(stream, file);
 *
 * @module
 */

import { BadAudio } from "./errors.js";
import { Resampler, toInt16 } from "./resample.js";

/** @import { SpeechStream } from "./stream.js" */

const PIECE = 16 * 1024;

/**
 * Send a file as it is, piece by piece, no faster than the gateway takes it; then end the stream.
 * Open the stream with `encoding: "auto"`.
 *
 * @param {SpeechStream} stream
 * @param {Blob} file
 * @param {(share: number) => void} [onprogress] 0 to 1
 */
export async function sendFile(stream, file, onprogress) {
  for (let at = 0; at < file.size && !stream.ending; at += PIECE) {
    let piece;
    try {
      piece = await file.slice(at, at + PIECE).arrayBuffer();
    } catch {
      throw new BadAudio("the file cannot be read any more: it was moved or changed; choose it again");
    }
    if (stream.ending) return; // somebody said so meanwhile
    await stream.send(piece);
    onprogress?.(Math.min(1, (at + piece.byteLength) / file.size));
  }
  await stream.end();
}

/**
 * A whole file decoded by the browser: 16 kHz, 16 bit, one channel. For formats that the gateway
 * does not take (AAC, say). It is held in memory, about 2 MB a minute.
 *
 * @param {Blob} file
 * @returns {Promise<ArrayBuffer>} to be sent in a stream of `pcm_s16le`
 */
export async function decodeFile(file) {
  const context = new OfflineAudioContext(1, 1, 48000);
  let decoded;
  try {
    decoded = await context.decodeAudioData(await file.arrayBuffer());
  } catch {
    throw new BadAudio("this browser cannot decode the file: use WAV, MP3, FLAC, Ogg or WebM");
  }
  const mono = new Float32Array(decoded.length);
  for (let channel = 0; channel < decoded.numberOfChannels; channel += 1) {
    const samples = decoded.getChannelData(channel);
    for (let place = 0; place < mono.length; place += 1) {
      mono[place] = (mono[place] ?? 0) + (samples[place] ?? 0) / decoded.numberOfChannels;
    }
  }
  const resampler = new Resampler(decoded.sampleRate, 16000);
  const first = toInt16(resampler.push(mono));
  const rest = toInt16(resampler.finish());
  const whole = new Int16Array(first.length + rest.length);
  whole.set(first);
  whole.set(rest, first.length);
  return whole.buffer;
}
