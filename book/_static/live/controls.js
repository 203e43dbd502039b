// A picture to play with: it builds its controls, and draws and says what they choose.
"use strict";
(() => {
  const { decode, entropy, edit, editAll, make, drawBars, drawGauge } = window.kentLive;
  const UNEDITED = { p: 0, q: 1 };
  const show = (value, places = 3) =>
    value.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places });
  const number = (name, value, places) => make("data", { value, "data-name": name }, show(value, places));
  const signed = (value) => `${value < 0 ? "−" : "+"}${show(Math.abs(value))}`;

  /** A labelled control, in the order of `parent`; a slider shows what it is set to. */
  function addSelect(parent, label, change) {
    const select = make("select", { onchange: change });
    parent.append(make("label", {}, `${label} `, select));
    return select;
  }
  function addSlider(parent, label, settings, change) {
    const slider = make("input", { type: "range", oninput: change }), said = make("output");
    for (const [name, value] of Object.entries(settings)) slider[name] = value;
    parent.append(make("label", {}, `${label} `, slider, " ", said));
    return { slider, say: (text) => { said.textContent = text; slider.setAttribute("aria-valuetext", text); } };
  }
  function offer(select, names, chosen) {
    select.replaceChildren(...names.map((name, value) => make("option", { value }, name)));
    select.value = chosen;
  }

  class Picture {
    constructor(root) {
      this.data = JSON.parse(root.querySelector("script").textContent);
      this.edits = this.data.kind === "algorithm";
      this.decoded = new Map();
      this.at = 0;
      this.addControls(root);
      this.addDrawing(root);
      root.setAttribute("role", "group");
      root.setAttribute("aria-label", "Memory coefficients, a picture to play with");
      this.chooseModel(0);
      root.classList.add("ready");
    }

    addControls(root) {
      const controls = make("div", { className: "controls" }), draw = () => this.draw();
      this.models = addSelect(controls, "Model", () => this.chooseModel(+this.models.value));
      this.checkpoint = addSlider(controls, "Checkpoint", { min: 0, step: 1 }, draw);
      this.layers = addSelect(controls, "Layer", draw);
      if (this.edits) {
        this.p = addSlider(controls, "p", { min: 0, max: 100, step: 1, value: this.data.p }, draw);
        this.q = addSlider(controls, "q", { min: 0.1, max: 4, step: 0.05, value: this.data.q }, draw);
      }
      this.note = make("p", { className: "note" });
      root.append(controls, this.note);
      offer(this.models, this.data.models.map((each) => each.title), 0);
    }

    addDrawing(root) {
      this.bars = make("svg", { role: "img", preserveAspectRatio: "none" });
      this.cursor = make("div", { className: "cursor", tabIndex: 0, role: "slider", "aria-valuemin": 1 });
      this.cursor.setAttribute("aria-label", "Memory vector, most used first");
      this.cursor.addEventListener("pointermove", (event) => this.pointAt(event.offsetX / this.cursor.clientWidth));
      this.cursor.addEventListener("keydown", (event) => this.pressKey(event));
      this.value = make("p", { className: "value" });
      this.gauge = make("div", { className: "gauge", role: "img" });
      this.said = make("p", { className: "said", "aria-live": "polite" });
      const drawing = make("div", { className: "drawing" }, this.bars, make("span", { className: "mean" }, "mean"));
      drawing.append(this.cursor);
      root.append(drawing, this.value, this.gauge, this.said);
    }

    chooseModel(index) {
      this.model = this.data.models[index];
      const { checkpoints, alike, neurons } = this.model, last = checkpoints.length - 1;
      const names = alike > 1 ? [`one of ${alike} alike`] : neurons.map((_, place) => `${place}`);
      offer(this.layers, names, Math.min(Math.max(this.layers.value, 0), names.length - 1));
      Object.assign(this.checkpoint.slider, { max: last, value: last });
      this.checkpoint.slider.parentElement.hidden = !last;
      this.note.textContent = `${this.model.note} ${this.data.left_out}`;
      this.draw();
    }

    read() {
      const { data } = this.model.checkpoints[this.checkpoint.slider.value];
      if (!this.decoded.has(data)) this.decoded.set(data, decode(data, this.model.neurons));
      return this.decoded.get(data);
    }

    draw() {
      const layers = this.read(), before = layers[this.layers.value];
      const { p, q } = this.edits ? { p: +this.p.slider.value, q: +this.q.slider.value } : UNEDITED;
      const edited = edit(before, p, q), [old, now] = [before, edited.after].map(entropy);
      this.checkpoint.say(this.model.checkpoints[this.checkpoint.slider.value].name);
      if (this.edits) [this.p.say(`${p} %`), this.q.say(show(q, 2))];
      this.shown = { before, after: edited.after };
      this.at = Math.min(this.at, before.length - 1);
      this.redraw = () => drawBars(this.bars, before, edited, this.edits ? 4 : 3, this.at);
      this.redraw();
      this.nameBar();
      drawGauge(this.gauge, before.length, now, old);
      this.describe(before, old, now);
      const all = editAll(layers, this.model.alike, p, q), count = this.model.alike * layers.length;
      this.said.replaceChildren(...(this.edits ? this.sayEdit(all, old, now, count) : this.sayEntropy(all, now, count)));
    }

    describe(before, old, now) {
      const count = before.length, ends = [before[0], before[count - 1]].map((each) => show(each, 2));
      const said = `${count} bars: mean coefficients divided by their layer's mean, from ${ends[0]} to ${ends[1]}`;
      this.bars.setAttribute("aria-label", said);
      const moved = this.edits ? `${show(old)} before, ` : "";
      this.gauge.setAttribute("aria-label", `Gauge: entropy ${moved}${show(now)} of ${show(Math.log(count))} nats`);
    }

    sayEntropy(all, now, count) {
      const size = this.shown.before.length;
      const bound = this.model.alike * this.model.neurons.reduce((total, each) => total + Math.log(each), 0);
      return [make("b", {}, "H = ", number("layer", now), " nats"), ` of at most ln ${show(size, 0)} = ${show(Math.log(size))}: as if `,
        make("b", {}, number("alike", Math.exp(now), 0), ` of ${show(size, 0)} memory vectors`), ` were used alike. All ${count} layers: `,
        number("before", all.before), ` of at most ${show(bound)} nats.`];
    }

    sayEdit(all, old, now, count) {
      const size = this.shown.before.length, alike = [old, now].map((each) => show(Math.exp(each), 0));
      const rows = this.model.alike * this.model.neurons.reduce((total, each) => total + each, 0);
      return [make("b", {}, "Knowledge entropy ", number("before", all.before), " → ", number("after", all.after), " nats",
        ` (${signed(all.after - all.before)})`), ` in ${count} layers: `, number("raised", all.raised, 0), " raised, ",
        number("lowered", all.lowered, 0), " lowered. Rows scaled: ", number("up", all.up, 0), " up, ", number("down", all.down, 0),
        " down, of ", `${show(rows, 0)}. This layer: H `, number("layer-before", old), " → ", number("layer", now),
        ` nats (${signed(now - old)}), as if ${alike[0]} → ${alike[1]} of ${show(size, 0)} memory vectors were used alike.`];
    }

    pointAt(share) {
      const count = this.shown.before.length;
      this.at = Math.min(Math.max(Math.floor(share * count), 0), count - 1);
      this.redraw();
      this.nameBar();
    }

    pressKey(event) {
      const count = this.shown.before.length, page = Math.ceil(count / 10);
      const steps = { ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1, PageUp: page, PageDown: -page, Home: -count, End: count };
      if (!(event.key in steps)) return;
      event.preventDefault();
      this.pointAt((this.at + steps[event.key] + 0.5) / count);
    }

    nameBar() {
      const { before, after } = this.shown, moved = after[this.at] === before[this.at] ? "" : ` → ${show(after[this.at], 2)}`;
      const share = 100 * after[this.at] / after.reduce((total, each) => total + each, 0);
      const said = `Memory vector ${this.at + 1} of ${before.length}: ${show(before[this.at], 2)}${moved} times the mean, ${show(share, 2)} % of use`;
      this.value.textContent = said;
      const values = { "aria-valuemax": before.length, "aria-valuenow": this.at + 1, "aria-valuetext": said };
      for (const [name, value] of Object.entries(values)) this.cursor.setAttribute(name, value);
    }
  }

  document.querySelectorAll(".live").forEach((root) => new Picture(root));
})();
