/**
 * What can go wrong, as classes to branch on. Each message is a sentence that says what to do, and
 * holds neither speech nor a credential.
 *
 *     OssicleError
 *     ├── Refused            the request cannot be served as it is: change it
 *     │   ├── BadAudio       the audio is not what was declared, or not supported
 *     │   ├── Denied         the key or token does not open this door
 *     │   └── Forbidden      this page's address may not use the gateway
 *     ├── ResumeFailed       the session is gone, and what is needed to begin anew is, too
 *     ├── Overloaded         no room now, or a limit of the key: later, or elsewhere
 *     ├── ConnectionLost     nobody answers
 *     ├── EngineFailed       the recogniser or the voice broke
 *     └── MicrophoneError
 *         ├── InsecureContext    the browser gives microphones to secure pages only
 *         ├── MicrophoneDenied   nobody allowed it
 *         ├── MicrophoneMissing  there is none, or another program holds it
 *         └── MicrophoneLost     it was unplugged in the middle
 *
 * @module
 */

/** @import { Fault } from "./messages.js" */

/** The root of the tree. */
export class OssicleError extends Error {
  /**
   * @param {string} text one sentence for a person
   * @param {{code?: string, whose?: string, retryable?: boolean, retry_after_s?: number}} [about]
   */
  constructor(
    text, { code = "internal", whose = "us", retryable = false, retry_after_s = 0 } = {},
  ) {
    super(text);
    this.name = new.target.name;
    /** A stable name, as in the table of `ossicle.v1`; the microphone's begin with `microphone_`. */
    this.code = code;
    /** Who has to change something: `client`, `us` or `upstream`. */
    this.whose = whose;
    /** The same may succeed later, unchanged. */
    this.retryable = retryable;
    /** Seconds after which it may; 0 = not known. */
    this.retryAfter = retry_after_s;
  }

  /** @returns {Fault} this error as a value */
  fault() {
    const { code, message: text, whose, retryable } = this;
    const fault = { code, text, whose, retryable };
    return this.retryAfter ? { ...fault, retry_after_s: this.retryAfter } : fault;
  }
}

/** The request cannot be served as it is: change it. */
export class Refused extends OssicleError {
  /**
   * @param {string} text
   * @param {{code?: string, whose?: string, retryable?: boolean}} [about]
   */
  constructor(text, about = {}) {
    super(text, { code: "bad_request", whose: "client", ...about });
  }
}

/** The audio is not what was declared, or not supported. */
export class BadAudio extends Refused {}

/** The key or token does not open this door: wrong, expired, or none. */
export class Denied extends Refused {}

/** This page's address may not use the gateway. */
export class Forbidden extends Refused {}

/** The session is gone, and it cannot go on as a new one. */
export class ResumeFailed extends OssicleError {}

/** No room now, or a limit of the key is reached: retry later, or elsewhere. */
export class Overloaded extends OssicleError {}

/** Nobody answers. */
export class ConnectionLost extends OssicleError {
  /**
   * @param {string} text
   * @param {{code?: string, whose?: string, retryable?: boolean}} [about]
   */
  constructor(text, about = {}) {
    super(text, { code: "connection_lost", retryable: true, ...about });
  }
}

/** The recogniser or the voice broke. */
export class EngineFailed extends OssicleError {}

/** The microphone cannot be used. */
export class MicrophoneError extends OssicleError {
  /**
   * @param {string} text
   * @param {string} code
   */
  constructor(text, code) {
    super(text, { code, whose: "client" });
  }
}

/** Browsers give microphones to secure pages only. */
export class InsecureContext extends MicrophoneError {}

/** Nobody allowed it. */
export class MicrophoneDenied extends MicrophoneError {}

/** There is none, or another program holds it. */
export class MicrophoneMissing extends MicrophoneError {}

/** It was unplugged, or taken away, in the middle. */
export class MicrophoneLost extends MicrophoneError {}

/** @type {Record<string, typeof OssicleError>} */
const CLASSES = {
  unauthorized: Denied,
  token_expired: Denied,
  forbidden: Forbidden,
  resume_denied: ResumeFailed,
  resume_unknown: ResumeFailed,
  resume_expired: ResumeFailed,
  bad_audio: BadAudio,
  unsupported_audio: BadAudio,
  rate_limited: Overloaded,
  quota_exceeded: Overloaded,
  slow_reader: Overloaded,
  at_capacity: Overloaded,
  overloaded: Overloaded,
  draining: Overloaded,
  connection_lost: ConnectionLost,
  engine_failed: EngineFailed,
  engine_unavailable: EngineFailed,
};

/**
 * The error a fault stands for.
 *
 * @param {Fault} fault
 * @returns {OssicleError}
 */
export function errorOf(fault) {
  const kind = CLASSES[fault.code] ?? (fault.whose === "client" ? Refused : OssicleError);
  return new kind(fault.text, {
    code: fault.code,
    whose: fault.whose ?? "us",
    retryable: fault.retryable ?? false,
    retry_after_s: fault.retry_after_s ?? 0,
  });
}

/**
 * What a bare HTTP status, or a WebSocket close code (4000 + status), means: from a proxy, say,
 * that knows nothing of us. RFC 6455 section 7.4.1 and its registry for the rest.
 *
 * @param {number} status
 * @param {string} [reason]
 * @returns {OssicleError}
 */
export function errorOfStatus(status, reason = "") {
  const code = status >= 4000 && status < 5000 ? status - 4000 : status;
  const said = `the gateway answered ${status}${reason ? ` ${reason}` : ""}`;
  if (code === 401) {
    return new Denied(`${said}: this key or token is not known, or has expired; use another one`, {
      code: "unauthorized",
    });
  }
  if (code === 403) {
    return new Forbidden(
      `${said}: pages of this address may not use it; start it with --allow-host`,
      { code: "forbidden" },
    );
  }
  if (code === 408 || code === 429) {
    return new Overloaded(`${said}: wait a moment`, { code: "rate_limited", retryable: true });
  }
  if (code >= 500 && code < 600) {
    return new Overloaded(`${said}: try again in a moment`, { code: "overloaded", retryable: true });
  }
  // 1002, 1003, 1007-1010: something has to change before a retry can help.
  if ([1001, 1004, 1005, 1006, 1011, 1012, 1013, 1014, 1015].includes(status) || status === 1000) {
    return new ConnectionLost("the gateway closed the connection before the end");
  }
  return new Refused(`${said}: change the request`);
}

/** @type {Record<string, string>} */
const MICROPHONE = {
  NotAllowedError:
    "the microphone is not allowed here: allow it in the address bar's settings, then try again",
  SecurityError:
    "the microphone is switched off for this page: allow it in the browser's settings, or open the page outside of a frame",
  NotFoundError: "there is no microphone: plug one in, then try again",
  OverconstrainedError: "the chosen microphone is not there any more: choose another one",
  NotReadableError:
    "the microphone cannot be read: close the program that holds it, or plug it in again",
  AbortError: "the microphone did not start: plug it in again, or restart the browser",
};

/**
 * What `getUserMedia` failed with, in words.
 *
 * @param {unknown} error
 * @returns {MicrophoneError}
 */
export function microphoneError(error) {
  const name = error instanceof Error ? error.name : "";
  const text = MICROPHONE[name];
  if (name === "NotAllowedError" || name === "SecurityError") {
    return new MicrophoneDenied(text ?? "", "microphone_denied");
  }
  return new MicrophoneMissing(
    text ?? `the microphone cannot be opened (${name || "unknown"}): try another one`,
    name === "NotReadableError" ? "microphone_busy" : "microphone_missing",
  );
}

/**
 * What else it may be when nobody answers; a browser does not tell a page which of the two it was.
 *
 * @param {string} address
 */
export function certificateHint(address) {
  return address.startsWith("https:")
    ? "; or its certificate has expired or is not trusted: open it in a tab and the browser says so"
    : "";
}
