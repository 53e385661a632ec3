/**
 * Bytes and milliseconds of an audio format, in one place.
 *
 * @module
 */

/** @type {Record<string, number>} */
const WIDTHS = {
  pcm_u8: 1, mulaw: 1, alaw: 1, pcm_s16le: 2, pcm_s16be: 2, pcm_s24le: 3, pcm_s32le: 4,
  pcm_f32le: 4, pcm_f64le: 8,
};

/** What the bytes are. Containers (`auto`, `wav`, `mp3` …) have no width: they cannot be cut. */
export class Format {
  /**
   * @param {string} [encoding]
   * @param {number} [sample_rate]
   * @param {number} [channels]
   */
  constructor(encoding = "pcm_s16le", sample_rate = 16000, channels = 1) {
    this.encoding = encoding;
    this.sample_rate = sample_rate;
    this.channels = channels;
    /** Bytes of one sample of all channels; 0 = not known. */
    this.width = (WIDTHS[encoding] ?? 0) * channels;
  }

  /** Bytes of a second; 0 = not known. */
  get bytesPerSecond() {
    return this.width * this.sample_rate;
  }

  /**
   * Bytes of so many milliseconds, whole samples, rounded down.
   * @param {number} ms
   */
  bytes(ms) {
    return Math.floor((ms * this.sample_rate) / 1000) * this.width;
  }

  /**
   * Milliseconds of so many bytes, rounded down.
   * @param {number} bytes
   */
  ms(bytes) {
    return this.width ? Math.floor((bytes * 1000) / this.bytesPerSecond) : 0;
  }
}
