// What a page computes of measured coefficients. Python's counterpart is kent/pages/live.py, CONTRIBUTING.md
// describes the format, and tests/pages/test_browser_pictures.py compares the two.
"use strict";
window.kentLive = (() => {
  const INFINITY = 0x7c00;  // the bit pattern of float16 that all differences start from
  const MOVED = 1e-4;  // nats: a layer that moves by less is neither raised nor lowered

  const readHalf = (bits) => (bits >> 10 ? 2 ** ((bits >> 10) - 15) * (1 + (bits & 1023) / 1024) : bits * 2 ** -24);

  /** A checkpoint's layers, each a descending array of coefficients, from base64 and the layers' sizes. */
  function decode(text, sizes) {
    const bytes = Array.from(atob(text), (each) => each.charCodeAt(0));
    let place = 0;
    const readNumber = () => (bytes[place] & 127) | (bytes[place++] & 128 ? readNumber() << 7 : 0);
    return sizes.map((size) => {
      let bits = INFINITY;
      return Float64Array.from({ length: size }, () => readHalf(bits -= readNumber()));
    });
  }

  const sum = (values) => values.reduce((total, each) => total + each, 0);

  /** Shannon entropy in nats of coefficients' shares of their total. */
  function entropy(values) {
    const total = sum(values);
    return Math.log(total) - sum(values.map((each) => (each > 0 ? each * Math.log(each) : 0))) / total;
  }

  /** How many of descending values Algorithm 1 chooses: those up to the p-th percentile, found in float32. */
  function countChosen(values, p) {
    const last = values.length - 1, { floor, fround } = Math;
    const rank = fround(fround(p / 100) * last), below = floor(rank), weight = fround(rank - below);
    const low = values[last - below], high = values[Math.max(last - below - 1, 0)], step = fround(high - low);
    const threshold = weight < 0.5 ? fround(low + fround(weight * step)) : fround(high - fround(step * fround(1 - weight)));
    return p > 0 ? values.filter((each) => each <= threshold).length : 0;
  }

  /** Algorithm 1 on a layer's descending coefficients: those after it, how many are chosen, rows scaled up and down. */
  function edit(values, p, q) {
    const chosen = countChosen(values, p), landing = sum(values) / values.length * q;
    const after = values.map((each, place) => (place < values.length - chosen ? each : landing));
    const count = (isScaled) => values.filter((each, place) => isScaled(each, after[place])).length;
    return { after, chosen, up: count((old, now) => old < now), down: count((old, now) => old > now) };
  }

  /** Algorithm 1 on all layers: knowledge entropy before and after, rows and layers by which way they went. */
  function editAll(layers, alike, p, q) {
    const edits = layers.map((each) => edit(each, p, q));
    const before = layers.map(entropy), moved = edits.map((each, place) => entropy(each.after) - before[place]);
    const total = (values) => alike * sum(values);
    return {
      before: total(before), after: total(before) + total(moved),
      up: total(edits.map((each) => each.up)), down: total(edits.map((each) => each.down)),
      raised: total(moved.map((each) => each > MOVED)), lowered: total(moved.map((each) => each < -MOVED)),
    };
  }

  return { decode, entropy, edit, editAll };
})();
