// What is compared, and how it is shown; what is being computed, how long it takes, and the way to stop it.

import { type Context, NEEDS_KERNEL } from "../../model/context.ts";
import { amount } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import type { MethodName } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say, uniqueId } from "../../ui/dom.ts";
import { duration } from "../../ui/format.ts";
import { whole } from "../../ui/text.ts";

const NUMBERS: ["samples" | "segments" | "width" | "seed", string, number, number, number][] = [
  ["samples", "samples", 10, 20000, 10],
  ["segments", "superpixels", 1, 400, 1],
  ["width", "width", 0.01, 10, 0.05],
  ["seed", "seed", 0, 1000000, 1],
];

export function controlsPane(context: Context, scene: Scene): HTMLElement {
  const add = h("select", { "aria-label": "add a method" });
  context.listen(add, "change", () => {
    const method = add.value as MethodName;
    if (method) context.set({ methods: [...context.get("methods"), method], method });
    add.value = "";
  });
  const id = uniqueId();
  const names = h("datalist", { id });
  const compare = h("input", {
    list: id,
    placeholder: "compare with class…",
    "aria-label": "compare with another class",
  });
  context.listen(compare, "change", () => {
    const wanted = compare.value.trim().toLowerCase();
    const index = context.get("labels").findIndex((name) => name.toLowerCase() === wanted);
    compare.setCustomValidity(index >= 0 || !wanted ? "" : `no class is called "${compare.value}"`);
    if (!compare.reportValidity() || index < 0) return;
    context.set({ other_targets: [...context.get("other_targets"), index] });
    compare.value = "";
  });
  const look = choice(
    "show",
    [
      ["own", "as suits each method"],
      ["signed", "with signs"],
      ["magnitude", "magnitude"],
    ],
    (value) => context.set({ signs: value }),
  );
  const scale = choice(
    "scale",
    [
      ["each", "of each map"],
      ["method", "of each method"],
      ["all", "the same for all"],
    ],
    (value) => context.set({ maps_scale: value }),
  );
  const opacity = h("input", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": "opacity of the maps" });
  context.listen(opacity, "input", () => context.set({ opacity: Number(opacity.value) }));
  const layer = choice("Grad-CAM at", [["", "the last layer"]], (value) => context.set({ cam_layer: value }));
  layer.classList.add("nn-cut");
  const segmentation = choice(
    "by",
    (["slic", "quickshift", "felzenszwalb", "grid"] as const).map((name) => [name, name]),
    (value) => context.set({ segmentation: value }),
  );
  const numbers = NUMBERS.map(([name, words, min, max, step]) => {
    const input = h("input", { type: "number", class: "nn-short", min, max, step, "aria-label": words });
    context.listen(input, "change", () => {
      if (input.value !== "") context.set({ [name]: Number(input.value) });
    });
    return { name, input, label: h("label", { class: "nn-control" }, h("span", { class: "nn-label" }, words), input) };
  });
  const parts = h("input", { type: "range", min: 5, max: 200, step: 5, "aria-label": "number of superpixels" });
  context.listen(parts, "change", () => context.set({ segments: Number(parts.value) }));
  numbers[1].label.append(parts);
  const sampling = h(
    "div",
    { class: "nn-row" },
    ...numbers.slice(0, 2).map((number) => number.label),
    segmentation,
    ...numbers.slice(2).map((number) => number.label),
  );
  const state = h("span", { class: "nn-soft", "aria-live": "off" });
  const progress = h("progress", { max: 1, "aria-label": "passes done" });
  const stop = h("button", { type: "button" }, "stop");
  context.listen(stop, "click", () => {
    if (context.get("busy")) context.request("cancel");
    else context.request("resume");
  });
  const making = [add, compare, layer.select, segmentation.select, parts, ...numbers.map((number) => number.input)];
  if (!context.live) {
    for (const control of making) {
      control.disabled = true;
      control.title = NEEDS_KERNEL;
    }
  }

  const list = () => {
    const methods = context.get("methods");
    const left = context.get("known_methods").filter(({ name }) => !methods.includes(name));
    add.replaceChildren(
      h("option", { value: "" }, "add a method…"),
      ...left.map(({ name, title, passes }) => h("option", { value: name }, `${title} · ${whole(passes)} passes`)),
    );
    const layers = context.get("cam_layers");
    layer.select.replaceChildren(
      h("option", { value: "" }, "the last one with spatial maps"),
      ...layers.map((name) => h("option", { value: name }, name)),
    );
    layer.select.value = context.get("cam_layer");
    layer.hidden = !methods.some((name) => name.includes("grad_cam"));
    const drawing = methods.filter((name) => ["lime", "kernel_shap", "rise", "smoothgrad"].includes(name));
    sampling.hidden = !drawing.length;
    const superpixels = drawing.includes("lime") || drawing.includes("kernel_shap");
    numbers[0].label.hidden = drawing.join() === "smoothgrad";
    numbers[1].label.hidden = segmentation.hidden = !superpixels;
    numbers[2].label.hidden = !drawing.includes("lime");
    compare.hidden = context.get("rows").some((row) => row.photo);
  };
  const fill = () => {
    const { classes, probability } = context.get("scores");
    // The likely ones first.
    const first = classes.map((index, at) =>
      h("option", { value: scene.label(index) }, amount(context, probability[at])),
    );
    const rest = context.get("labels").map((value) => h("option", { value }));
    names.replaceChildren(...first, ...rest);
  };
  const tell = () => {
    look.select.value = context.get("signs");
    scale.select.value = context.get("maps_scale");
    opacity.value = String(context.get("opacity"));
    segmentation.select.value = context.get("segmentation");
    parts.value = String(context.get("segments"));
    for (const { name, input } of numbers) input.value = String(context.get(name));
    const { what = "", done = 0, total = 0, remaining = null } = context.get("progress") ?? {};
    const stopped = context.live && context.get("stopped");
    const busy = context.live && Boolean(context.get("busy"));
    progress.hidden = !busy || !total;
    progress.value = total ? done / total : 0;
    stop.hidden = !busy && !stopped;
    say(stop, busy ? "stop" : "continue");
    const seconds = remaining ? `, about ${duration(remaining)} left` : "";
    const passes = total ? `${whole(done)} of about ${whole(total)} passes${seconds}` : "";
    say(state, busy && what ? `${what}: ${passes || "…"}` : stopped ? "stopped" : "");
  };
  context.watch(["methods", "known_methods", "cam_layers", "cam_layer", "rows"], list);
  context.watch(["scores", "labels"], fill);
  context.watch(
    ["signs", "maps_scale", "opacity", "segmentation", "busy", "progress", "stopped", ...NUMBERS.map(([name]) => name)],
    tell,
  );
  const visible = h("label", { class: "nn-control" }, h("span", { class: "nn-label" }, "opacity"), opacity);
  return h(
    "div",
    {},
    h("div", { class: "nn-head" }, toolbar([add, compare, names, look, scale], [visible, layer, sampling])),
    h("div", { class: "nn-now-line" }, state, progress, stop),
  );
}
