// Over the depth: the ranks of the model's best answers at one token, and how often states agree with the model.

import type { Context } from "../../model/context.ts";
import { type Depths, depthsOf, visible } from "../../model/lens.ts";
import type { Scene } from "../../model/scene.ts";
import { tokensOf } from "../../model/tokens.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { className } from "../../ui/words.ts";
import { lookedAt } from "./lens.ts";

const HEIGHT = 190;
const [LEFT, FOOT, RIGHT] = [44, 18, 84];

interface Chart {
  element: HTMLElement;
  canvas: HTMLCanvasElement;
  width(): number;
  stateAt(event: MouseEvent, states: number): number;
}

function chart(context: Context, title: HTMLElement, reading: HTMLElement, draw: () => void, right: number): Chart {
  const canvas = h("canvas", { class: "nn-curve", role: "img" });
  const stage = h("div", {}, canvas);
  let width = 320;
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  return {
    element: h("div", { class: "nn-grows" }, title, stage, reading),
    canvas,
    width: () => width,
    stateAt(event, states) {
      const share = (event.clientX - canvas.getBoundingClientRect().left - LEFT) / (width - LEFT - right);
      return Math.min(states - 1, Math.max(0, Math.round(share * (states - 1))));
    },
  };
}

/** The axes, with the depth to the right. */
function frame(context: Context, made: Chart, states: number, right: number) {
  const width = made.width();
  const pen = sized(made.canvas, width, HEIGHT);
  const x = (state: number) => LEFT + (states > 1 ? state / (states - 1) : 0) * (width - LEFT - right);
  pen.strokeStyle = context.color("--nn-line");
  pen.strokeRect(LEFT, 4, width - LEFT - right, HEIGHT - FOOT - 4);
  pen.fillStyle = context.color("--nn-dim");
  pen.font = "10px system-ui, sans-serif";
  pen.textBaseline = "bottom";
  pen.textAlign = "left";
  pen.fillText(t("first state"), LEFT, HEIGHT);
  pen.textAlign = "right";
  pen.fillText(t("last state"), width - right, HEIGHT);
  pen.textBaseline = "middle";
  return { pen, x, width };
}

export function ranksPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const reading = h("span", { class: "nn-soft nn-line nn-name" });
  const draw = () => {
    const depths = depthsOf(context);
    if (!depths) return;
    const token = lookedAt(context, scene, depths);
    const { pen, x, width } = frame(context, made, depths.states, RIGHT);
    const { m } = depths.payload;
    let most = 10;
    for (let state = 0; state < depths.states; state++)
      for (let place = 0; place < m; place++) most = Math.max(most, depths.followedRank(state, token, place));
    const y = (rank: number) => 10 + (Math.log10(rank) / Math.log10(most)) * (HEIGHT - FOOT - 20);
    pen.textAlign = "right";
    for (let rank = 1; rank <= most; rank *= 10) pen.fillText(short(rank), LEFT - 4, y(rank));
    const labels = Array.from({ length: m }, (_, place) => ({
      place,
      at: y(depths.followedRank(depths.states - 1, token, place)),
    }));
    let below = 4;
    for (const { place, at } of labels.sort((a, b) => a.at - b.at)) {
      pen.strokeStyle = context.color(place === 0 ? "--nn-accent" : "--nn-bar");
      pen.lineWidth = place === 0 ? 2.5 : 1.25;
      pen.beginPath();
      for (let state = 0; state < depths.states; state++)
        pen.lineTo(x(state), y(depths.followedRank(state, token, place)));
      pen.stroke();
      // Labels do not lie over each other.
      below = Math.max(at, below + 12);
      pen.textAlign = "left";
      pen.fillStyle = context.color(place === 0 ? "--nn-accent" : "--nn-dim");
      pen.fillText(className(visible(depths.followed(token, place)).slice(0, 12)), width - RIGHT + 4, below);
    }
    const tokens = tokensOf(context.get("text"));
    const piece = tokens?.count === depths.positions ? tokens.piece(token) : undefined;
    say(
      title,
      piece === undefined
        ? t("ranks over the depth")
        : t("ranks over the depth, at “{piece}”", { piece: visible(piece) }),
    );
    const words = t("the rank of the model's best answers at each state, 1 at the top");
    title.title = words;
    made.canvas.setAttribute("aria-label", `${words}: ${told(depths, token, depths.states - 1)}`);
  };
  const told = (depths: Depths, token: number, state: number) =>
    Array.from(
      { length: depths.payload.m },
      (_, place) => `“${visible(depths.followed(token, place))}” ${depths.followedRank(state, token, place)}`,
    ).join(", ");
  const made = chart(context, title, reading, () => draw(), RIGHT);
  context.listen(made.canvas, "pointermove", (event) => {
    const depths = depthsOf(context);
    if (!depths) return;
    const state = made.stateAt(event, depths.states);
    say(reading, `${depths.payload.layers[state]}: ${told(depths, lookedAt(context, scene, depths), state)}`);
  });
  context.listen(made.canvas, "pointerleave", () => say(reading, ""));
  context.watch(["logit_lens", "token", "text"], draw);
  scene.selected.onHover(draw);
  context.onTheme(draw);
  return made.element;
}

export function agreementPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading(t("agreement with the model's answer"));
  title.title = t("the share of tokens at which a state's best prediction is the model's own; dashed: chance");
  const reading = h("span", { class: "nn-soft nn-line nn-name" });
  const right = 12;
  const draw = () => {
    const depths = depthsOf(context);
    if (!depths) return;
    const { agreement, chance, about } = depths.payload;
    const { pen, x } = frame(context, made, depths.states, right);
    const y = (share: number) => HEIGHT - FOOT - share * (HEIGHT - FOOT - 8);
    pen.textAlign = "right";
    for (const share of [0, 0.5, 1]) pen.fillText(percent(share), LEFT - 4, y(share));
    const line = (values: (number | null)[]) => {
      pen.beginPath();
      for (const [state, value] of values.entries()) if (value !== null) pen.lineTo(x(state), y(value));
      pen.stroke();
    };
    pen.strokeStyle = context.color("--nn-ink");
    pen.setLineDash([4, 3]);
    line(chance);
    pen.setLineDash([]);
    pen.strokeStyle = context.color("--nn-accent");
    pen.lineWidth = 2;
    line(agreement);
    made.canvas.setAttribute("aria-label", about.join("; "));
  };
  const made = chart(context, title, reading, () => draw(), right);
  context.listen(made.canvas, "pointermove", (event) => {
    const depths = depthsOf(context);
    if (depths) say(reading, depths.payload.about[made.stateAt(event, depths.states)]);
  });
  context.listen(made.canvas, "pointerleave", () => say(reading, ""));
  context.watch(["logit_lens"], draw);
  context.onTheme(draw);
  return made.element;
}
