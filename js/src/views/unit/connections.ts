// What the unit is made of, and what it is used for.

import { legend } from "../../draw/legend.ts";
import { tabled } from "../../draw/signed.ts";
import { layout } from "../../draw/tiles.ts";
import { i8 } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { hasFailed } from "../../model/selected.ts";
import type { Kernels } from "../../model/traits.ts";
import { h, say, sized, textured } from "../../ui/dom.ts";
import { short, signed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { heldWords, unitLinks } from "../../ui/unit_links.ts";

export function connectionsPane(context: Context, scene: Scene): HTMLElement {
  const total = h("div", { class: "nn-name" });
  const below = h("div", { class: "nn-links" });
  const others = h("div", { class: "nn-soft nn-name" });
  const above = h("div", { class: "nn-links" });
  const usedFor = h("div", { class: "nn-name" });
  const empty = h("div", { class: "nn-soft nn-warning", hidden: true });
  const canvas = h("canvas", { class: "nn-mosaic nn-plain", role: "img" });
  const kernelWords = h("div", { class: "nn-name" });
  const scale = legend();
  const body = h("div", { class: "nn-halves" });
  body.append(
    h("div", { class: "nn-part" }, total, below, others),
    h("div", { class: "nn-part" }, usedFor, above),
    h("div", { class: "nn-part" }, kernelWords, h("div", {}, canvas), scale.element),
  );

  const draw = () => {
    const payload = context.get("connections");
    const mine = scene.selected.is(payload);
    const connections = payload && "inputs" in payload ? payload : null;
    const failed = mine && hasFailed(payload) ? payload.error : "";
    const away = !context.live && !mine;
    empty.hidden = !failed && !away;
    say(empty, failed || heldWords(payload));
    body.hidden = !connections || Boolean(failed) || away;
    body.classList.toggle("nn-stale", !mine);
    if (body.hidden || !connections) return;
    const single = scene.layer.mosaic && scene.layer.mosaic.height * scene.layer.mosaic.width === 1;
    const sum = short(connections.total);
    const made = {
      operation: `${connections.operation} (${connections.label})`,
      value: single ? sum : t("{value} at ({position})", { value: sum, position: connections.position.join(", ") }),
    };
    say(
      total,
      connections.before_activation
        ? t("made by {operation}: {value}, before the activation function", made)
        : t("made by {operation}: {value}", made),
    );
    unitLinks(context, below, connections.inputs);
    const more = plural("{count} other {value}", "{count} others {value}", connections.more, {
      value: signed(connections.others),
    });
    const rest = connections.linear
      ? t("bias {value}", { value: signed(connections.rest) })
      : t("the rest (the operation is not linear) {value}", { value: signed(connections.rest) });
    const parts = connections.more > 0 ? `${more}, ${rest}` : rest;
    say(others, t("{parts}; together {sum}", { parts, sum }));
    say(
      usedFor,
      connections.outputs.length ? t("used by these units") : t("no later operation combines it with others"),
    );
    total.title = total.textContent ?? "";
    usedFor.title = connections.outputs.length
      ? t("the number is what each would lose without this unit, at the most affected position")
      : "";
    unitLinks(context, above, connections.outputs);
    drawKernels(connections.kernels);
  };

  const drawKernels = (kernels: Kernels | null) => {
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
    const which =
      units < of
        ? t("the first {units} of {of}", { units, of })
        : units === 1
          ? t("unit {unit}", { unit: read })
          : t("units {first}…{last}", { first: read, last: read + of - 1 });
    say(kernelWords, t("its weights, {rows} × {columns} for each unit below: {which}", { rows, columns, which }));
    canvas.setAttribute("aria-label", t("weights of the selected unit, up to {largest}", { largest: short(largest) }));
    scale.show(limits, scene.table(limits), t("weight"));
  };

  context.onTheme(draw);
  context.watch(["connections", "layer", "unit"], draw);
  return h("div", {}, heading(t("inputs and outputs of this unit")), body, empty);
}
