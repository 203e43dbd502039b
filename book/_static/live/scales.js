// Numbers in words, and where they are on an axis.
"use strict";
Object.assign(window.kentLive, (() => {
  const count = (value) => value.toLocaleString("en", Math.abs(value) < 100 ? { maximumSignificantDigits: 3 } : { maximumFractionDigits: 0 });

  /** A value with two standard errors, with the digits that Python's format_interval gives it. */
  function sayEstimate([value, error]) {
    const known = Number.isFinite(error) && error > 0;
    const places = known ? Math.min(Math.max(1 - Math.floor(Math.log10(2 * error)), 0), 6) : 4;
    const number = (each) => each.toFixed(places).replace(/^-(?=[0.]+$)/, "").replace("-", "−");
    return error === null ? number(value).replace(/\.?0+$/, "") : `${number(value)} ± ${number(2 * error)}`;
  }

  /** From values to a share of an axis: linear, or logarithmic, where 0 has room before the first value. */
  function makeScale(values, log) {
    const positive = values.filter((each) => each > 0), first = Math.min(...positive), zero = log && values.some((each) => each <= 0);
    const bend = (value) => (!log ? value : value > 0 ? Math.log10(value / first) : -0.5);
    const low = zero ? -0.5 : bend(Math.min(...(log ? positive : values))), high = bend(Math.max(...(log ? positive : values)));
    const wide = high - low || 1, middle = high > low ? 0 : 0.5;
    const scale = (value) => (bend(value) - low) / wide + middle;
    scale.ticks = log ? [...(zero ? [0] : []), ...tickLog(first, Math.max(...positive))] : tickLinear(Math.min(...values), Math.max(...values));
    return scale;
  }

  function tickLinear(low, high) {
    const raw = (high - low) / 5 || 1, power = 10 ** Math.floor(Math.log10(raw)), step = power * [1, 2, 5, 10].find((each) => each * power >= raw);
    const first = Math.ceil(low / step - 1e-9);
    return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, place) => +((first + place) * step).toPrecision(12));
  }

  /** Powers of ten; with their doubles and fivefolds where these are few. */
  function tickLog(low, high) {
    const from = Math.floor(Math.log10(low)), to = Math.ceil(Math.log10(high)), steps = Math.log10(high / low) > 2 ? [1] : [1, 2, 5];
    const every = Math.ceil((to - from) / 7) || 1;
    const powers = Array.from({ length: to - from + 1 }, (_, place) => from + place).filter((power) => power % every === 0);
    return powers.flatMap((power) => steps.map((each) => +(each * 10 ** power).toPrecision(12))).filter((each) => each >= low * 0.999 && each <= high * 1.001);
  }

  return { count, sayEstimate, makeScale };
})());
