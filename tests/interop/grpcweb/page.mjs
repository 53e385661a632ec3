// In a page: gRPC-Web by hand (fetch and five-byte frames), and by the official runtime. Messages go
// in and out in base64; what they say is the test's business.
import { GrpcWebClientBase, MethodDescriptor, MethodType } from "grpc-web";

const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const base64 = (data) => btoa(Array.from(data, (b) => String.fromCharCode(b)).join(""));

function framed(data) {
  const out = new Uint8Array(5 + data.length);
  new DataView(out.buffer).setUint32(1, data.length);
  out.set(data, 5);
  return out;
}

/** One call with fetch; `told` gets every message as it comes. Gives the trailers. */
async function byHand(url, request, headers, told) {
  const answer = await fetch(url, {
    method: "POST",
    headers: { "content-type": "application/grpc-web+proto", "x-grpc-web": "1", ...headers },
    body: framed(bytes(request)),
  });
  const trailers = {};
  let held = new Uint8Array(0);
  const reader = answer.body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    const joined = new Uint8Array(held.length + value.length);
    joined.set(held);
    joined.set(value, held.length);
    held = joined;
    while (held.length >= 5) {
      const size = new DataView(held.buffer, held.byteOffset).getUint32(1);
      if (held.length < 5 + size) break;
      const data = held.slice(5, 5 + size);
      if (held[0] & 0x80) {
        for (const line of new TextDecoder().decode(data).split("\r\n").filter(Boolean)) {
          const at = line.indexOf(":");
          trailers[line.slice(0, at)] = line.slice(at + 1).trim();
        }
      } else {
        told(base64(data));
      }
      held = held.slice(5 + size);
    }
  }
  // a refusal may be headers alone (Envoy)
  for (const name of ["grpc-status", "grpc-message"]) {
    if (!(name in trailers) && answer.headers.has(name)) trailers[name] = answer.headers.get(name);
  }
  return trailers;
}

/** The same with the official runtime. */
function official(url, request, headers, told, { unary, format }) {
  const at = new URL(url);
  const client = new GrpcWebClientBase({ format });
  const method = new MethodDescriptor(
    at.pathname, unary ? MethodType.UNARY : MethodType.SERVER_STREAMING, Object, Object,
    (data) => data, (data) => data,
  );
  return new Promise((resolve) => {
    if (unary) {
      client.rpcCall(url, bytes(request), headers, method, (error, answer) => {
        if (answer) told(base64(answer));
        resolve({ "grpc-status": String(error ? error.code : 0), "grpc-message": error?.message });
      });
      return;
    }
    const stream = client.serverStreaming(url, bytes(request), headers, method);
    let code = null, message;
    stream.on("data", (data) => told(base64(data)));
    stream.on("status", (status) => { code ??= status.code; message ??= status.details; });
    stream.on("error", (error) => {
      code = error.code; message = error.message;
      resolve({ "grpc-status": String(code), "grpc-message": message });
    });
    stream.on("end", () => resolve({ "grpc-status": String(code ?? 0), "grpc-message": message }));
  });
}

/** `window.calls[name]`: what came, and how it ended. */
window.calls = {};
window.call = (name, how, url, request, headers, options) => {
  const call = (window.calls[name] = { messages: [], trailers: null, failed: null });
  const told = (message) => call.messages.push(message);
  (how === "hand" ? byHand : official)(url, request, headers, told, options).then(
    (trailers) => { call.trailers = trailers; },
    (error) => { call.failed = String(error); },
  );
};
