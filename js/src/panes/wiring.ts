// What the unit is made of, and what it is used for.

import { i8 } from "../lib/arrays.ts";
import type { Context } from "../lib/context.ts";
import { h, say, sized, textured } from "../lib/dom.ts";
import { short, signed } from "../lib/format.ts";
import { legend } from "../lib/legend.ts";
import { layout } from "../lib/mosaic.ts";
import { tabled } from "../lib/pixels.ts";
import type { Scene } from "../lib/scene.ts";
import { heldWords, unitLinks } from "./links.ts";

export function wiringPane(context: Context, scene: Scene): HTMLElement {
  const total = h("div");
  const below = h("div", { class: "nn-links" });
  const others = h("div", { class: "nn-soft" });
  const above = h("div", { class: "nn-links" });
  const usedFor = h("div");
  const empty = h("div", { class: "nn-soft nn-warning", hidden: true });
  const canvas = h("canvas", { class: "nn-mosaic nn-plain", role: "img" });
  const kernelWords = h("div", { class: "nn-soft" });
  const scale = legend();
  const body = h("div", { class: "nn-halves" });
  body.append(
    h("div", { class: "nn-pane" }, total, below, others),
    h("div", { class: "nn-pane" }, usedFor, above),
    h("div", { class: "nn-pane" }, kernelWords, h("div", { class: "nn-stage" }, canvas), scale.element),
  );

  const draw = () => {
    const wiring = context.get("wiring");
    const mine = scene.isOfUnit(wiring);
    const broken = mine && wiring.error;
    const away = !context.live && !mine;
    empty.hidden = !broken && !away;
    say(empty, broken ? wiring.error : heldWords(wiring));
    body.hidden = !wiring?.feeds || broken || away;
    body.classList.toggle("nn-stale", !mine);
    if (body.hidden) return;
    const single = scene.mosaic && scene.mosaic.height * scene.mosaic.width === 1;
    const where = single ? "" : ` at (${wiring.place.join(", ")})`;
    const bent = wiring.bent ? ", before the activation function" : "";
    say(total, `made by ${wiring.operation} (${wiring.label}): ${short(wiring.total)}${where}${bent}`);
    unitLinks(context, below, wiring.feeds);
    const rest = wiring.linear ? "bias" : "not told apart (the operation is not linear)";
    say(
      others,
      `${wiring.more > 0 ? `${wiring.more} others ${signed(wiring.others)}, ` : ""}${rest} ${signed(wiring.rest)}; together ${short(wiring.total)}`,
    );
    say(usedFor, wiring.uses.length ? "used for: what these would miss without it, where they would most" : "no operation mixes it into others");
    unitLinks(context, above, wiring.uses);
    drawKernels(wiring.kernels);
  };

  const drawKernels = (kernels: any) => {
    canvas.hidden = scale.element.hidden = !kernels;
    if (!kernels) {
      say(kernelWords, "");
      return;
    }
    const { units, rows, columns, largest, read, of } = kernels;
    const data = i8(kernels.data);
    const values = Float32Array.from(data, (code) => (code * largest) / 127);
    const limits: [number, number] = [-(largest || 1), largest || 1];
    const pixels = tabled(values, limits, scene.table(limits));
    // With room between them: kernels are small, and must not run into each other.
    const { columns: across, width } = layout(units, columns + 1, rows + 1, 248, 168);
    const cell = Math.min(40, width);
    const pixel = Math.max(1, (cell - 3) / columns);
    const high = rows * pixel + 3;
    const pen = sized(canvas, across * cell, Math.ceil(units / across) * high);
    canvas.style.width = `${across * cell}px`;
    pen.imageSmoothingEnabled = false;
    const texture = textured(pixels, units * rows, columns);
    for (let unit = 0; unit < units; unit++) {
      const [left, top] = [(unit % across) * cell, Math.floor(unit / across) * high];
      pen.drawImage(texture, 0, unit * rows, columns, rows, left, top, columns * pixel, rows * pixel);
    }
    const which = units < of ? `the first ${units} of ${of}` : units === 1 ? `unit ${read}` : `units ${read}…${read + of - 1}`;
    say(kernelWords, `its weights, ${rows} × ${columns} for each unit below: ${which}`);
    canvas.setAttribute("aria-label", `weights of the selected unit, up to ${short(largest)}`);
    scale.show(limits, scene.table(limits), "weight");
  };

  context.listen(context.root, "nn-theme", draw);
  context.watch(["wiring", "layer", "unit"], draw);
  return h("div", {}, h("h4", {}, "made of, used for"), body, empty);
}
