// What is compared, and how it is shown; what is being computed, how long it takes, and the way to stop it.

import { type Context, needsKernel } from "../../model/context.ts";
import { amount } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import type { MethodName } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, uniqueId } from "../../ui/dom.ts";
import { plural, t, whole } from "../../ui/text.ts";
import { workLine } from "../../ui/work.ts";

const NUMBERS: ["samples" | "segments" | "width" | "seed", number, number, number][] = [
  ["samples", 10, 20000, 10],
  ["segments", 1, 400, 1],
  ["width", 0.01, 10, 0.05],
  ["seed", 0, 1000000, 1],
];

export function controlsPane(context: Context, scene: Scene): HTMLElement {
  const add = h("select", { "aria-label": t("add a method") });
  context.listen(add, "change", () => {
    const method = add.value as MethodName;
    if (method) context.set({ methods: [...context.get("methods"), method], method });
    add.value = "";
  });
  const id = uniqueId();
  const names = h("datalist", { id });
  const compare = h("input", {
    list: id,
    placeholder: t("compare with class…"),
    "aria-label": t("compare with another class"),
  });
  context.listen(compare, "change", () => {
    const wanted = compare.value.trim().toLowerCase();
    const index = context.get("labels").findIndex((name) => name.toLowerCase() === wanted);
    compare.setCustomValidity(index >= 0 || !wanted ? "" : t('no class is called "{name}"', { name: compare.value }));
    if (!compare.reportValidity() || index < 0) return;
    context.set({ other_targets: [...context.get("other_targets"), index] });
    compare.value = "";
  });
  const look = choice(
    t("show"),
    [
      ["own", t("as suits each method")],
      ["signed", t("with signs")],
      ["magnitude", t("magnitude")],
    ],
    (value) => context.set({ signs: value }),
  );
  const scale = choice(
    t("scale"),
    [
      ["each", t("of each map")],
      ["method", t("of each method")],
      ["all", t("the same for all")],
    ],
    (value) => context.set({ maps_scale: value }),
  );
  const opacity = h("input", { type: "range", min: 0, max: 1, step: 0.05, "aria-label": t("opacity of the maps") });
  context.listen(opacity, "input", () => context.set({ opacity: Number(opacity.value) }));
  const layer = choice(t("Grad-CAM at"), [["", t("the last layer")]], (value) => context.set({ cam_layer: value }));
  layer.classList.add("nn-cut");
  const segmentation = choice(
    t("by"),
    [
      ["slic", "slic"],
      ["quickshift", "quickshift"],
      ["felzenszwalb", "felzenszwalb"],
      ["grid", t("grid")],
    ],
    (value) => context.set({ segmentation: value }),
  );
  const named = { samples: t("samples"), segments: t("superpixels"), width: t("width"), seed: t("seed") };
  const numbers = NUMBERS.map(([name, min, max, step]) => {
    const words = named[name];
    const input = h("input", { type: "number", class: "nn-short", min, max, step, "aria-label": words });
    context.listen(input, "change", () => {
      if (input.value !== "") context.set({ [name]: Number(input.value) });
    });
    return { name, input, label: h("label", { class: "nn-control" }, h("span", { class: "nn-label" }, words), input) };
  });
  const parts = h("input", { type: "range", min: 5, max: 200, step: 5, "aria-label": t("number of superpixels") });
  context.listen(parts, "change", () => context.set({ segments: Number(parts.value) }));
  numbers[1].label.append(parts);
  const sampling = h(
    "div",
    { class: "nn-row" },
    ...numbers.slice(0, 2).map((number) => number.label),
    segmentation,
    ...numbers.slice(2).map((number) => number.label),
  );
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("resume"),
  );
  const making = [add, compare, layer.select, segmentation.select, parts, ...numbers.map((number) => number.input)];
  if (!context.live) {
    for (const control of making) {
      control.disabled = true;
      control.title = needsKernel();
    }
  }

  const list = () => {
    const methods = context.get("methods");
    const left = context.get("known_methods").filter(({ name }) => !methods.includes(name));
    add.replaceChildren(
      h("option", { value: "" }, t("add a method…")),
      ...left.map(({ name, title, passes }) =>
        h(
          "option",
          { value: name },
          plural("{method} · {count} pass", "{method} · {count} passes", passes, { method: title }),
        ),
      ),
    );
    const layers = context.get("cam_layers");
    layer.select.replaceChildren(
      h("option", { value: "" }, t("the last one with spatial maps")),
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
    const passes = total ? t("{done} of about {total} passes", { done: whole(done), total: whole(total) }) : "…";
    work.show({
      words: busy && what ? `${what}: ${passes}` : stopped ? t("stopped") : "",
      share: total ? done / total : null,
      running: busy,
      canContinue: stopped,
      remaining,
    });
  };
  context.watch(["methods", "known_methods", "cam_layers", "cam_layer", "rows"], list);
  context.watch(["scores", "labels"], fill);
  context.watch(
    ["signs", "maps_scale", "opacity", "segmentation", "busy", "progress", "stopped", ...NUMBERS.map(([name]) => name)],
    tell,
  );
  const visible = h("label", { class: "nn-control" }, h("span", { class: "nn-label" }, t("opacity")), opacity);
  return h(
    "div",
    {},
    h("div", { class: "nn-head" }, toolbar([add, compare, names, look, scale], [visible, layer, sampling])),
    h("div", { class: "nn-now-line" }, ...work.parts),
  );
}
