/**
 * The audio thread's part of a microphone: mixes down, resamples, cuts pieces, measures the level.
 * Loaded by `microphone.js` with `audioWorklet.addModule`.
 *
 * @module
 */

import { Resampler, toInt16 } from "./resample.js";

class Capture extends AudioWorkletProcessor {
  /** @param {{processorOptions: {rate: number, piece_ms: number}}} options */
  constructor({ processorOptions: { rate, piece_ms } }) {
    super();
    this.resampler = new Resampler(sampleRate, rate);
    this.piece = new Int16Array(Math.round((rate * piece_ms) / 1000));
    this.filled = 0;
    this.peak = 0;
    this.power = 0;
    this.stopped = false;
    this.port.onmessage = () => {
      this.flush();
      this.stopped = true;
      this.port.postMessage({ done: true });
    };
  }

  /** @param {Float32Array[][]} inputs */
  process(inputs) {
    if (this.stopped) return false;
    const channels = inputs[0] ?? [];
    let samples = channels[0];
    if (!samples) return true;
    if (channels.length > 1) {
      samples = samples.slice();
      for (let place = 0; place < samples.length; place += 1) {
        let sum = 0;
        for (const channel of channels) sum += channel[place] ?? 0;
        samples[place] = sum / channels.length;
      }
    }
    this.take(toInt16(this.resampler.push(samples)));
    return true;
  }

  /** @param {Int16Array} samples */
  take(samples) {
    for (const sample of samples) {
      this.peak = Math.max(this.peak, Math.abs(sample));
      this.power += sample * sample;
      this.piece[this.filled] = sample;
      this.filled += 1;
      if (this.filled === this.piece.length) this.flush();
    }
  }

  flush() {
    if (!this.filled) return;
    const pcm = this.piece.slice(0, this.filled).buffer;
    const rms = Math.sqrt(this.power / this.filled) / 32768;
    this.port.postMessage({ pcm, rms, peak: this.peak / 32768 }, [pcm]);
    this.filled = this.peak = this.power = 0;
  }
}

registerProcessor("ossicle-capture", Capture);
