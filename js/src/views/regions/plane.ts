// The plane with its linear pieces: coloured, read under the pointer, moved and enlarged.

import { House, Microscope, ZoomIn, ZoomOut } from "lucide";
import { categoryColor } from "../../draw/categories.ts";
import { colorOf, css, type Limits } from "../../draw/colors.ts";
import { legend } from "../../draw/legend.ts";
import { f32, i32, once } from "../../model/arrays.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import { type Plane, type Point, planeOf, type Samples, samplesOf } from "../../model/regions.ts";
import type { Scene } from "../../model/scene.ts";
import type { PointsPayload } from "../../model/traits.ts";
import { choice, iconButton, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { pointOn } from "../../ui/pointer.ts";
import { plural, t } from "../../ui/text.ts";
import { spotOf } from "./spot.ts";

const LARGEST = 560;
const PIXELS_OF_A_POINT = 3.5;
const MOST_KEYS = 8;

type Box = [[number, number], [number, number]];

const placesOf = once((payload: PointsPayload) => ({ places: f32(payload.places), classes: i32(payload.classes) }));

export function planePane(context: Context, scene: Scene): HTMLElement {
  const spot = spotOf(context);
  const title = heading(t("linear pieces"));
  const canvas = h("canvas", { class: "nn-plane", tabindex: 0, role: "application" });
  const stage = h("div", { class: "nn-framed" }, canvas);
  const about = h("div", { class: "nn-soft" });
  const note = h("div", { class: "nn-note", hidden: true });
  const key = h("div", { class: "nn-soft nn-keys" });
  const scale = legend();
  let side = 320;
  let hovered = -1;
  let drag: { from: Point; box: Box; x: number; y: number } | null = null;

  const boxOf = (): Box => {
    const [across, up] = context.get("box");
    return [
      [across[0], across[1]],
      [up[0], up[1]],
    ];
  };
  let box = boxOf();
  const x = (u: number) => ((u - box[0][0]) / (box[0][1] - box[0][0])) * side;
  const y = (v: number) => side - ((v - box[1][0]) / (box[1][1] - box[1][0])) * side;
  const pointAt = (event: MouseEvent): Point => {
    const [down, right] = pointOn(canvas, event);
    return [box[0][0] + right * (box[0][1] - box[0][0]), box[1][1] - down * (box[1][1] - box[1][0])];
  };

  const coloured = choice(
    t("colour"),
    [
      ["class", t("by class")],
      ["slope", t("by slope")],
      ["layer", t("by layer")],
    ],
    (value) => context.set({ fill_by: value }),
  );
  coloured.title = t("the class with the largest score, how steep the function is, or the layer that makes each edge");

  const path = (pen: CanvasRenderingContext2D, corners: Point[]) => {
    pen.beginPath();
    for (const [u, v] of corners) pen.lineTo(x(u), y(v));
    pen.closePath();
  };
  const drawEdges = (pen: CanvasRenderingContext2D, plane: Plane, piece: number, byLayer: boolean) => {
    const [corners, edges] = [plane.corners(piece), plane.edges(piece)];
    if (!byLayer) pen.beginPath();
    for (const [place, [u, v]] of corners.entries()) {
      if (edges[place] < 0) continue;
      const [a, b] = corners[(place + 1) % corners.length];
      if (byLayer) {
        pen.strokeStyle = categoryColor(edges[place]);
        pen.beginPath();
      }
      pen.moveTo(x(u), y(v));
      pen.lineTo(x(a), y(b));
      if (byLayer) pen.stroke();
    }
    if (!byLayer) pen.stroke();
  };
  const drawHere = (pen: CanvasRenderingContext2D) => {
    const [u, v] = context.get("here");
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 2;
    pen.beginPath();
    pen.arc(x(u), y(v), 6, 0, 2 * Math.PI);
    pen.stroke();
  };
  const drawPoints = (pen: CanvasRenderingContext2D, plain: boolean) => {
    const payload = context.get("points");
    if (!payload) return;
    const { places, classes } = placesOf(payload);
    const [paper, ink, dim] = ["--nn-paper", "--nn-ink", "--nn-dim"].map((name) => context.color(name));
    for (let place = 0; place < classes.length; place++) {
      const [px, py] = [x(places[2 * place]), y(places[2 * place + 1])];
      pen.beginPath();
      pen.arc(px, py, PIXELS_OF_A_POINT, 0, 2 * Math.PI);
      pen.fillStyle = plain ? dim : classes[place] < 0 ? paper : categoryColor(classes[place]);
      pen.fill();
      pen.strokeStyle = paper;
      pen.lineWidth = 1;
      pen.stroke();
      const name = payload.names[place];
      if (!name) continue;
      pen.fillStyle = ink;
      pen.textAlign = px > side / 2 ? "right" : "left";
      pen.textBaseline = py > side / 2 ? "bottom" : "top";
      pen.fillText(name, px + (px > side / 2 ? -6 : 6), py + (py > side / 2 ? -4 : 4));
    }
  };
  const draw = () => {
    const plane = planeOf(context.get("regions"));
    const pen = sized(canvas, side, side);
    canvas.style.width = `${side}px`;
    const samples = samplesOf(context.get("plane_samples"));
    if (!plane && !samples) return;
    const by = context.get("fill_by");
    const slopes =
      by !== "slope"
        ? []
        : samples
          ? [...samples.slopes]
          : Array.from({ length: plane?.count ?? 0 }, (_, piece) => plane!.slope(piece));
    const limits: Limits = [0, Math.max(1e-12, ...slopes)];
    const table = scene.table(limits);
    pen.font = "11px system-ui, sans-serif";
    if (samples) drawSamples(pen, samples, by === "slope" ? (at) => css(colorOf(slopes[at], limits, table)) : null);
    if (plane) drawPieces(pen, plane, by, (piece) => css(colorOf(slopes[piece], limits, table)));
    drawPoints(pen, by === "layer");
    drawHere(pen);
    scale.element.hidden = by !== "slope";
    if (by === "slope") scale.show(limits, table, t("slope of the best score's lead"));
    key.replaceChildren(
      ...(by === "slope" ? [] : keys(plane, samples, by === "layer")).slice(0, MOST_KEYS).map(([place, name]) => {
        const swatch = h("span", { class: "nn-swatch" });
        swatch.style.background = categoryColor(place, by === "layer" ? 1 : 0.6);
        return h("span", {}, swatch, name);
      }),
    );
  };
  let waiting = false;
  /** While a copy is trained more drawings come than the browser has frames: the latest is drawn. */
  const drawOnce = () => {
    if (!context.get("train")) return draw();
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (!context.stopped) draw();
    });
  };
  const keys = (plane: Plane | null, samples: Samples | null, byLayer: boolean): [number, string][] => {
    if (byLayer)
      return (plane?.payload.operations ?? []).map((name, place) => [place, t("edges of {layer}", { layer: name })]);
    const shown = samples
      ? new Set(samples.classes)
      : new Set(
          Array.from({ length: plane?.count ?? 0 }, (_, piece) => plane!.parts(piece).map((part) => part.class)).flat(),
        );
    return [...shown].sort((one, other) => one - other).map((which) => [which, scene.label(which)]);
  };
  const drawSamples = (pen: CanvasRenderingContext2D, samples: Samples, color: ((cell: number) => string) | null) => {
    const [across, up] = samples.payload.box;
    const n = samples.payload.side;
    const grid = h("canvas", { width: n, height: n });
    const inks = grid.getContext("2d")!;
    for (let cell = 0; cell < n * n; cell++) {
      inks.fillStyle = color ? color(cell) : categoryColor(samples.classes[cell], 0.45);
      inks.fillRect(cell % n, n - 1 - Math.floor(cell / n), 1, 1);
    }
    pen.imageSmoothingEnabled = false;
    pen.drawImage(grid, x(across[0]), y(up[1]), x(across[1]) - x(across[0]), y(up[0]) - y(up[1]));
  };
  const drawPieces = (pen: CanvasRenderingContext2D, plane: Plane, by: string, color: (piece: number) => string) => {
    for (let piece = 0; piece < plane.count; piece++) {
      if (by === "slope") {
        path(pen, plane.corners(piece));
        pen.fillStyle = color(piece);
        pen.fill();
      } else if (by === "class") {
        for (const part of plane.parts(piece)) {
          path(pen, part.corners);
          pen.fillStyle = categoryColor(part.class, 0.45);
          pen.fill();
        }
      }
    }
    pen.strokeStyle = context.color("--nn-dim");
    pen.lineWidth = by === "layer" ? 1.5 : plane.count > 800 ? 0.35 : 0.7;
    for (let piece = 0; piece < plane.count; piece++) drawEdges(pen, plane, piece, by === "layer");
    pen.strokeStyle = context.color("--nn-ink");
    pen.lineWidth = 2;
    for (let piece = 0; piece < plane.count; piece++)
      for (const part of plane.parts(piece))
        for (const [place, [u, v]] of part.corners.entries()) {
          if (!part.changes[place]) continue;
          const [a, b] = part.corners[(place + 1) % part.corners.length];
          pen.beginPath();
          pen.moveTo(x(u), y(v));
          pen.lineTo(x(a), y(b));
          pen.stroke();
        }
    if (hovered >= 0 && hovered < plane.count) {
      path(pen, plane.corners(hovered));
      pen.strokeStyle = context.color("--nn-accent");
      pen.lineWidth = 2.5;
      pen.stroke();
    }
  };
  const point = (at: Point | null) => {
    const plane = planeOf(context.get("regions"));
    const before = hovered;
    hovered = plane && at ? plane.at(at) : -1;
    spot.hover(at);
    if (before !== hovered) draw();
  };
  const show = (next: Box) => {
    box = next;
    context.set({ box: next });
    draw();
  };
  const scaled = (factor: number) =>
    box.map(([low, high]) => {
      const [centre, half] = [(low + high) / 2, ((high - low) / 2) * factor];
      return [centre - half, centre + half];
    }) as Box;
  const moved = (right: number, up: number) =>
    box.map(([low, high], axis) => {
      const by = (high - low) * (axis === 0 ? right : up);
      return [low + by, high + by];
    }) as Box;
  const home = boxOf();
  const closer = iconButton(Microscope, t("enlarge around the point until its pieces can be drawn"), () =>
    context.set({ closer: context.get("closer") + 1 }, false),
  );
  closer.disabled = !context.live;
  if (!context.live) closer.title = needsKernel();
  const zoom = context.hides("zoom")
    ? []
    : [
        iconButton(ZoomIn, t("enlarge"), () => show(scaled(0.5))),
        iconButton(ZoomOut, t("show more of the plane"), () => show(scaled(2))),
        closer,
        iconButton(House, t("the part shown at first"), () => show(home)),
      ];

  context.listen(canvas, "pointermove", (event) => {
    if (!drag) return point(pointAt(event));
    if (context.hides("zoom") || (box === drag.box && Math.hypot(event.clientX - drag.x, event.clientY - drag.y) < 4))
      return;
    box = drag.box;
    const [u, v] = pointAt(event);
    const [du, dv] = [drag.from[0] - u, drag.from[1] - v];
    box = [
      [box[0][0] + du, box[0][1] + du],
      [box[1][0] + dv, box[1][1] + dv],
    ];
    draw();
  });
  context.listen(canvas, "pointerdown", (event) => {
    if (event.button) return;
    drag = { from: pointAt(event), box, x: event.clientX, y: event.clientY };
    canvas.setPointerCapture(event.pointerId);
  });
  context.listen(canvas, "pointerup", (event) => {
    const dragged = drag && box !== drag.box;
    drag = null;
    if (dragged) show(box);
    else context.set({ here: pointAt(event) });
  });
  context.listen(canvas, "pointerleave", () => point(null));
  context.listen(canvas, "keydown", (event: KeyboardEvent) => {
    if (context.hides("zoom")) return;
    const next = {
      ArrowLeft: () => moved(-0.2, 0),
      ArrowRight: () => moved(0.2, 0),
      ArrowUp: () => moved(0, 0.2),
      ArrowDown: () => moved(0, -0.2),
      "+": () => scaled(0.5),
      "-": () => scaled(2),
    }[event.key];
    if (!next) return;
    event.preventDefault();
    show(next());
  });
  context.watch(["regions", "plane_samples", "box", "fill_by", "points", "here", "plane_note", "labels"], () => {
    if (!drag) box = boxOf();
    coloured.select.value = context.get("fill_by");
    const plane = planeOf(context.get("regions"));
    say(title, plane ? plural("{count} linear piece", "{count} linear pieces", plane.count) : t("classes in a plane"));
    say(about, plane?.payload.about ?? "");
    const [right, up] = context.get("points")?.axes ?? ["", ""];
    canvas.setAttribute("aria-label", `${plane?.payload.about ?? context.get("plane_note")}; → ${right}, ↑ ${up}`);
    say(note, context.get("plane_note"));
    note.hidden = !context.get("plane_note");
    drawOnce();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    side = Math.max(200, Math.min(LARGEST, stage.clientWidth));
    draw();
  });
  const tools = toolbar([!context.hides("color") && coloured, ...zoom]);
  return h(
    "div",
    { class: "nn-grows" },
    h("div", { class: "nn-head" }, title, tools),
    stage,
    key,
    h("div", { class: "nn-head" }, scale.element),
    about,
    note,
  );
}
