// The maps of some units at the checkpoint that is shown, and one unit at all checkpoints.

import { Play, Square } from "lucide";
import { codeColors, limitsOf } from "../../draw/colors.ts";
import { drawTiles, isMove, placeByKey, pointedAt, tilePicture } from "../../draw/tile_canvas.ts";
import { type Grid, layout } from "../../draw/tiles.ts";
import { u8 } from "../../model/arrays.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { placeOf, shownStep } from "../../model/training.ts";
import { choice, iconButton, rename, toolbar } from "../../ui/controls.ts";
import { h, onResize, say } from "../../ui/dom.ts";
import { short } from "../../ui/format.ts";
import { icon } from "../../ui/icons.ts";
import { heading } from "../../ui/pane.ts";
import { t, whole } from "../../ui/text.ts";

const EVERY = 250;

export function filmPane(context: Context, scene: Scene): HTMLElement {
  const title = heading(t("maps by checkpoint"));
  const empty = h("div", { class: "nn-soft nn-empty" }, t("read from the checkpoints when the cell has run"));
  const mosaic = h("canvas", { class: "nn-film", tabindex: 0, role: "application" });
  const strip = h("canvas", { class: "nn-film", role: "img" });
  const stage = h("div", {}, mosaic);
  const one = h("div", { class: "nn-soft" });
  const range = h("div", { class: "nn-soft" });
  const body = h("div", {}, stage, range, one, strip);
  const layers = choice(t("layer"), [["", ""]], (value) => context.set({ film_layer: value }));
  const play = iconButton(Play, t("play"), () => (timer === undefined ? start() : halt()));
  let width = 320;
  let grid: Grid | null = null;
  let unit = 0;
  let timer: ReturnType<typeof setInterval> | undefined;

  const halt = () => {
    clearInterval(timer);
    timer = undefined;
    rename(play, t("play"));
    play.replaceChildren(icon(Play));
  };
  const start = () => {
    const film = context.get("film");
    if (!film) return;
    let place = 0;
    const show = () => {
      if (place >= film.steps.length) return halt();
      context.set({ shown_step: film.steps[place++] }, false);
    };
    timer = setInterval(show, EVERY);
    rename(play, t("stop"));
    play.replaceChildren(icon(Square));
    show();
  };
  context.onStop(() => clearInterval(timer));

  const draw = () => {
    const film = context.get("film");
    if (!film) return;
    const size = film.rows * film.columns;
    const bytes = u8(film.codes);
    const limits = limitsOf(film.low, film.high);
    const colors = codeColors(film.low, film.high, limits, scene.table(limits));
    const tiles = { rows: film.rows, columns: film.columns };
    const paint = (from: number, pixels: Uint32Array, corner: number, across: number) => {
      for (let row = 0; row < film.rows; row++)
        for (let column = 0; column < film.columns; column++)
          pixels[corner + row * across + column] = colors[bytes[from * size + row * film.columns + column]];
    };
    const count = film.units.length;
    const place = placeOf(film.steps, shownStep(context) ?? film.steps[film.steps.length - 1]);
    const marks = { crossed: () => false, ink: context.color("--nn-dim"), accent: context.color("--nn-accent") };
    const places = Int32Array.from({ length: count }, (_, at) => place * count + at);
    grid = layout(count, film.columns, film.rows, width, 200);
    drawTiles(mosaic, tilePicture(places, grid, tiles, paint), places, grid, tiles, {
      ...marks,
      selected: place * count + unit,
    });
    const steps = film.steps.length;
    const over = Int32Array.from({ length: steps }, (_, at) => at * count + unit);
    const line = layout(steps, film.columns, film.rows, width, 96);
    drawTiles(strip, tilePicture(over, line, tiles, paint), over, line, tiles, {
      ...marks,
      selected: place * count + unit,
    });
    const words = t("unit {unit} at {count} checkpoints, from step {first} to {last}", {
      unit: String(film.units[unit]),
      count: whole(steps),
      first: whole(film.steps[0]),
      last: whole(film.steps[steps - 1]),
    });
    say(one, words);
    strip.setAttribute("aria-label", words);
    say(range, t("one scale for all checkpoints: {low} to {high}", { low: short(film.low), high: short(film.high) }));
    mosaic.setAttribute(
      "aria-label",
      t("{count} units of {layer} at step {step}", {
        count: whole(count),
        layer: film.layer,
        step: whole(film.steps[place]),
      }),
    );
  };
  context.listen(mosaic, "click", (event) => {
    const film = context.get("film");
    const found = film && grid && pointedAt(mosaic, event, grid, film.units.length, film);
    if (!found) return;
    unit = found.index;
    draw();
  });
  context.listen(mosaic, "keydown", (event) => {
    const film = context.get("film");
    if (!film || !grid || !isMove(event.key)) return;
    event.preventDefault();
    unit = placeByKey(event.key, unit, grid.columns, film.units.length) ?? unit;
    draw();
  });
  context.watch(["film", "shown_step", "watched", "film_layers", "film_layer"], () => {
    const film = context.get("film");
    const names = context.get("film_layers");
    layers.select.replaceChildren(...names.map((name) => h("option", { value: name }, name)));
    layers.select.value = context.get("film_layer");
    layers.select.disabled = !context.live;
    if (!context.live) layers.title = needsKernel();
    empty.hidden = Boolean(film);
    body.hidden = !film;
    play.disabled = !film;
    if (film && unit >= film.units.length) unit = 0;
    draw();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = Math.max(120, stage.clientWidth);
    draw();
  });
  const tools = toolbar([!context.hides("film_layer") && layers, !context.hides("step") && play]);
  return h("div", {}, h("div", { class: "nn-head" }, title, tools), empty, body);
}
