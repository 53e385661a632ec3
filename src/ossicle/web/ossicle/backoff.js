/**
 * When to knock again after a connection broke: exponential, with full jitter, for a bounded time.
 * Full jitter (a wait anywhere between nothing and the bound) keeps a thousand pages of one gateway
 * from coming back in the same instant.
 *
 * @module
 */

/**
 * How a stream survives a broken connection.
 *
 * @typedef {object} Reconnect
 * @property {number} first_s bound of the first wait; it doubles with each attempt…
 * @property {number} most_s …up to here
 * @property {number} total_s how long to try without any progress; 0 = never reconnect
 * @property {number} buffer_s audio held while nobody takes it; then `send` waits
 * @property {number} keep_s audio kept after the gateway took it and before it is final, for
 *   another gateway to hear again if this one dies
 */

/** @type {Reconnect} */
export const RECONNECT = { first_s: 0.1, most_s: 5, total_s: 120, buffer_s: 30, keep_s: 60 };

/** Attempts since the last progress. */
export class Backoff {
  /** @type {number | null} */
  #since = null;
  #plan;
  #chance;

  /**
   * @param {Reconnect} plan
   * @param {() => number} [chance] a number in [0, 1)
   */
  constructor(plan, chance = Math.random) {
    this.#plan = plan;
    this.#chance = chance;
    /** Since the last progress. */
    this.attempts = 0;
  }

  /** Something came through: the next break starts from the shortest wait. */
  progress() {
    this.#since = null;
    this.attempts = 0;
  }

  /**
   * @param {number} now seconds
   * @param {number} [least] what the gateway said to wait; longer than we try at all is no use
   * @returns {number | null} seconds until the next attempt; null = give up
   */
  wait(now, least = 0) {
    this.#since ??= now;
    const left = this.#plan.total_s - (now - this.#since);
    if (left <= 0 || least > left) return null;
    const bound = Math.min(this.#plan.most_s, this.#plan.first_s * 2 ** Math.min(this.attempts, 32));
    this.attempts += 1;
    return Math.min(left, least + this.#chance() * bound);
  }
}
