/**
 * A transcript as files: text, SRT, WebVTT, JSON. No page, no clock.
 *
 * @module
 */

/** @import { Transcript, Word } from "../ossicle.js" */

/**
 * @typedef {object} Line what is on the screen at once
 * @property {number} start_ms
 * @property {number} end_ms
 * @property {string} text
 */

const MOST_CHARACTERS = 74;
const MOST_MS = 6000;
const LEAST_MS = 700;

/**
 * Finals as lines of subtitles: cut at words, no longer than two rows or six seconds.
 *
 * @param {readonly Transcript[]} finals
 * @returns {Line[]}
 */
export function lines(finals) {
  /** @type {Line[]} */
  const all = [];
  for (const final of finals) {
    if (!final.text || final.side === "out") continue; // a reply has times of its own
    const start = final.start_ms ?? all.at(-1)?.end_ms ?? 0;
    /** @type {readonly Word[]} */
    const words = final.words?.length
      ? final.words
      : [{ text: final.text, start_ms: start, end_ms: final.end_ms ?? start + LEAST_MS }];
    /** @type {Line | null} */
    let line = null;
    for (const word of words) {
      const longer = line && line.text.length + word.text.length + 1 > MOST_CHARACTERS;
      if (!line || longer || word.end_ms - line.start_ms > MOST_MS) {
        line = { start_ms: word.start_ms, end_ms: word.end_ms, text: word.text };
        all.push(line);
      } else {
        line.end_ms = word.end_ms;
        line.text += ` ${word.text}`;
      }
    }
  }
  all.forEach((line, place) => { // long enough to be read, and never two at once
    const next = all[place + 1]?.start_ms ?? Infinity;
    const wanted = Math.max(line.end_ms, line.start_ms + LEAST_MS);
    line.end_ms = Math.max(line.start_ms + 1, Math.min(wanted, next));
  });
  return all;
}

/**
 * @param {number} ms
 * @param {string} point
 */
export function clock(ms, point = ".") {
  const whole = Math.floor(ms);
  /** @param {number} value @param {number} [width] */
  const two = (value, width = 2) => String(value).padStart(width, "0");
  const hours = two(Math.floor(whole / 3_600_000));
  const minutes = two(Math.floor(whole / 60_000) % 60);
  return `${hours}:${minutes}:${two(Math.floor(whole / 1000) % 60)}${point}${two(whole % 1000, 3)}`;
}

/** @type {Record<string, {kind: string, make: (finals: readonly Transcript[]) => string}>} */
export const FORMATS = {
  txt: {
    kind: "text/plain",
    make: (finals) =>
      finals.filter(({ text }) => text).map(({ text, side }) => (side === "out" ? `– ${text}` : text)).join("\n") + "\n",
  },
  srt: {
    kind: "application/x-subrip",
    make: (finals) =>
      lines(finals)
        .map(({ start_ms, end_ms, text }, place) =>
          `${place + 1}\n${clock(start_ms, ",")} --> ${clock(end_ms, ",")}\n${text}\n`)
        .join("\n"),
  },
  vtt: {
    kind: "text/vtt",
    make: (finals) =>
      "WEBVTT\n\n" +
      lines(finals)
        .map(({ start_ms, end_ms, text }) => {
          // WebVTT section 6.4: a cue's text is markup
          const safe = text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
          return `${clock(start_ms)} --> ${clock(end_ms)}\n${safe}\n`;
        })
        .join("\n"),
  },
  json: {
    kind: "application/json",
    make: (finals) =>
      JSON.stringify(
        finals.filter((final) => final.text).map(({ text, start_ms, end_ms, turn, words, channel, side, utterance }) => ({
          text, start_ms, end_ms, turn, channel: channel ?? 0, words: words ?? [],
          ...(side === "out" && { side, utterance }),
        })),
        null,
        2,
      ) + "\n",
  },
};
