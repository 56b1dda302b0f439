// How often the gates of each cell are closed and open (Karpathy, Johnson & Fei-Fei 2015, figure 3).

import { f32, once } from "../../model/arrays.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { Gate } from "../../model/traits.ts";
import { h, say, sized } from "../../ui/dom.ts";
import { percent } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";

const SIDE = 132;
const ROOM = 18;

function gateName(name: string): string {
  const names: Record<string, string> = {
    input: t("input gate"),
    forget: t("forget gate"),
    output: t("output gate"),
    reset: t("reset gate"),
    update: t("update gate"),
  };
  return names[name] ?? name;
}

export function gatesPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("how often gates are closed and open"));
  title.title = t(
    "closed: below 0.1; open: above 0.9; a point is a cell, and the line is where a gate does nothing else",
  );
  const list = h("div", { class: "nn-gates" });
  const reading = h("span", { class: "nn-soft nn-line nn-name" });
  const body = h("div", {}, title, list, reading);
  const decoded = once((gates: Gate[]) =>
    gates.map((gate) => ({ ...gate, closed: f32(gate.closed), open: f32(gate.open) })),
  );
  let canvases: HTMLCanvasElement[] = [];

  const draw = () => {
    const gates = decoded(context.get("gates") ?? []);
    body.hidden = !gates.length;
    if (canvases.length !== gates.length) {
      canvases = gates.map((_, at) => {
        const canvas = h("canvas", { class: "nn-plain", role: "img" });
        const nearest = (event: MouseEvent): number => {
          const gate = decoded(context.get("gates"))[at];
          const box = canvas.getBoundingClientRect();
          const scale = SIDE / box.width;
          const x = ((event.clientX - box.left) * scale - ROOM) / (SIDE - ROOM - 4);
          const y = 1 - ((event.clientY - box.top) * scale - 4) / (SIDE - ROOM - 4);
          let best = 0;
          const distance = (cell: number) => (gate.closed[cell] - x) ** 2 + (gate.open[cell] - y) ** 2;
          for (let cell = 1; cell < gate.closed.length; cell++) if (distance(cell) < distance(best)) best = cell;
          return best;
        };
        canvas.addEventListener("pointermove", (event) => {
          const gate = decoded(context.get("gates"))[at];
          const cell = nearest(event);
          const words = { cell, closed: percent(gate.closed[cell]), open: percent(gate.open[cell]) };
          say(reading, t("cell {cell}: closed at {closed} of the tokens, open at {open}", words));
        });
        canvas.addEventListener("pointerleave", () => say(reading, ""));
        canvas.addEventListener("click", (event) => context.set({ unit: nearest(event) }));
        return canvas;
      });
      list.replaceChildren(
        ...gates.map((gate, at) => h("div", {}, h("div", { class: "nn-soft" }, gateName(gate.name)), canvases[at])),
      );
    }
    for (const [at, gate] of gates.entries()) {
      const canvas = canvases[at];
      const pen = sized(canvas, SIDE, SIDE);
      const [wide, high] = [SIDE - ROOM - 4, SIDE - ROOM - 4];
      const x = (share: number) => ROOM + share * wide;
      const y = (share: number) => 4 + (1 - share) * high;
      pen.strokeStyle = context.color("--nn-line");
      pen.beginPath();
      pen.moveTo(x(0), y(1));
      pen.lineTo(x(0), y(0));
      pen.lineTo(x(1), y(0));
      pen.lineTo(x(0), y(1));
      pen.stroke();
      pen.fillStyle = context.color("--nn-dim");
      pen.font = "10px system-ui, sans-serif";
      pen.textAlign = "center";
      pen.textBaseline = "bottom";
      pen.fillText(t("closed"), x(0.5), SIDE);
      pen.save();
      pen.translate(10, y(0.5));
      pen.rotate(-Math.PI / 2);
      pen.fillText(t("open"), 0, 2);
      pen.restore();
      const chosen = context.get("unit");
      pen.fillStyle = context.color("--nn-bar");
      const point = (cell: number, radius: number) => {
        pen.beginPath();
        pen.arc(x(gate.closed[cell]), y(gate.open[cell]), radius, 0, 2 * Math.PI);
        pen.fill();
      };
      for (let cell = 0; cell < gate.closed.length; cell++) point(cell, 2);
      if (chosen < gate.closed.length) {
        pen.fillStyle = context.color("--nn-accent");
        point(chosen, 4);
        const words = {
          gate: gateName(gate.name),
          closed: percent(gate.closed[chosen]),
          open: percent(gate.open[chosen]),
        };
        canvas.setAttribute(
          "aria-label",
          t("{gate}: the chosen cell is closed at {closed} of the tokens, open at {open}", words),
        );
      }
    }
  };
  context.watch(["gates", "unit"], draw);
  context.onTheme(draw);
  return body;
}
