// A picture to play with: it builds its controls, and draws and says what they choose.
"use strict";
(() => {
  const { decode, entropy, edit, editAll, assign, make, drawBars, drawGauge } = window.kentLive;
  const UNEDITED = { p: 0, q: 1 };
  const show = (value, places = 3) =>
    value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
  const number = (name, value, places) => make("data", { value, "data-name": name }, show(value, places));
  const signed = (value) => `${value < 0 ? "−" : "+"}${show(Math.abs(value))}`;

  class Picture {
    constructor(root) {
      this.data = JSON.parse(root.querySelector("script").textContent);
      this.edits = this.data.kind === "algorithm";
      this.decoded = new Map();
      this.at = 0;
      this.addControls(root);
      this.addDrawing(root);
      this.chooseModel();
      assign(root, { role: "group", "aria-label": "Memory coefficients, a picture to play with" }).classList.add("ready");
    }

    addControls(root) {
      const controls = make("div", { className: "controls" }), draw = () => this.draw();
      const add = (label, control, ...more) => {
        controls.append(make("label", {}, `${label} `, assign(control, { "aria-label": label }), ...more));
        return control;
      };
      const addSlider = (label, settings) => {
        const said = make("span", { className: "set" });
        const slider = add(label, make("input", { type: "range", oninput: draw, ...settings }), said);
        slider.say = (text) => assign(slider, { "aria-valuetext": said.textContent = text });
        return slider;
      };
      this.models = add("Model", make("select", { onchange: () => this.chooseModel() }));
      this.models.append(...this.data.models.map((each, value) => make("option", { value }, each.title)));
      this.checkpoint = addSlider("Checkpoint", { min: 0, step: 1 });
      this.layer = add("Layer", make("select", { onchange: draw }));
      if (this.edits) {
        this.p = addSlider("p", { min: 0, max: 100, step: 1, value: this.data.p });
        this.q = addSlider("q", { min: 0.1, max: 4, step: 0.05, value: this.data.q });
      }
      root.append(controls, this.note = make("p", { className: "note" }));
    }

    addDrawing(root) {
      this.bars = make("svg", { role: "img", preserveAspectRatio: "none" });
      this.cursor = make("div", { className: "cursor", tabIndex: 0, role: "slider", "aria-label": "Memory vector, most used first" });
      this.cursor.addEventListener("pointermove", (event) => this.pointAt(event.offsetX / this.cursor.clientWidth));
      this.cursor.addEventListener("keydown", (event) => this.pressKey(event));
      this.value = make("p", { className: "value" });
      this.gauge = make("div", { className: "gauge", role: "img" });
      this.said = make("p", { className: "said", "aria-live": "polite" });
      this.mean = make("span", { className: "mean" }, "mean");
      const drawing = make("div", { className: "drawing" }, this.bars, this.mean, this.cursor);
      root.append(drawing, this.value, this.gauge, this.said);
    }

    chooseModel() {
      this.model = this.data.models[this.models.value];
      const { checkpoints, alike, neurons, note } = this.model, last = checkpoints.length - 1;
      const names = alike > 1 ? [`one of ${alike} alike`] : neurons.map((_, place) => `${place}`);
      const chosen = Math.min(+this.layer.value, names.length - 1);
      this.layer.replaceChildren(...names.map((name, value) => make("option", { value }, name)));
      this.layer.value = chosen;
      assign(this.checkpoint, { max: last, value: last }).parentElement.hidden = !last;
      this.note.textContent = `${note} ${this.data.left_out}`;
      this.draw();
    }

    draw() {
      const { name, data } = this.model.checkpoints[this.checkpoint.value];
      if (!this.decoded.has(data)) this.decoded.set(data, decode(data, this.model.neurons));
      const layers = this.decoded.get(data), before = layers[this.layer.value];
      const { p, q } = this.edits ? { p: +this.p.value, q: +this.q.value } : UNEDITED;
      this.checkpoint.say(name);
      if (this.edits) [this.p.say(`${p} %`), this.q.say(show(q, 2))];
      const edited = edit(before, p, q), [old, now] = [before, edited.after].map(entropy);
      this.shown = { before, edited, cut: Math.max(3, q + 0.2) };
      this.mean.style.bottom = `${100 / this.shown.cut}%`;
      drawGauge(this.gauge, before.length, now, old);
      this.pointAt((this.at + 0.5) / before.length);
      this.nameDrawings(before, old, now);
      const all = editAll(layers, this.model.alike, p, q);
      this.said.replaceChildren(...(this.edits ? this.sayEdit(all, old, now) : this.sayEntropy(all, now)));
    }

    nameDrawings(before, old, now) {
      const [most, least] = [before[0], before[before.length - 1]].map((each) => show(each, 2));
      assign(this.bars, { "aria-label": `${before.length} bars: coefficients divided by their layer's mean, ${most} to ${least}` });
      const nats = `${this.edits ? `${show(old)} before, ` : ""}${show(now)} of ${show(Math.log(before.length))} nats`;
      assign(this.gauge, { "aria-label": `Gauge: entropy ${nats}` });
    }

    /** Of all layers: something of each layer's number of memory vectors, added up. */
    total(measure) {
      return this.model.alike * this.model.neurons.reduce((total, each) => total + measure(each), 0);
    }

    sayEntropy(all, now) {
      const count = this.shown.before.length, layers = this.total(() => 1);
      return [make("b", {}, "H = ", number("layer", now), " nats"), ` of at most ln ${show(count, 0)} = ${show(Math.log(count))}: as if `,
        make("b", {}, number("alike", Math.exp(now), 0), ` of ${show(count, 0)} memory vectors`), ` were used alike. All ${layers} layers: `,
        number("before", all.before), ` of at most ${show(this.total(Math.log))} nats.`];
    }

    sayEdit(all, old, now) {
      const count = show(this.shown.before.length, 0), [from, to] = [old, now].map((each) => show(Math.exp(each), 0));
      return [make("b", {}, "Knowledge entropy ", number("before", all.before), " → ", number("after", all.after), " nats",
        ` (${signed(all.after - all.before)})`), ` in ${this.total(() => 1)} layers: `, number("raised", all.raised, 0), " raised, ",
        number("lowered", all.lowered, 0), " lowered. Rows scaled: ", number("up", all.up, 0), " up, ", number("down", all.down, 0),
        ` down, of ${show(this.total((each) => each), 0)}. This layer: H `, number("layer-before", old), " → ", number("layer", now),
        ` nats (${signed(now - old)}), as if ${from} → ${to} of ${count} memory vectors were used alike.`];
    }

    /** Mark the bar at a share of the width, and say its value. */
    pointAt(share) {
      const { before, edited, cut } = this.shown, count = before.length, { after } = edited;
      this.at = Math.min(Math.max(Math.floor(share * count), 0), count - 1);
      drawBars(this.bars, before, edited, cut, this.at);
      const old = before[this.at], now = after[this.at], use = 100 * now / after.reduce((total, each) => total + each, 0);
      const value = `${show(old, 2)}${now === old ? "" : ` → ${show(now, 2)}`} times the mean, ${show(use, 2)} % of use`;
      const said = this.value.textContent = `Memory vector ${this.at + 1} of ${count}: ${value}`;
      assign(this.cursor, { "aria-valuemin": 1, "aria-valuemax": count, "aria-valuenow": this.at + 1, "aria-valuetext": said });
    }

    pressKey(event) {
      const count = this.shown.before.length, page = Math.ceil(count / 10);
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: page, PageDown: -page, Home: -count, End: count };
      if (!(event.key in steps)) return;
      event.preventDefault();
      this.pointAt((this.at + steps[event.key] + 0.5) / count);
    }
  }

  document.querySelectorAll('.live:is([data-kind="entropy"], [data-kind="algorithm"])').forEach((root) => new Picture(root));
})();
