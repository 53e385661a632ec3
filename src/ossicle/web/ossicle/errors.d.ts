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
import type { Fault } from "./messages.js";
/** @import { Fault } from "./messages.js" */
/** The root of the tree. */
export declare class OssicleError extends Error {
    /** A stable name, as in the table of `ossicle.v1`; the microphone's begin with `microphone_`. */
    code: string;
    /** Who has to change something: `client`, `us` or `upstream`. */
    whose: string;
    /** The same may succeed later, unchanged. */
    retryable: boolean;
    /** Seconds after which it may; 0 = not known. */
    retryAfter: number;
    /**
     * @param {string} text one sentence for a person
     * @param {{code?: string, whose?: string, retryable?: boolean, retry_after_s?: number}} [about]
     */
    constructor(text: string, { code, whose, retryable, retry_after_s }?: {
        code?: string;
        whose?: string;
        retryable?: boolean;
        retry_after_s?: number;
    });
    /** @returns {Fault} this error as a value */
    fault(): Fault;
}
/** The request cannot be served as it is: change it. */
export declare class Refused extends OssicleError {
    /**
     * @param {string} text
     * @param {{code?: string, whose?: string, retryable?: boolean}} [about]
     */
    constructor(text: string, about?: {
        code?: string;
        whose?: string;
        retryable?: boolean;
    });
}
/** The audio is not what was declared, or not supported. */
export declare class BadAudio extends Refused {
}
/** The key or token does not open this door: wrong, expired, or none. */
export declare class Denied extends Refused {
}
/** This page's address may not use the gateway. */
export declare class Forbidden extends Refused {
}
/** The session is gone, and it cannot go on as a new one. */
export declare class ResumeFailed extends OssicleError {
}
/** No room now, or a limit of the key is reached: retry later, or elsewhere. */
export declare class Overloaded extends OssicleError {
}
/** Nobody answers. */
export declare class ConnectionLost extends OssicleError {
    /**
     * @param {string} text
     * @param {{code?: string, whose?: string, retryable?: boolean}} [about]
     */
    constructor(text: string, about?: {
        code?: string;
        whose?: string;
        retryable?: boolean;
    });
}
/** The recogniser or the voice broke. */
export declare class EngineFailed extends OssicleError {
}
/** The microphone cannot be used. */
export declare class MicrophoneError extends OssicleError {
    /**
     * @param {string} text
     * @param {string} code
     */
    constructor(text: string, code: string);
}
/** Browsers give microphones to secure pages only. */
export declare class InsecureContext extends MicrophoneError {
}
/** Nobody allowed it. */
export declare class MicrophoneDenied extends MicrophoneError {
}
/** There is none, or another program holds it. */
export declare class MicrophoneMissing extends MicrophoneError {
}
/** It was unplugged, or taken away, in the middle. */
export declare class MicrophoneLost extends MicrophoneError {
}
/**
 * The error a fault stands for.
 *
 * @param {Fault} fault
 * @returns {OssicleError}
 */
export declare function errorOf(fault: Fault): OssicleError;
/**
 * What a bare HTTP status, or a WebSocket close code (4000 + status), means: from a proxy, say,
 * that knows nothing of us. RFC 6455 section 7.4.1 and its registry for the rest.
 *
 * @param {number} status
 * @param {string} [reason]
 * @returns {OssicleError}
 */
export declare function errorOfStatus(status: number, reason?: string): OssicleError;
/**
 * What `getUserMedia` failed with, in words.
 *
 * @param {unknown} error
 * @returns {MicrophoneError}
 */
export declare function microphoneError(error: unknown): MicrophoneError;
/**
 * What else it may be when nobody answers; a browser does not tell a page which of the two it was.
 *
 * @param {string} address
 */
export declare function certificateHint(address: string): "" | "; or its certificate has expired or is not trusted: open it in a tab and the browser says so";
