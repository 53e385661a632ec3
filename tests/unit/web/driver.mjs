// Runs the module's pure parts on what a test sends as JSON lines, and prints what they answered.
import { createInterface } from "node:readline";

const web = new URL("../../../src/ossicle/web/ossicle/", import.meta.url);
const { Format } = await import(new URL("format.js", web));
const { Outbox } = await import(new URL("outbox.js", web));
const { Timeline } = await import(new URL("timeline.js", web));
const { EventQueue } = await import(new URL("queue.js", web));
const { Resampler, toInt16 } = await import(new URL("resample.js", web));
const { Backoff } = await import(new URL("backoff.js", web));
const { parse, serialize } = await import(new URL("messages.js", web));

const show = (item) => (item instanceof Uint8Array ? [...item] : (item?.ref ?? item?.type ?? null));

function outbox({ format, bounds, steps }) {
  const box = new Outbox(new Format(...format), bounds);
  return steps.map(([name, ...values]) => {
    let answer = null;
    try {
      if (name === "push") box.push(Uint8Array.from(values[0]));
      else if (name === "next") answer = show(box.next(values[0]));
      else if (name === "hasRoom") answer = box.hasRoom(...values);
      else if (name === "place") answer = box.place(values[0]);
      else if (name === "move") {
        const place = box.place(values[0]);
        if (place) box.move(place);
      } else if (name === "answer") answer = box.answer(values[0]) !== null;
      else box[name](...values);
    } catch (error) {
      answer = "refused";
    }
    return [answer, box.end, box.sent, box.taken, box.base, box.homeMs, box.idle];
  });
}

function timeline({ channels, steps }) {
  const line = new Timeline(channels);
  return steps.map(([name, value]) => {
    const told = name === "settled" ? (line.settled(value), []) : line[name](value);
    return [told, line.since, line.settledMs, line.turn];
  });
}

function queue({ bounds, steps }) {
  const box = new EventQueue(bounds);
  return steps.map((event) => {
    let popped = null;
    if (event === null) popped = box.pop();
    else box.push(event.type === "audio_out" ? { ...event, data: new ArrayBuffer(event.data) } : event);
    return [popped?.seq ?? null, box.length, box.full, box.low];
  });
}

function backoff({ plan, steps }) {
  const waits = new Backoff(plan, () => 0.5);
  return steps.map(([now, least]) => waits.wait(now, least));
}

function resample({ from, to, samples, cuts }) {
  const resampler = new Resampler(from, to);
  const out = [];
  let at = 0;
  for (const cut of [...cuts, samples.length]) {
    out.push(...resampler.push(Float32Array.from(samples.slice(at, cut))));
    at = cut;
  }
  out.push(...resampler.finish());
  return { out, delay_s: resampler.delay_s };
}

const JOBS = {
  outbox, timeline, queue, backoff, resample,
  int16: ({ samples }) => [...toInt16(Float32Array.from(samples))],
  parse: ({ texts }) => texts.map((text) => {
    try {
      return parse(text);
    } catch (error) {
      return { error: error.code };
    }
  }),
  serialize: ({ requests }) => requests.map(serialize),
};

for await (const line of createInterface({ input: process.stdin })) {
  const { job, ...given } = JSON.parse(line);
  process.stdout.write(JSON.stringify(JOBS[job](given)) + "\n");
}
