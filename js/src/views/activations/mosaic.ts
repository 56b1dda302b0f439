// All units of a layer as tiles.

import { decode, type Limits, limitsOf } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { drawTiles, isMove, placeByKey, pointedAt, tilePicture } from "../../draw/tile_canvas.ts";
import { type Grid, gridFrom, layout, order } from "../../draw/tiles.ts";
import { type Context, needsKernel, type TraitName } from "../../model/context.ts";
import type { Mosaic } from "../../model/layer.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say } from "../../ui/dom.ts";
import { percent, reducedWords, shape, short } from "../../ui/format.ts";
import { entitle, heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";

/** Another order of the units than the pane's own, with the control that chooses it. */
export interface Ordering {
  control: HTMLElement | null;
  traits: TraitName[];
  places(mosaic: Mosaic): Int32Array;
}

export function mosaicPane(context: Context, scene: Scene, ordering?: Ordering): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-mosaic", tabindex: 0, role: "application" });
  const stage = h("div", { class: "nn-stage" }, canvas);
  const reading = h("span", { class: "nn-soft nn-line nn-name nn-grow" });
  const facts = h("span", { class: "nn-soft nn-name" });
  const scale = legend();
  let grid: Grid | null = null;
  let places: Int32Array = new Int32Array();
  let picture: HTMLCanvasElement | null = null;
  let [width, height] = [480, 240];

  const sort = choice(
    t("sort"),
    [
      ["index", t("index")],
      ["mean", t("mean")],
      ["maximum", t("maximum")],
      ["zeros", t("share of zeros")],
    ],
    (value) => context.set({ sort: value }),
  );
  const scaling = choice(
    t("scale"),
    [
      ["unit", t("per unit")],
      ["layer", t("per layer")],
      ["locked", t("locked")],
    ],
    (value) => context.set({ scale: value }),
  );

  const tokens = h("input", { type: "text", class: "nn-short", placeholder: t("auto") });
  const arrangement = h(
    "label",
    { class: "nn-control", hidden: true },
    h("span", { class: "nn-label" }, t("tokens as")),
    tokens,
  );
  tokens.disabled = !context.live;
  arrangement.title = context.live ? t("rows × columns, or strip; empty to detect it") : needsKernel();
  let typing = false;
  context.listen(tokens, "input", () => (typing = true));
  context.listen(tokens, "blur", () => (typing = false));
  context.listen(tokens, "change", () => {
    typing = false;
    const count = scene.layer.mosaic?.tokens ?? 0;
    const chosen = gridFrom(tokens.value, count);
    const rule = t("rows × columns with at most {count} positions; or strip; empty to detect it", { count });
    tokens.setCustomValidity(chosen === undefined ? rule : "");
    if (tokens.reportValidity() && chosen !== undefined) context.set({ grid: chosen, position: null });
  });

  /** Paint all tiles, one canvas pixel per value. */
  const paint = (mosaic: Mosaic) => {
    const { mean, high, zeros } = mosaic;
    places = ordering?.places(mosaic) ?? order(context.get("sort"), mosaic.units, { mean, maximum: high, zeros });
    grid = layout(mosaic.units, mosaic.columns, mosaic.rows, width, height);
    const { rows, columns } = mosaic;
    const perTile = context.get("scale") === "unit";
    const shared = perTile ? null : scene.layer.limits(mosaic, 0);
    picture = tilePicture(places, grid, mosaic, (unit, pixels, corner, across) => {
      const colors = scene.layer.tileColors(mosaic, unit);
      const start = unit * rows * columns;
      for (let row = 0; row < rows; row++) {
        for (let column = 0; column < columns; column++) {
          pixels[corner + row * across + column] = colors[mosaic.data[start + row * columns + column]];
        }
      }
    });
    const limits: Limits = shared ?? limitsOf(mosaic.lowest, mosaic.highest);
    scale.show(
      perTile ? (limits[0] < 0 ? [-1, 1] : [0, 1]) : limits,
      scene.table(limits),
      perTile ? t("× each unit's own maximum") : "",
    );
  };

  const draw = () => {
    const mosaic = scene.layer.mosaic;
    if (!mosaic || !grid || !picture) return;
    drawTiles(canvas, picture, places, grid, mosaic, {
      // Dead on this input: struck through, so that it does not look like other dark tiles.
      crossed: (unit) => mosaic.zeros[unit] === 1,
      // Against what 0 looks like: dark in the sequential table, the background in the diverging ones.
      ink: context.dark || mosaic.lowest >= 0 ? "#c8ccd0" : "#5f6368",
      selected: context.get("unit"),
      accent: context.color("--nn-accent"),
    });
  };

  const words = (unit: number, row: number, column: number): string => {
    const mosaic = scene.layer.mosaic!;
    const value = decode(
      mosaic.data[(unit * mosaic.rows + row) * mosaic.columns + column],
      mosaic.low[unit],
      mosaic.high[unit],
    );
    const at =
      mosaic.step === 1
        ? `(${row}, ${column})`
        : t("the {step}×{step} cell at ({row}, {column})", {
            step: mosaic.step,
            row: row * mosaic.step,
            column: column * mosaic.step,
          });
    return t("unit {unit}: ≈ {value} at {place}", { unit, value: short(value), place: at });
  };

  const tell = () => {
    const mosaic = scene.layer.mosaic;
    if (!mosaic) return;
    const words = { layer: mosaic.layer, shape: shape(mosaic.shape) };
    entitle(title, context, t("mosaic of {layer} · {shape}", words));
    title.title = `${mosaic.label}; ${mosaic.layout}`;
    const parts = [
      plural("{count} unit", "{count} units", mosaic.units, { count: mosaic.units }),
      t("zeros {share}", { share: percent(mosaic.sparsity) }),
    ];
    if (mosaic.dead) parts.push(t("dead {count}", { count: mosaic.dead }));
    if (mosaic.not_finite)
      parts.push(plural("{count} value not finite", "{count} values not finite", mosaic.not_finite));
    if (mosaic.layout !== "one map per channel") parts.push(mosaic.layout);
    if (mosaic.step > 1) parts.push(reducedWords(mosaic.step));
    say(facts, parts.join(" · "));
    arrangement.hidden = !mosaic.tokens;
    if (!typing) tokens.value = mosaic.grid ? mosaic.grid.join(" × ") : "strip";
    sort.select.value = context.get("sort");
    scaling.select.value = context.get("scale");
    canvas.setAttribute(
      "aria-label",
      t("activations of {layer}, {facts}; unit {unit} is selected", {
        layer: mosaic.layer,
        facts: parts.join(", "),
        unit: context.get("unit"),
      }),
    );
    canvas.title = t("click a tile to select the unit");
  };

  const at = (event: PointerEvent) => {
    const mosaic = scene.layer.mosaic;
    if (!mosaic || !grid) return null;
    const target = pointedAt(canvas, event, grid, mosaic.units, mosaic);
    return target && { unit: places[target.index], row: target.row, column: target.column };
  };
  context.listen(canvas, "pointermove", (event: PointerEvent) => {
    const target = at(event);
    if (target) say(reading, words(target.unit, target.row, target.column));
  });
  context.listen(canvas, "pointerdown", (event: PointerEvent) => {
    const target = at(event);
    if (!target) return;
    const { step } = scene.layer.mosaic!;
    context.set({ unit: target.unit, position: [target.row * step, target.column * step] });
  });
  // Only where there is a card to open.
  const openCard = () => context.get("card") === false && context.set({ card: true });
  context.listen(canvas, "dblclick", openCard);
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    if (!grid) return;
    if (event.key === "Enter") openCard();
    if (!isMove(event.key)) return;
    event.preventDefault();
    const to = placeByKey(event.key, places.indexOf(context.get("unit")), grid.columns, places.length);
    if (to !== null) context.set({ unit: places[to], position: null });
  });

  // "Locked" keeps the colours of the moment it is chosen, whatever is looked at next.
  context.watch(["scale", "mosaic"], () => {
    const mosaic = scene.layer.mosaic;
    if (context.get("scale") === "locked" && !context.get("limits") && mosaic) {
      context.set({ limits: limitsOf(mosaic.lowest, mosaic.highest) }, false);
    } else if (context.get("scale") !== "locked" && context.get("limits")) context.set({ limits: null }, false);
  });
  const repaint = () => {
    if (scene.layer.mosaic) paint(scene.layer.mosaic);
    draw();
  };
  context.watch(["mosaic", "sort", "scale", "limits", ...(ordering?.traits ?? [])], repaint);
  context.watch(["unit"], draw);
  context.watch(["mosaic", "sort", "scale", "unit", "grid"], tell);
  context.watch(["layer", "mosaic"], () =>
    canvas.classList.toggle("nn-stale", scene.layer.mosaic?.layer !== context.get("layer")),
  );
  context.onTheme(repaint);
  context.listen(canvas, "pointerleave", () => say(reading, ""));
  onResize(context, stage, () => {
    [width, height] = [stage.clientWidth, stage.clientHeight || height];
    repaint();
  });
  const scales = (!ordering || ordering.control) && !context.hides("scale");
  const sorting = ordering ? ordering.control : !context.hides("sort") && sort;
  const tools = toolbar([sorting, scales && scaling, arrangement]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, tools),
    stage,
    h("div", { class: "nn-head" }, scale.element, facts, reading),
  );
}
