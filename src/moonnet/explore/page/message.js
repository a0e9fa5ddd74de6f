// The binary messages from Python

const NUMPY_TYPES = {
  float64: Float64Array, float32: Float32Array, int32: Int32Array, uint8: Uint8Array,
};

// The header and arrays of an answer, which pack_message in _protocol.py has packed
export function unpackMessage(view) {
  const length = view.getUint32(0, true);
  const start = view.byteOffset + 4;
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(view.buffer, start, length)));
  const arrays = {};
  for (const [name, type, shape, offset] of header.arrays) {
    const size = shape.reduce((product, length) => product * length, 1);
    const Type = NUMPY_TYPES[type];
    const at = start + length + offset;
    // In a notebook, the bytes may not be aligned
    arrays[name] = at % Type.BYTES_PER_ELEMENT === 0
      ? new Type(view.buffer, at, size)
      : new Type(view.buffer.slice(at, at + size * Type.BYTES_PER_ELEMENT));
  }
  return { header, arrays };
}
