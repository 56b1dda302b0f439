// The whole occlusion experiment: its controls, its map over the photograph, what one position says.

import { colorOf, css, type Limits } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import type { OcclusionMap } from "../../draw/occlusion_map.ts";
import { type Context, NEEDS_KERNEL, type TraitName } from "../../model/context.ts";
import { amount, difference, isProbability, meaningOf } from "../../model/meaning.ts";
import type { Scene } from "../../model/scene.ts";
import type { Traits } from "../../model/traits.ts";
import { choice, row as controlRow, h, say, sized } from "../../ui/dom.ts";
import { short, signed } from "../../ui/format.ts";

const FILLS: [string, string][] = [
  ["background", "background"],
  ["grey", "grey"],
  ["mean", "mean colour"],
  ["blur", "blur"],
  ["noise", "noise"],
  ["surround", "what surrounds it"],
];
const SHAPES: [Traits["shape"], string][] = [
  ["rectangle", "square"],
  ["circle", "circle"],
];

export function occlusionMapPane(context: Context, scene: Scene): HTMLElement {
  const canvas = h("canvas", { class: "nn-photo", tabindex: 0, role: "application" });
  const title = h("h4");
  const reading = h("div", { class: "nn-soft nn-line", "aria-live": "polite" });
  const scale = legend();
  const progress = h("progress", { "aria-label": "positions computed" });
  const count = h("span", { class: "nn-soft" });
  const stop = h("button", { type: "button" }, "stop");
  const how = h("div", { class: "nn-soft" });
  const slighter = h("div", { class: "nn-slight", hidden: true });
  const pin = h("button", { type: "button" }, "pin for comparison");
  const other = h("canvas", { class: "nn-photo", role: "img", "aria-label": "pinned occlusion map" });
  const otherTitle = h("div", { class: "nn-soft" });
  const beside = h("div", { class: "nn-pinned", hidden: true });
  let pinned: OcclusionMap | null = null;

  // The sizes that are available: every step of the slider, or those that the page holds.
  const sizes = (): number[] => {
    const [least, most, step] = context.get("sizes");
    return (
      bakedSizes() ?? Array.from({ length: Math.floor((most - least) / step) + 1 }, (_, index) => least + index * step)
    );
  };
  /** What a saved page holds maps of. */
  const baked = (index: 0 | 1): string[] | null => {
    const pairs = context.choices("size|fill");
    return pairs && [...new Set(pairs.map((pair) => pair.split("|")[index]))];
  };
  const bakedSizes = () =>
    baked(0)
      ?.map(Number)
      .sort((a, b) => a - b) ?? null;
  const bakedFills = () => baked(1);
  const nearest = (size: number) => {
    const all = sizes();
    return all.reduce(
      (best, candidate, index) => (Math.abs(candidate - size) < Math.abs(all[best] - size) ? index : best),
      0,
    );
  };
  const slider = h("input", { type: "range", "aria-label": "occluder's size" });
  const sizeWords = h("output", { class: "nn-number" });
  // A page's few sizes are unevenly spaced: there the slider counts them. Else its value is the size itself.
  const placeSlider = () => {
    const stored = bakedSizes();
    const [least, most, step] = stored ? [0, stored.length - 1, 1] : context.get("sizes");
    [slider.min, slider.max, slider.step] = [least, most, step].map(String);
    slider.value = String(stored ? nearest(context.get("size")) : context.get("size"));
    slider.setAttribute("aria-valuetext", `${context.get("size")} pixels`);
  };
  context.listen(slider, "input", () =>
    context.set({ size: bakedSizes() ? sizes()[Number(slider.value)] : Number(slider.value) }),
  );
  if (sizes().length < 2) {
    slider.disabled = true;
    slider.title = NEEDS_KERNEL;
  }
  const fill = choice("fill", [], (value) => context.set({ fill: value }));
  /** The fills that this image has, and the one that was given as a number or a colour. */
  const fills = (): string[] => {
    const named = context.get("fills") ?? FILLS.map(([value]) => value);
    const fill = context.get("fill");
    return named.includes(fill) ? named : [...named, fill];
  };
  const fillName = (value: string) => FILLS.find(([fill]) => fill === value)?.[1] ?? value;
  context.watch(["fills", "fill"], () => {
    const have = bakedFills();
    fill.select.replaceChildren(
      ...fills().map((value) =>
        h("option", { value, disabled: have !== null && !have.includes(value) }, fillName(value)),
      ),
    );
    fill.title = have && fills().some((value) => !have.includes(value)) ? NEEDS_KERNEL : "what the occluder shows";
    fill.select.value = context.get("fill");
  });
  const shape = choice("", SHAPES, (value) => context.set({ shape: value }));
  shape.select.setAttribute("aria-label", "shape");
  const score = choice(
    "show",
    [
      ["probability", "probability"],
      ["logit", "logit"],
    ],
    (value) => context.set({ score: value }),
  );
  const definition = choice(
    "",
    [
      ["position", "per position"],
      ["pixel", "per pixel"],
    ],
    (value) => context.set({ definition: value }),
  );
  definition.title =
    "per position: the score with the occluder there (Zeiler & Fergus); per pixel: its mean over the windows that cover a pixel (captum)";
  definition.select.setAttribute("aria-label", "definition");
  context.listen(stop, "click", () => {
    if (context.get("busy")) context.request("cancel");
    else context.request("resume");
  });

  const keep = (map: OcclusionMap | null) => {
    pinned = map;
    say(pin, pinned ? "unpin" : "pin for comparison");
    draw();
  };
  context.listen(pin, "click", () => keep(pinned ? null : scene.experiment.map));
  // One click: this fill stays in sight, and the next one comes beside it.
  const compare = h("button", { type: "button" }, "compare fills");
  compare.title = "keeps this map in sight and shows that of another fill beside it: does the fill matter?";
  context.listen(compare, "click", () => {
    const all = bakedFills() ?? fills();
    const now = all.indexOf(context.get("fill"));
    keep(scene.experiment.map);
    context.set({ fill: all[(now + 1) % all.length] });
  });

  const stale = (map: OcclusionMap | null) => !scene.experiment.isCurrent(map);

  const values = (map: OcclusionMap): Float32Array =>
    context.get("definition") === "pixel"
      ? map.perPixel(scene.target, context.get("score"))
      : map.change(scene.target, context.get("score"));

  const largestOf = (map: OcclusionMap): number =>
    values(map).reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0);

  /** What the colours must reach: negligible changes must not look decisive. */
  const extent = (map: OcclusionMap | null): number =>
    map?.has(scene.target) ? Math.max(largestOf(map), map.floor(scene.target, context.get("score"))) : 0;

  const noun = () => (isProbability(context) ? context.get("score") : (meaningOf(context).noun ?? "value"));

  const draw = () => {
    const map = scene.experiment.map;
    // One scale for both, or they could not be compared.
    const largest = Math.max(extent(map), extent(pinned)) || 1;
    const limits: Limits = [-largest, largest];
    canvas.classList.toggle("nn-stale", stale(map));
    paint(canvas, map, limits);
    if (map?.has(scene.target)) {
      scale.show(
        limits,
        scene.table(limits),
        `change of ${noun()}; blue: hiding it lowers ${scene.label(scene.target)}`,
        true,
      );
    }
    beside.hidden = !pinned;
    beside.replaceChildren(...(pinned ? [other, otherTitle] : []));
    if (!pinned) return;
    const { size, fill, shape: form } = pinned.data;
    const words = `${size[0]} px, ${fillName(fill)}${form === "circle" ? ", circle" : ""}`;
    say(otherTitle, pinned.has(scene.target) ? `pinned: ${words}` : `pinned: ${words}; not known for this class`);
    paint(other, pinned, limits);
    other.setAttribute("aria-label", `pinned occlusion map, ${words}`);
  };

  const paint = (onto: HTMLCanvasElement, map: OcclusionMap | null, limits: Limits) => {
    const { width, height } = context.get("photo");
    const zoom = Math.max(1, 448 / Math.max(width, height));
    const pen = sized(onto, width * zoom, height * zoom);
    pen.scale(zoom, zoom);
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
    pen.globalAlpha = 0.82;
    if (context.get("definition") === "pixel") {
      for (let y = 0; y < height; y++) {
        // Runs of equal colour: far fewer rectangles than pixels.
        for (let x = 0; x < width; ) {
          const value = change[y * width + x];
          let end = x + 1;
          while (end < width && change[y * width + end] === value) end++;
          if (!Number.isNaN(value)) {
            pen.fillStyle = css(colorOf(value, limits, table));
            pen.fillRect(x, y, end - x, 1);
          }
          x = end;
        }
      }
    } else drawCells(pen, map, change, limits, table);
    pen.globalAlpha = 1;
  };

  const tell = () => {
    const map = scene.experiment.map;
    say(title, `occlusion · ${scene.label(scene.target)}`);
    placeSlider();
    say(sizeWords, `${context.get("size")} px`);
    shape.select.value = context.get("shape");
    score.select.value = context.get("score");
    definition.select.value = context.get("definition");
    const busy = context.live && Boolean(context.get("busy"));
    const total = map?.total ?? 1;
    const done = map?.data.done ?? 0;
    const old = stale(map);
    progress.max = total;
    progress.value = old ? 0 : done;
    say(
      count,
      old
        ? context.live
          ? "computing…"
          : ""
        : done < total
          ? `${done < 40 ? "sketch: " : ""}${done} of ${total} positions`
          : `${total} positions`,
    );
    progress.hidden = !busy && (done >= total || !context.live);
    stop.hidden = !context.live || (!busy && (old || done >= total));
    say(stop, busy ? "stop" : "continue");
    const kind = context.get("score");
    const slight =
      map && !old && done >= total && map.has(scene.target) && largestOf(map) < map.floor(scene.target, kind);
    say(slighter, slight ? `no position changes the ${noun()} by more than ${short(largestOf(map), 2)}` : "");
    slighter.hidden = !slight;
    how.hidden = !map?.data.how;
    say(how, old ? "" : (map?.data.how ?? ""));
    canvas.setAttribute("aria-label", summary());
  };

  const summary = (): string => {
    const map = scene.experiment.map;
    if (!map?.has(scene.target)) return "occlusion map, not computed yet";
    const change = map.change(scene.target, "probability");
    let worst = -1;
    for (let at = 0; at < change.length; at++)
      if (change[at] < (worst < 0 ? Number.POSITIVE_INFINITY : change[worst])) worst = at;
    if (worst < 0) return "occlusion map, not computed yet";
    const [row, column] = [Math.floor(worst / map.columns), worst % map.columns];
    return `occlusion map: hiding ${map.data.size[0]} pixels at row ${map.data.tops[row]}, column ${map.data.lefts[column]} changes the ${meaningOf(context).noun ?? "probability"} of ${scene.label(scene.target)} the most, by ${difference(context, change[worst])}`;
  };

  const describe = () => {
    const map = scene.experiment.map;
    const occluder = context.get("occluder");
    const position = map && occluder && !stale(map) ? map.find(occluder[0], occluder[1]) : null;
    if (!map || !position) {
      say(reading, "point at the map to read one position");
      return;
    }
    const kind = context.get("score");
    const [clean, now] = [map.clean(scene.target, kind), map.at(position.row, position.column, scene.target, kind)];
    const top = map.top(position.row, position.column);
    const number = kind === "probability" ? (value: number) => amount(context, value) : short;
    const by = kind === "probability" ? difference(context, now - clean) : signed(now - clean);
    const best = isProbability(context)
      ? `; most probable: ${scene.label(top.label)} ${amount(context, top.probability)}`
      : "";
    say(reading, `hidden at (${occluder![0]}, ${occluder![1]}): ${number(clean)} → ${number(now)} (${by})${best}`);
  };

  const go = (row: number, column: number) => {
    const map = scene.experiment.map!;
    context.set({ occluder: [map.data.tops[row], map.data.lefts[column]] });
  };
  context.listen(canvas, "pointermove", (event: PointerEvent) => {
    const map = scene.experiment.map;
    if (!map || stale(map)) return;
    const box = canvas.getBoundingClientRect();
    const { width, height } = context.get("photo");
    const position = map.nearest(
      ((event.clientY - box.top) / box.height) * height,
      ((event.clientX - box.left) / box.width) * width,
    );
    if (position) go(position.row, position.column);
  });
  context.listen(canvas, "pointerleave", () => context.set({ occluder: null }));
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    const map = scene.experiment.map;
    const by = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (event.key === "Escape") context.set({ occluder: null });
    if (!by || !map) return;
    event.preventDefault();
    const occluder = context.get("occluder");
    const at = (occluder && map.find(occluder[0], occluder[1])) ?? { row: map.rows >> 1, column: map.columns >> 1 };
    go(
      Math.min(map.rows - 1, Math.max(0, at.row + (occluder ? by[0] : 0))),
      Math.min(map.columns - 1, Math.max(0, at.column + (occluder ? by[1] : 0))),
    );
  });
  scene.photo.onLoad(draw);
  context.onTheme(draw);
  context.watch(["photo"], () => {
    pinned = null;
    say(pin, "pin for comparison");
  });
  const chosen: TraitName[] = ["occlusion_map", "target", "size", "fill", "shape", "score", "definition"];
  context.watch([...chosen, "photo"], draw);
  context.watch([...chosen, "sizes", "busy", "labels", "meaning"], tell);
  context.watch(["meaning"], () => {
    score.hidden = !isProbability(context) || Boolean(meaningOf(context).averaged);
  });
  context.watch([...chosen, "occluder"], describe);
  const controls = h(
    "div",
    { class: "nn-side" },
    !context.hides("size") && h("label", { class: "nn-control" }, "size", slider, sizeWords),
  );
  const [fillsShown, several] = [!context.hides("fill"), (bakedFills() ?? fills()).length > 1];
  const parts = [
    controlRow(fillsShown && fill, fillsShown && context.live && shape),
    context.hides("score") ? null : controlRow(score, definition),
    scale.element,
    slighter,
    h("div", { class: "nn-row nn-progress" }, count, progress, stop),
    how,
    reading,
    context.hides("pin") ? null : controlRow(pin, fillsShown && several && compare),
  ];
  controls.append(...parts.filter((part): part is HTMLElement => part !== null));
  return h("div", {}, title, h("div", { class: "nn-beside" }, canvas, beside, controls));
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
      pen.fillRect(across[x][0], down[y][0], across[x][1] - across[x][0] + 0.3, down[y][1] - down[y][0] + 0.3);
    });
  });
}
