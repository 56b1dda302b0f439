// The whole occlusion experiment: its map over the photograph, what one position says, and what is still computed.

import { Pin } from "lucide";
import { colorOf, css, type Limits } from "../../draw/colors.ts";
import { framed, isTrace } from "../../draw/framed.ts";
import { legend } from "../../draw/legend.ts";
import type { OcclusionMap } from "../../draw/occlusion_map.ts";
import type { Context, TraitName } from "../../model/context.ts";
import { experimentOf } from "../../model/experiment.ts";
import { amount, difference, isProbability, meaningOf } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import { choice, toggle, toolbar } from "../../ui/controls.ts";
import { h, say, textured } from "../../ui/dom.ts";
import { short, signed } from "../../ui/format.ts";
import { entitle, heading, picturePane } from "../../ui/pane.ts";
import { lengthMark, lengthWords, placeOf } from "../../ui/place.ts";
import { arrow, pointOn, within } from "../../ui/pointer.ts";
import { plural, t } from "../../ui/text.ts";
import { scoreName } from "../../ui/words.ts";
import { workLine } from "../../ui/work.ts";
import { fillName, occluderControls, usableFills } from "./occluder.ts";

interface Options {
  /** A map that shares the scale. */
  beside?: () => OcclusionMap | null;
  /** Whether it is the difference of two maps. */
  difference?: boolean;
  /** Without controls: they stand at another map. */
  bare?: boolean;
}

export function occlusionMapPane(context: Context, scene: Scene, options: Options = {}): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const title = heading();
  const reading = h("span", { class: "nn-soft nn-line nn-name nn-grow", "aria-live": "polite" });
  const scale = legend();
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("resume"),
  );
  const [count] = work.parts;
  const slighter = h("div", { class: "nn-slight", hidden: true });
  const other = h("canvas", { class: "nn-photo", role: "img", "aria-label": t("pinned occlusion map") });
  const otherTitle = h("div", { class: "nn-soft" });
  const beside = h("div", { class: "nn-pinned", hidden: true });
  let pinned: OcclusionMap | null = null;

  const score = choice(
    t("show"),
    [
      ["probability", scoreName("probability")],
      ["logit", scoreName("logit")],
    ],
    (value) => context.set({ score: value }),
  );
  const definition = choice(
    t("values"),
    [
      ["position", t("per position")],
      ["pixel", t("per pixel")],
    ],
    (value) => context.set({ definition: value }),
  );
  definition.title = t(
    "per position: the score with the occluder there (Zeiler & Fergus); per pixel: its mean over the windows that cover a pixel (captum)",
  );

  const keep = (map: OcclusionMap | null) => {
    pinned = map;
    pin.on(Boolean(map));
    draw();
  };
  const pin = toggle(t("pin this map for comparison"), (on) => keep(on ? experimentOf(scene).map : null), Pin);
  // One click: this fill stays in sight, and the next one comes beside it.
  const compare = h("button", { type: "button" }, t("compare fills"));
  compare.title = t("keeps this map in sight and shows that of another fill beside it: does the fill matter?");
  context.listen(compare, "click", () => {
    const all = usableFills(context);
    const now = all.indexOf(context.get("fill"));
    keep(experimentOf(scene).map);
    context.set({ fill: all[(now + 1) % all.length] });
  });

  const stale = (map: OcclusionMap | null) => !experimentOf(scene).isCurrent(map);

  const values = (map: OcclusionMap): Float32Array =>
    context.get("definition") === "pixel"
      ? map.perPixel(scene.target, context.get("score"))
      : map.change(scene.target, context.get("score"));

  const largestOf = (map: OcclusionMap): number =>
    values(map).reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0);

  /** What the colours must reach: negligible changes must not look decisive. */
  const extent = (map: OcclusionMap | null): number =>
    map?.has(scene.target) ? Math.max(largestOf(map), map.floor(scene.target, context.get("score"))) : 0;

  const noun = () => scoreName(isProbability(context) ? context.get("score") : (meaningOf(context).noun ?? "value"));

  const draw = () => {
    const map = experimentOf(scene).map;
    // One scale for both, or they could not be compared.
    const largest = Math.max(extent(map), extent(pinned), extent(options.beside?.() ?? null)) || 1;
    const limits: Limits = [-largest, largest];
    canvas.classList.toggle("nn-stale", stale(map));
    paint(canvas, map, limits);
    if (map?.has(scene.target)) {
      const unit = options.difference ? t("difference of the changes") : t("change of {score}", { score: noun() });
      const meaning = options.difference
        ? t("{change}, second minus first", { change: unit })
        : t("{change}; blue: hiding it lowers {label}", { change: unit, label: scene.label(scene.target) });
      scale.show(limits, scene.table(limits), unit, meaning);
    }
    beside.hidden = !pinned;
    beside.replaceChildren(...(pinned ? [other, otherTitle] : []));
    if (!pinned) return;
    const { size, fill, shape: form } = pinned.data;
    const words = [
      lengthMark(context, Math.max(...size)),
      fillName(fill, isTrace(context.get("photo"))),
      ...(form === "circle" ? [t("circle")] : []),
    ].join(", ");
    say(
      otherTitle,
      pinned.has(scene.target)
        ? t("pinned: {words}", { words })
        : t("pinned: {words}; not known for this class", { words }),
    );
    paint(other, pinned, limits);
    other.setAttribute("aria-label", t("pinned occlusion map, {words}", { words }));
  };

  const paint = (onto: HTMLCanvasElement, map: OcclusionMap | null, limits: Limits) => {
    const { width, height } = context.get("photo");
    const pen = framed(onto, context.get("photo"));
    if (scene.photo.image) {
      pen.filter = "grayscale(1)";
      pen.drawImage(scene.photo.image, 0, 0, width, height);
      pen.filter = "none";
      pen.fillStyle = context.dark ? "rgb(0 0 0 / 45%)" : "rgb(255 255 255 / 45%)";
      pen.fillRect(0, 0, width, height);
    }
    if (!map?.has(scene.target)) return;
    const change = values(map);
    const table = scene.table(limits);
    // Opaque first, then as one picture: cells that overlap would show as a lattice where they do.
    const layer = h("canvas", { width: onto.width, height: onto.height });
    const over = layer.getContext("2d")!;
    over.scale(onto.width / width, onto.height / height);
    if (context.get("definition") === "pixel") drawPixels(over, change, width, height, limits, table);
    else drawCells(over, map, change, limits, table);
    pen.globalAlpha = 0.82;
    pen.drawImage(layer, 0, 0, width, height);
    pen.globalAlpha = 1;
  };

  const tell = () => {
    const map = experimentOf(scene).map;
    entitle(title, context, t("occlusion · {label}", { label: scene.label(scene.target) }));
    score.select.value = context.get("score");
    definition.select.value = context.get("definition");
    const busy = context.live && Boolean(context.get("busy"));
    const total = map?.total ?? 1;
    const done = map?.data.done ?? 0;
    const old = stale(map);
    const finished = plural("{count} position", "{count} positions", total, { count: total });
    const far =
      done < 40
        ? t("sketch: {done} of {total} positions", { done, total })
        : t("{done} of {total} positions", { done, total });
    work.show({
      words: old ? (context.live ? t("computing…") : "") : done < total ? far : finished,
      share: old ? 0 : done / total,
      running: busy && !options.bare && (old || done < total),
      canContinue: context.live && !options.bare && !busy && !old && done < total,
    });
    const kind = context.get("score");
    const slight =
      map && !old && done >= total && map.has(scene.target) && largestOf(map) < map.floor(scene.target, kind);
    say(
      slighter,
      slight
        ? t("no position changes the {score} by more than {change}", {
            score: noun(),
            change: short(largestOf(map), 2),
          })
        : "",
    );
    slighter.hidden = !slight;
    count.title = old ? "" : (map?.data.how ?? "");
    canvas.setAttribute("aria-label", summary());
    canvas.title = canvas.getAttribute("aria-label")!;
  };

  const summary = (): string => {
    const map = experimentOf(scene).map;
    const worst = map?.has(scene.target) ? map.lowest(scene.target) : null;
    if (!map || !worst) return t("occlusion map, not computed yet");
    return t("occlusion map: hiding {size} at {place} changes the {score} of {label} the most, by {change}", {
      size: lengthWords(context, Math.max(...map.data.size)),
      place: placeOf(context, [map.data.tops[worst.row], map.data.lefts[worst.column]], true),
      score: scoreName(meaningOf(context).noun ?? "probability"),
      label: scene.label(scene.target),
      change: difference(context, worst.change),
    });
  };

  const describe = () => {
    const map = experimentOf(scene).map;
    const occluder = context.get("occluder");
    const position = map && occluder && !stale(map) ? map.find(occluder[0], occluder[1]) : null;
    count.hidden = Boolean(position) && work.parts[1].hidden;
    if (!map || !position) {
      const worst = map?.has(scene.target) && !stale(map) ? map.lowest(scene.target) : null;
      say(
        reading,
        worst
          ? t("lowest {change} at {place}", {
              change: difference(context, worst.change),
              place: placeOf(context, [map!.data.tops[worst.row], map!.data.lefts[worst.column]]),
            })
          : "",
      );
      reading.title = "";
      return;
    }
    const kind = context.get("score");
    const [clean, now] = [map.clean(scene.target, kind), map.at(position.row, position.column, scene.target, kind)];
    const top = map.top(position.row, position.column);
    const number = kind === "probability" ? (value: number) => amount(context, value) : short;
    const by = kind === "probability" ? difference(context, now - clean) : signed(now - clean);
    const words = {
      change: `${number(clean)} → ${number(now)} (${by})`,
      place: placeOf(context, occluder!),
      best: `${scene.label(top.label)} ${amount(context, top.probability)}`,
    };
    say(
      reading,
      isProbability(context) && !options.difference
        ? t("{change} at {place}; most probable: {best}", words)
        : t("{change} at {place}", words),
    );
    reading.title = reading.textContent ?? "";
  };

  const go = (row: number, column: number) => {
    const map = experimentOf(scene).map!;
    context.set({ occluder: [map.data.tops[row], map.data.lefts[column]] }, false);
  };
  context.listen(canvas, "pointermove", (event: PointerEvent) => {
    const map = experimentOf(scene).map;
    if (!map || stale(map) || context.get("pinned")) return;
    const { width, height } = context.get("photo");
    const position = map.nearest(...pointOn(canvas, event, height, width));
    if (position) go(position.row, position.column);
  });
  context.listen(canvas, "pointerleave", () => context.get("pinned") || context.set({ occluder: null }, false));
  context.listen(canvas, "pointerdown", () => context.set({ pinned: !context.get("pinned") }));
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const map = experimentOf(scene).map;
    const by = arrow(event.key);
    if (event.key === "Escape") context.set({ occluder: null, pinned: false });
    if (event.key === "Enter") context.set({ pinned: !context.get("pinned") });
    if (!by || !map) return;
    event.preventDefault();
    const occluder = context.get("occluder");
    const at = (occluder && map.find(occluder[0], occluder[1])) ?? { row: map.rows >> 1, column: map.columns >> 1 };
    const [down, across] = occluder ? by : [0, 0];
    go(within(at.row + down, map.rows), within(at.column + across, map.columns));
  });
  scene.photo.onLoad(draw);
  context.onTheme(draw);
  context.watch(["photo"], () => {
    pinned = null;
    pin.on(false);
  });
  const chosen: TraitName[] = ["occlusion_map", "target", "size", "fill", "shape", "score", "definition"];
  // A map that shares the scale grows as well.
  const others: TraitName[] = options.beside ? ["second_occlusion_map"] : [];
  context.watch([...chosen, ...others, "photo", "meaning"], draw);
  context.watch([...chosen, "busy", "labels", "meaning"], tell);
  context.watch(["meaning"], () => {
    score.hidden = !isProbability(context) || Boolean(meaningOf(context).averaged);
  });
  context.watch([...chosen, "occluder", "busy"], describe);
  const shows = !options.bare && !context.hides("score");
  const pins = !options.bare && !context.hides("pin");
  const [usual, rare] = options.bare ? [[], []] : occluderControls(context, "occlusion_map");
  const several = !context.hides("fill") && usableFills(context).length > 1;
  const tools = toolbar(
    [...usual, shows && score, pins && pin],
    [...rare, shows && definition, pins && several && compare],
  );
  const picture = h("div", { class: "nn-beside" }, h("div", { class: "nn-framed" }, canvas, slighter), beside);
  return picturePane(title, picture, [scale.element], [reading, ...work.parts], tools);
}

/** A value per pixel. */
function drawPixels(
  pen: CanvasRenderingContext2D,
  change: Float32Array,
  width: number,
  height: number,
  limits: Limits,
  table: Uint32Array,
): void {
  const shown = Uint32Array.from(change, (value) => (Number.isNaN(value) ? 0 : colorOf(value, limits, table)));
  pen.imageSmoothingEnabled = false;
  pen.drawImage(textured(shown, height, width), 0, 0, width, height);
}

/** A cell around the centre of the occluder at each computed position; where positions are still missing, larger. */
function drawCells(
  pen: CanvasRenderingContext2D,
  map: OcclusionMap,
  change: Float32Array,
  limits: Limits,
  table: Uint32Array,
): void {
  const { tops, lefts, size, stride } = map.data;
  const known = (row: number, column: number) => !Number.isNaN(change[row * map.columns + column]);
  const rows = tops.map((_, row) => row).filter((row) => lefts.some((_, column) => known(row, column)));
  const columns = lefts.map((_, column) => column).filter((column) => tops.some((_, row) => known(row, column)));
  const edges = (all: number[], starts: number[], side: number, by: number): [number, number][] =>
    all.map((at, index) => {
      const centre = (number: number) => starts[number] + side / 2;
      const before = index > 0 ? (centre(all[index - 1]) + centre(at)) / 2 : centre(at) - by / 2;
      const after = index < all.length - 1 ? (centre(all[index + 1]) + centre(at)) / 2 : centre(at) + by / 2;
      return [before, after];
    });
  /** The value at a position, or the nearest one's that is known: a map that grows has no holes. */
  const computed = rows.flatMap((row) => columns.filter((column) => known(row, column)).map((column) => [row, column]));
  const valueAt = (row: number, column: number): number => {
    if (known(row, column)) return change[row * map.columns + column];
    const far = ([y, x]: number[]) => (y - row) ** 2 + (x - column) ** 2;
    const [y, x] = computed.reduce((best, index) => (far(index) < far(best) ? index : best));
    return change[y * map.columns + x];
  };
  const down = edges(rows, tops, size[0], stride[0]);
  const across = edges(columns, lefts, size[1], stride[1]);
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      pen.fillStyle = css(colorOf(valueAt(row, column), limits, table));
      pen.fillRect(across[x][0], down[y][0], across[x][1] - across[x][0] + 0.5, down[y][1] - down[y][0] + 0.5);
    });
  });
}
