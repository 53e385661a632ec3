// The page's parts that need no page: subtitles, and the ledger's arithmetic.
import assert from "node:assert/strict";
import { test } from "node:test";

import { Felt, partsOf } from "../../../src/ossicle/web/playground/ledger.js";
import { clock, FORMATS, lines } from "../../../src/ossicle/web/playground/subtitles.js";

const word = (text, start_ms, end_ms) => ({ text, start_ms, end_ms });
const final = (words, more = {}) => ({
  type: "transcript", text: words.map((each) => each.text).join(" "), words, turn: 0, segment: 0,
  final: true, start_ms: words[0]?.start_ms ?? null, end_ms: words.at(-1)?.end_ms ?? null, ...more,
});

test("clock", () => {
  assert.equal(clock(3_723_045), "01:02:03.045");
  assert.equal(clock(59_999.9, ","), "00:00:59,999");
});

test("long turns are cut at words, and no two lines are shown at once", () => {
  const words = Array.from({ length: 60 }, (_, n) => word(`word${n}`, n * 300, n * 300 + 250));
  const cut = lines([final(words)]);
  assert.ok(cut.length > 4);
  assert.equal(cut.map((line) => line.text).join(" "), words.map((each) => each.text).join(" "));
  cut.forEach((line, place) => {
    assert.ok(line.text.length <= 74 && line.end_ms - line.start_ms <= 6000 && line.end_ms > line.start_ms);
    assert.ok(line.end_ms <= (cut[place + 1]?.start_ms ?? Infinity));
  });
});

test("formats", () => {
  const finals = [final([word("a", 0, 300), word("<b>&", 300, 1200)]), final([]), final([], { text: "no times", start_ms: null })];
  assert.equal(FORMATS.txt.make(finals), "a <b>&\nno times\n");
  assert.match(FORMATS.srt.make(finals), /^1\n00:00:00,000 --> 00:00:01,200\na <b>&\n\n2\n/);
  assert.match(FORMATS.vtt.make(finals), /^WEBVTT\n\n00:00:00\.000 --> 00:00:01\.200\na &lt;b&gt;&amp;\n/);
  assert.equal(JSON.parse(FORMATS.json.make(finals))[0].words.length, 2);
});

test("from a word's end to the screen", () => {
  const felt = new Felt();
  assert.equal(felt.median, null);
  for (let ms = 40; ms <= 2000; ms += 40) felt.captured(ms, 10_000 + ms);
  felt.shown(1000, 11_090); // captured at 11,000
  felt.shown(1000, 19_000); // the same word again
  felt.shown(1010, 11_140);
  felt.shown(1990, 12_100);
  felt.shown(5000, 12_100); // nobody heard that yet
  felt.shown(null, 12_100);
  assert.equal(felt.median, 110);
});

test("parts that did not happen are not drawn", () => {
  assert.deepEqual(partsOf({ engine_ms: 30, send_ms: null, queue_ms: 0, end_of_turn_ms: 800 }), [
    { name: "Waiting for the engine", ms: 0 }, { name: "Engine", ms: 30 },
  ]);
});
