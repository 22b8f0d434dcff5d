// The precomputed table: loaded when it is needed, unpacked to one array per rate.
"use strict";
const explorer = { tables: {} };

explorer.load = async (workload) => {
  if (!explorer.tables[workload]) {
    await explorer.run(`_static/table-${workload}.js`);
    const table = explorer.tables[workload];
    table.blocks = await explorer.unpack(table);
    delete table.packed;
  }
  return explorer.tables[workload];
};

// A script instead of fetch(), which browsers refuse for pages opened from a folder.
explorer.run = (address) =>
  new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = address;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${address} cannot be loaded`));
    document.head.append(script);
  });

// One block per rate: { rows, at(column) }, a column being design, prompt, token, then percentiles
// of each metric. In the file the bytes of a block are sorted by significance.
explorer.unpack = async ({ packed, rows, metrics }) => {
  const bytes = Uint8Array.from(atob(packed), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const sorted = new Uint8Array(await new Response(stream).arrayBuffer());
  const columns = 3 + 3 * metrics.length;
  let start = 0;
  return rows.map((count) => {
    const size = columns * count;
    const numbers = new DataView(new ArrayBuffer(4 * size));
    for (let byte = 0; byte < 4; byte++) {
      for (let place = 0; place < size; place++) {
        numbers.setUint8(4 * place + byte, sorted[start + byte * size + place]);
      }
    }
    start += 4 * size;
    const values = Float32Array.from({ length: size }, (_, at) => numbers.getFloat32(4 * at, true));
    return { rows: count, at: (column) => values.subarray(column * count, (column + 1) * count) };
  });
};
