// Records of measured checkpoints: checked, grouped to curves, placed. Python's counterparts are
// kent/measure/contributions.py, whose JSON Schema the page holds and whose sentences these are, and
// kent/pages/contributed.py; tests/pages/test_browser_contributed.py compares them.
"use strict";
Object.assign(window.kentLive, (() => {
  const SLACK = 1e-6;  // nats by which rounding may part a sum from its terms
  const LARGEST = 1e6;  // bytes
  const sum = (values) => values.reduce((total, each) => total + each, 0);
  const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
  const TYPES = {
    object: isObject, array: Array.isArray, string: (value) => typeof value === "string", number: Number.isFinite,
    integer: Number.isInteger, null: (value) => value === null,
  };
  /** Of one value: whether it is as a keyword of the schema wants it. */
  const FITS = {
    type: (value, wanted) => [wanted].flat().some((each) => TYPES[each](value)),
    const: (value, wanted) => value === wanted,
    minimum: (value, wanted) => typeof value !== "number" || value >= wanted,
    minItems: (value, wanted) => !Array.isArray(value) || value.length >= wanted,
    pattern: (value, wanted) => typeof value !== "string" || new RegExp(wanted, "u").test(value),
  };
  const join = (path, name) => (path ? `${path}.${name}` : name);
  const show = (value) => (isObject(value) ? "an object" : Array.isArray(value) ? `a list of ${value.length}`
    : typeof value === "number" ? `${value}` : JSON.stringify(value).slice(0, 60));

  /** What within an object or a list is not as the schema has it, keyword by keyword. */
  const WITHIN = {
    * properties(value, path, wanted, all) {
      for (const name of Object.keys(wanted)) if (isObject(value) && Object.hasOwn(value, name)) yield* listFaults(value[name], join(path, name), wanted[name], all);
    },
    * required(value, path, wanted) {
      for (const name of wanted) if (isObject(value) && !Object.hasOwn(value, name)) yield `${join(path, name)} is missing; needed are ${wanted.join(", ")}`;
    },
    * additionalProperties(value, path, wanted, all, { properties = {} }) {
      for (const name of isObject(value) ? Object.keys(value) : []) {
        if (Object.hasOwn(properties, name)) continue;
        if (wanted) yield* listFaults(value[name], join(path, name), wanted, all);
        else yield `${join(path, name)} is not known; accepted are ${Object.keys(properties).join(", ")}`;
      }
    },
    * items(value, path, wanted, all) {
      if (Array.isArray(value)) for (const [place, each] of value.entries()) yield* listFaults(each, `${path}[${place}]`, wanted, all);
    },
  };

  /** Sentences on a value that is not as its schema has it; `all` is the schema that it refers to. */
  function* listFaults(value, path, schema, all) {
    if (schema.$ref) schema = all.$defs[schema.$ref.split("/").pop()];
    for (const [keyword, wanted] of Object.entries(schema)) {
      if (Object.hasOwn(WITHIN, keyword)) yield* WITHIN[keyword](value, path, wanted, all, schema);
      if (Object.hasOwn(FITS, keyword) && !FITS[keyword](value, wanted)) yield `${path || "the file"} is ${show(value)}; accepted is ${schema.description}`;
    }
  }

  /** Sentences on fields that are each well-formed and do not fit each other. */
  function* listMisfits(record) {
    const sizes = record.model.neurons, layers = record.by_layer;
    for (const [name, values] of Object.entries(layers)) {
      if (values.length !== sizes.length) yield `by_layer.${name} has ${values.length} numbers; accepted are ${sizes.length}, one for each of model.neurons`;
    }
    for (const [name, most] of [["knowledge", sizes], ["attention", sizes.map(() => record.text.length)]]) {
      for (const [layer, value] of (layers[`${name}_entropy`] ?? []).entries()) {
        const bound = Math.log(most[layer]);
        if (value > bound + SLACK) yield `by_layer.${name}_entropy[${layer}] is ${value.toFixed(4)}; accepted is at most ln ${most[layer]} = ${bound.toFixed(4)}`;
      }
    }
    const terms = { entropy_bound: sizes.map(Math.log) };
    for (const name of ["knowledge", "attention", "routing"]) terms[`${name}_entropy.value`] = layers[`${name}_entropy`] ?? [];
    for (const [place, each] of Object.entries(terms)) {
      const found = record[place.replace(".value", "")], value = found?.value ?? found, total = sum(each);
      if (value !== undefined && each.length && Math.abs(value - total) > SLACK * each.length) {
        yield `${place} is ${value.toFixed(4)}; accepted is what its layers add up to, ${total.toFixed(4)}`;
      }
    }
  }

  /** The first fault of a record; nothing where there is none. */
  const findFault = (record, schema) => listFaults(record, "", schema, schema).next().value ?? listMisfits(record).next().value;

  /** The record in a file that a reader chose; Error in one sentence where there is none. */
  async function readRecord(file, schema) {
    if (file.size > LARGEST) throw new Error(`${file.name}: this file has ${file.size} bytes; accepted are at most ${LARGEST}`);
    let record;
    try { record = JSON.parse(await file.text()); } catch (error) { throw new Error(`${file.name}: this is no JSON file (${error.message})`); }
    const fault = findFault(record, schema);
    if (fault) throw new Error(`${file.name}: ${fault}`);
    return record;
  }

  /** Records as curves, each named by its model, by its text too where a model has several. */
  function groupRecords(records) {
    const groups = new Map();
    for (const record of records) {
      const { name, sha256, length } = record.text, key = JSON.stringify([record.model.name, name, sha256, length]);
      groups.set(key, [...(groups.get(key) ?? []), record]);
    }
    const count = (name) => [...groups.values()].filter(([first]) => first.model.name === name).length;
    const label = ({ model, text }) => (count(model.name) === 1 ? model.name
      : `${model.name} (${text.name} ${text.sha256.slice(0, 6)}, ${text.length.toLocaleString("en")} tokens)`);
    return [...groups.values()].map((listed) => ({ name: label(listed[0]), records: listed }));
  }

  /** Of a record: knowledge entropy, its bound, and the distance per layer with its error, in nats. */
  function measureRecord({ model, knowledge_entropy: { value, standard_error: error } }) {
    const bound = sum(model.neurons.map(Math.log)), layers = model.neurons.length;
    return { value, error, bound, gap: (bound - value) / layers, spread: (error ?? 0) / layers };
  }

  /** Where a checkpoint stands, in tokens per parameter or in steps; null where that is not known. */
  function placeRecord({ model: { tokens, parameters, step } }, axis) {
    return axis === "step" ? step : tokens !== null && parameters ? tokens / parameters : null;
  }

  /** What other charts draw of a record: a point for each measure that models of other sizes share, by the name of its row. */
  function measurePoints(record, rows) {
    const { gap, spread, error } = measureRecord(record), { loss, next_token_entropy: token } = record;
    const place = { step: placeRecord(record, "step"), read: placeRecord(record, "tokens") };
    const found = { gap: { value: gap, standard_error: error === null ? null : spread }, loss, token };
    const known = Object.entries(found).filter(([, each]) => each);
    return known.map(([name, each]) => ({ measure: rows[name], value: each.value, error: each.standard_error, ...place }));
  }

  return { readRecord, groupRecords, measureRecord, measurePoints, placeRecord };
})());
