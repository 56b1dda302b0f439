// How the unit's activation depends on each pixel; or, for a unit that is kept, on the selected layer.

import { Blend, ZoomIn } from "lucide";
import { legend } from "../../draw/legend.ts";
import { coloured, flat, limitsIn, type Signed, smoothed, tabled } from "../../draw/signed.ts";
import { i8 } from "../../model/arrays.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { hasFailed } from "../../model/selected.ts";
import type { BackProjectionPayload } from "../../model/traits.ts";
import { choice, toggle, toolbar } from "../../ui/controls.ts";
import { h, say, sized, textured } from "../../ui/dom.ts";
import { reducedWords, short } from "../../ui/format.ts";
import { heading, picturePane } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { heldWords, unitLinks } from "../../ui/unit_links.ts";

const SIDE = 320;
const RULES = ["gradient", "input × gradient", "deconvnet", "guided backprop"] as const;

function ruleName(rule: (typeof RULES)[number]): string {
  return {
    gradient: t("gradient"),
    "input × gradient": t("input × gradient"),
    deconvnet: t("deconvnet"),
    "guided backprop": t("guided backprop"),
  }[rule];
}

export function backProjectionPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img" });
  const words = h("span", { class: "nn-soft nn-name" });
  const empty = h("div", { class: "nn-soft nn-warning", hidden: true });
  const scale = legend();
  const leaning = h("div", { class: "nn-links" });
  const leans = h("div", { class: "nn-soft" }, t("units of this layer that contribute most (gradient × activation):"));
  const rule = choice(
    t("rule"),
    RULES.map((name) => [name, ruleName(name)]),
    (value) => context.set({ rule: value }),
  );
  const start = choice(
    t("of"),
    [
      ["maximum", t("its maximum")],
      ["map", t("the whole map")],
      ["position", t("the position")],
    ],
    (value) => context.set({ start: value }),
  );
  const look = choice(
    t("show"),
    [
      ["colour", t("in colour")],
      ["signed", t("signed sum")],
      ["norm", t("norm")],
    ],
    (value) => context.set({ back_projection_display: value }),
  );
  const smooth = toggle(t("smooth"), (on) => context.set({ smooth: on }), Blend);
  const keep = toggle(t("keep this unit"), (on) =>
    context.set({ origin: on ? { layer: context.get("layer"), unit: context.get("unit") } : null }),
  );
  keep.title = t("then choose an earlier layer to see what the kept unit receives from it");

  let zoomed = true;
  const zoom = toggle(
    t("zoom"),
    (on) => {
      zoomed = on;
      zoom.on(on);
      draw();
    },
    ZoomIn,
  );
  zoom.on(true);
  zoom.title = t("zoom: only the receptive field of this position");

  /** What the place that is followed back sees, with a margin, where that is a small part: [top, left, rows, columns]. */
  const near = (
    projection: BackProjectionPayload,
    rows: number,
    columns: number,
  ): [number, number, number, number] | null => {
    const field = projection.position && scene.selected.field(projection.position);
    if (!field) return null;
    const margin = Math.ceil(0.1 * Math.max(field[2] - field[0], field[3] - field[1])) + 1;
    // Moved inside rather than cut off at the image's borders: the picture keeps its shape.
    const span = (low: number, high: number, size: number): [number, number] => {
      const length = Math.min(size, side);
      return [Math.min(size - length, Math.max(0, Math.round((low + high + 1 - length) / 2))), length];
    };
    const side = Math.max(field[2] - field[0], field[3] - field[1]) + 1 + 2 * margin;
    const [[top, tall], [left, wide]] = [span(field[0], field[2], rows), span(field[1], field[3], columns)];
    return 2 * Math.max(tall, wide) < Math.max(rows, columns) ? [top, left, tall, wide] : null;
  };

  if (!context.live) {
    const held = context.choices("rule|start") ?? [];
    context.watch(["rule", "start"], () => {
      for (const option of rule.select.options)
        option.disabled = !held.includes(`${option.value}|${context.get("start")}`);
      for (const option of start.select.options)
        option.disabled = !held.includes(`${context.get("rule")}|${option.value}`);
    });
    keep.disabled = true;
    keep.title = needsKernel();
  }
  // As in the Deep Visualization Toolbox: b cycles the rules, d keeps the unit, z zooms.
  context.listen(context.root, "keydown", (event: KeyboardEvent) => {
    if (event.target instanceof HTMLInputElement || event.ctrlKey || event.metaKey || event.altKey) return;
    const enabled = new Set(
      [...rule.select.options].filter((option) => !option.disabled).map((option) => option.value),
    );
    const rules = RULES.filter((name) => enabled.has(name));
    if (event.key === "b") context.set({ rule: rules[(rules.indexOf(context.get("rule")) + 1) % rules.length] });
    else if (event.key === "d" && !keep.disabled) keep.click();
    else if (event.key === "z" && !zoom.hidden) zoom.click();
    else return;
    event.preventDefault();
  });

  const draw = () => {
    const payload = context.get("back_projection");
    const mine = scene.selected.is(payload);
    const projection = payload && "data" in payload ? payload : null;
    const failed = mine && hasFailed(payload) ? payload.error : "";
    const away = !context.live && !mine;
    empty.hidden = !failed && !away;
    say(empty, failed || heldWords(payload));
    canvas.hidden = scale.element.hidden = words.hidden = !projection || Boolean(failed) || away;
    canvas.classList.toggle("nn-stale", !mine || projection?.rule !== context.get("rule"));
    if (canvas.hidden || !projection) {
      leaning.replaceChildren();
      return;
    }
    const signed: Signed = { ...projection, data: i8(projection.data) };
    const { rows, columns } = signed;
    const display = context.get("back_projection_display");
    const shown = display === "colour" && !signed.colours ? "signed" : display;
    const deviation = context.get("smooth") ? Math.max(1, Math.max(rows, columns) / 90) : 0;
    let pixels: Uint32Array;
    scale.element.hidden = shown === "colour";
    if (shown === "colour") pixels = coloured(signed, deviation);
    else {
      const values = flat(signed, shown);
      const even = deviation ? smoothed(values, rows, columns, deviation) : values;
      const limits = limitsIn(even, shown === "signed");
      pixels = tabled(even, limits, scene.table(limits));
      scale.show(
        limits,
        scene.table(limits),
        projection.at ? t("per unit of activation of {layer}", { layer: projection.at }) : t("per input value"),
      );
    }
    const { step } = projection; // of a large image: each number of the texture is that of step × step pixels
    const part = projection.at ? null : near(projection, rows * step, columns * step);
    zoom.hidden = !part;
    const box = part && zoomed ? part : [0, 0, rows * step, columns * step];
    const [top, left, tall, wide] = box.map((side) => side / step);
    const ratio = tall / wide;
    const [width, height] = ratio > 1 ? [SIDE / ratio, SIDE] : [SIDE, SIDE * Math.max(ratio, 0.1)];
    const pen = sized(canvas, width, height);
    pen.imageSmoothingEnabled = wide > width;
    pen.drawImage(textured(pixels, rows, columns), left, top, wide, tall, 0, 0, width, height);
    const where = t("{words}; rows {top}…{bottom}, columns {left}…{right}", {
      words: projection.words,
      top: box[0],
      bottom: box[0] + box[2] - 1,
      left: box[1],
      right: box[1] + box[3] - 1,
    });
    const what = part && zoomed ? where : projection.words;
    const said =
      signed.largest === 0
        ? t("all zero (where a rectifier is off, nothing passes back): {words}", { words: what })
        : what;
    say(words, step > 1 ? `${said} · ${reducedWords(step)}` : said);
    words.title = words.textContent ?? "";
    canvas.setAttribute("aria-label", words.textContent ?? "");
    unitLinks(
      context,
      leaning,
      (projection.leaning ?? []).map(([unit, value]) => ({ layer: projection.at ?? "", unit, value })),
    );
  };
  const tell = () => {
    const origin = context.get("origin");
    const kept = origin && origin.layer !== context.get("layer");
    say(
      title,
      kept
        ? t("{kept} at {unit}", {
            kept: `${origin.layer} · ${origin.unit}`,
            unit: `${context.get("layer")} · ${context.get("unit")}`,
          })
        : t("back-projection"),
    );
    rule.select.value = context.get("rule");
    start.select.value = context.get("start");
    look.select.value = context.get("back_projection_display");
    smooth.on(context.get("smooth"));
    keep.on(Boolean(origin));
    say(
      keep,
      origin ? t("kept: {unit} of {layer}", { unit: short(origin.unit), layer: origin.layer }) : t("keep this unit"),
    );
    leaning.hidden = leans.hidden = !kept;
    // The place is one of the layer that is shown, not of the unit that is kept.
    if (context.live)
      for (const option of start.select.options) option.disabled = Boolean(kept) && option.value === "position";
  };
  context.onTheme(draw);
  context.watch(
    ["back_projection", "back_projection_display", "smooth", "layer", "unit", "rule", "receptive_fields"],
    draw,
  );
  context.watch(["rule", "start", "back_projection_display", "smooth", "origin", "layer", "unit"], tell);
  const picture = h("div", { class: "nn-framed" }, canvas, empty);
  const made = picturePane(
    title,
    picture,
    [scale.element],
    [words],
    toolbar([rule, start, zoom], [look, smooth, keep]),
  );
  made.append(leans, leaning);
  return made;
}
