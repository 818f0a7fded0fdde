// Encoder and decoder in the browser: the exported ONNX files, run by onnxruntime-web in one thread of WebAssembly.

import * as ort from "./onnxruntime-web/ort.wasm.bundle.min.js";

ort.env.wasm.numThreads = 1; // more would need headers from the web host
ort.env.wasm.wasmPaths = { wasm: new URL("./onnxruntime-web/ort-wasm-simd-threaded.wasm", import.meta.url).href };
ort.env.logLevel = "error";

/** decode(code) -> grey values of 0 to 255, Uint8ClampedArray (S * S), of one code. */
export async function openDecoder(url) {
  const session = await open(url);
  return async (code) => {
    const { images } = await session.run({ codes: new ort.Tensor("float32", code, [1, code.length]) });
    return Uint8ClampedArray.from(images.data, (value) => Math.round(255 * value));
  };
}

/** encode(picture) -> the code, Float32Array (Z), of one picture: Float32Array (S * S) from 0 to 1, row 0 at the top. */
export async function openEncoder(url, size) {
  const session = await open(url);
  return async (picture) => {
    const { means } = await session.run({ images: new ort.Tensor("float32", picture, [1, 1, size, size]) });
    return Float32Array.from(means.data);
  };
}

async function open(url) {
  const answer = await fetch(url);
  if (!answer.ok) {
    throw new Error(`${url}: ${answer.status} ${answer.statusText}`);
  }
  return ort.InferenceSession.create(new Uint8Array(await answer.arrayBuffer()), { executionProviders: ["wasm"] });
}
