// The chosen filter's kernels and power spectrum, and what it reads from the image.

import { colorOf } from "../../draw/colors.ts";
import { picture, signedOf } from "../../draw/texture.ts";
import { layout } from "../../draw/tiles.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say, sized, textured } from "../../ui/dom.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { enlarge } from "./filter.ts";

const SIDE = 220;

/** The kernel for each channel that the filter reads, the strongest first. */
export function kernelsPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img", "aria-label": t("kernels by channel") });
  const words = h("div", { class: "nn-soft nn-name" });
  const reading = h("span", { class: "nn-soft nn-name nn-line" });
  const body = picturePane(heading(t("kernels by channel")), canvas, [words], [reading], null);
  let across = 1;
  const draw = () => {
    const detail = context.get("detail");
    const kernels = detail?.kernels;
    // In colour, the filter itself shows its three channels.
    body.hidden = !kernels || context.get("bank")?.planes === 3;
    if (!detail || !kernels || body.hidden) return;
    const signed = signedOf(kernels);
    const { rows, columns, planes } = signed;
    const grid = layout(planes, columns, rows, SIDE, SIDE);
    across = grid.columns;
    const pen = sized(canvas, SIDE, grid.rows * (grid.height + grid.gap));
    pen.imageSmoothingEnabled = false;
    const table = scene.table([-1, 1]);
    for (let plane = 0; plane < planes; plane++) {
      const own = signed.data.subarray(plane * rows * columns, (plane + 1) * rows * columns);
      const pixels = Uint32Array.from(own, (code) => colorOf(code / 127, [-1, 1], table));
      const [left, top] = [
        (plane % grid.columns) * (grid.width + grid.gap),
        Math.floor(plane / grid.columns) * (grid.height + grid.gap),
      ];
      pen.drawImage(textured(pixels, rows, columns), left, top, grid.width, grid.height);
    }
    const all = context.get("bank")?.reads ?? planes;
    say(
      words,
      planes < all
        ? t("the strongest {count} of {all} channels", { count: planes, all })
        : t("{count} channels, the strongest first", { count: planes }),
    );
    canvas.setAttribute("aria-label", words.textContent ?? "");
  };
  context.listen(canvas, "pointermove", (event) => {
    const channels = context.get("detail")?.channels ?? [];
    const box = canvas.getBoundingClientRect();
    const cell = box.width / across;
    const at = Math.floor((event.clientY - box.top) / cell) * across + Math.floor((event.clientX - box.left) / cell);
    say(reading, channels[at] === undefined ? "" : t("channel {channel}", { channel: channels[at] }));
  });
  context.listen(canvas, "pointerleave", () => say(reading, ""));
  context.watch(["detail", "bank"], draw);
  context.onTheme(draw);
  return body;
}

/** The power spectrum, frequency 0 in the middle. */
export function spectrumPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img", "aria-label": t("power spectrum") });
  const words = h("div", { class: "nn-soft nn-name" }, t("power by frequency, ±0.5 cycles per pixel"));
  words.title = t("the middle is frequency 0; the mark is the strongest wave. Bright: much power");
  const body = picturePane(heading(t("power spectrum")), canvas, [words], [], null);
  const draw = () => {
    const detail = context.get("detail");
    body.hidden = !detail?.power;
    if (!detail?.power) return;
    const signed = signedOf(detail.power);
    const table = scene.table([0, 1]);
    const pixels = Uint32Array.from(signed.data, (code) => colorOf(Math.max(0, code) / 127, [0, 1], table));
    enlarge(canvas, textured(pixels, signed.rows, signed.columns), SIDE);
    canvas.setAttribute("aria-label", detail.words);
    if (detail.angle === null || detail.frequency === null) return;
    const pen = canvas.getContext("2d")!;
    const turn = (detail.angle * Math.PI) / 180;
    const [x, y] = [Math.cos(turn) * detail.frequency * SIDE, -Math.sin(turn) * detail.frequency * SIDE];
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 1.5;
    for (const sign of [1, -1]) pen.strokeRect(SIDE / 2 + sign * x - 4, SIDE / 2 + sign * y - 4, 8, 8);
  };
  context.watch(["detail"], draw);
  context.onTheme(draw);
  return body;
}

/** What the filter's unit reads from the image through the layers below. */
export function expandedPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img", "aria-label": t("expanded weights") });
  const empty = h("div", { class: "nn-soft nn-empty", hidden: true });
  const words = h("div", { class: "nn-soft nn-name" });
  const by = choice(
    t("by"),
    [
      ["linear", t("linear parts")],
      ["gradient", t("mean gradient")],
    ],
    (value) => context.set({ expanded_by: value }),
  );
  by.select.disabled = !context.live;
  by.title = context.live
    ? t("linear parts: activation functions left out, pools as means; mean gradient: over the images that are known")
    : needsKernel();
  const draw = () => {
    const sent = context.get("expanded");
    const other = sent?.filter !== context.get("filter") || sent.weight !== context.get("weight");
    const expanded = other && !context.live ? null : sent;
    const texture = expanded?.texture;
    canvas.hidden = !texture;
    empty.hidden = Boolean(texture);
    say(empty, expanded?.problem || (context.live ? t("being computed…") : t("not kept in this page")));
    by.select.value = context.get("expanded_by");
    say(words, expanded?.words ?? "");
    words.title = expanded?.words ?? "";
    if (!texture) return;
    enlarge(canvas, picture(scene, texture), SIDE);
    canvas.setAttribute("aria-label", t("expanded weights of filter {filter}", { filter: expanded!.filter }));
  };
  context.watch(["expanded", "expanded_by", ...(context.live ? [] : (["filter", "weight"] as const))], draw);
  context.watch(["expanded", "filter", "weight"], () => {
    const shown = context.get("expanded");
    const current = shown?.filter === context.get("filter") && shown.weight === context.get("weight");
    canvas.classList.toggle("nn-stale", !current);
  });
  context.onTheme(draw);
  const stage = h("div", { class: "nn-framed" }, canvas, empty);
  return picturePane(heading(t("expanded weights")), stage, [words], [], toolbar([by]));
}
