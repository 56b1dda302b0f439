// Accuracy against cost: a point for each replacement that was tried.

import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { ReplacementEntry, SweepPayload } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { fixed, percent, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { showDataWork, workLine } from "../../ui/work.ts";
import { weightChoice } from "../weights/choose.ts";

/** The marks of the methods: told apart without their colours. */
const MARKS: Record<string, string> = {
  "low-rank": "●",
  separable: "■",
  "depthwise-separable": "▲",
  gabor: "◆",
  prune: "✚",
};

export function methodName(method: string): string {
  const names: Record<string, string> = {
    "low-rank": t("low-rank"),
    separable: t("separable"),
    "depthwise-separable": t("depthwise-separable"),
    gabor: t("Gabor function"),
    prune: t("prune"),
  };
  return names[method] ?? method;
}

/** The share of the images that a replacement gets right: by their labels, else by the model's own answers. */
export const quality = (entry: ReplacementEntry): number => entry.accuracy ?? entry.agreement ?? 0;

/** The cost of a replacement as a share: of the network's FLOPs, or of the layer's numbers. */
function cost(entry: ReplacementEntry, by: string): number {
  if (by === "flops" && entry.flops) return entry.flops[1] / entry.flops[0];
  return entry.parameters[1] / entry.parameters[0];
}

export function chartPane(context: Context, _scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { role: "img", class: "nn-curve", "aria-label": t("accuracy against cost") });
  const stage = h("div", { class: "nn-framed" }, canvas);
  const key = h("div", { class: "nn-soft nn-name" });
  const reading = h("div", { class: "nn-soft nn-name nn-line" });
  const answer = h("div", { class: "nn-answer", "aria-live": "polite" });
  answer.title = t(
    "the loss is a share of the images, with its 95 % interval; it does not include that the best was chosen on the same images",
  );
  let [by, from] = ["flops", 0];
  let points: { x: number; y: number; entry: ReplacementEntry }[] = [];
  let width = 480;
  const axis = choice(
    t("cost"),
    [
      ["flops", t("FLOPs of the network")],
      ["parameters", t("numbers of the layer")],
    ],
    (value) => {
      by = value;
      draw();
    },
  );
  const range = choice(
    t("show"),
    [
      ["0", t("from 0 %")],
      ["0.9", t("from 90 %")],
    ],
    (value) => {
      from = Number(value);
      draw();
    },
  );
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("resume"),
  );

  const draw = () => {
    const sweep = context.get("sweep");
    const height = 260;
    const pen = sized(canvas, width, height);
    canvas.style.width = `${width}px`;
    if (!sweep) return;
    const [left, foot, head] = [40, 30, 8];
    const high = height - foot - head;
    const costs = sweep.results.map((entry) => cost(entry, by));
    const most = Math.max(1, ...costs) * 1.04;
    // With FLOPs most of the network stays: the axis begins at a round share below the cheapest.
    const least = Math.max(0, Math.floor(20 * Math.min(1, ...costs) - 0.5) / 20);
    const x = (value: number) => left + ((value - least) / (most - least)) * (width - left - 8);
    const y = (value: number) => head + Math.min(1, (1 - value) / (1 - from)) * high;
    pen.font = "11px system-ui, sans-serif";
    pen.fillStyle = context.color("--nn-dim");
    pen.strokeStyle = context.color("--nn-line");
    const shares = [0, 0.25, 0.5, 0.75, 1];
    for (const tick of shares.map((share) => from + share * (1 - from))) {
      pen.beginPath();
      pen.moveTo(left, Math.round(y(tick)) + 0.5);
      pen.lineTo(width - 8, Math.round(y(tick)) + 0.5);
      pen.stroke();
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      pen.fillText(percent(tick), left - 4, y(tick));
    }
    pen.textAlign = "center";
    pen.textBaseline = "top";
    // The whole cost is always written; others where they have room.
    let room = width;
    for (const share of shares.slice(1).reverse()) {
      const tick = least + share * (1 - least);
      const words = percent(Math.round(100 * tick) / 100);
      const half = pen.measureText(words).width / 2;
      if (x(tick) + half > room) continue;
      pen.fillText(words, x(tick), height - foot + 2);
      room = x(tick) - half - 6;
    }
    pen.textBaseline = "bottom";
    pen.fillText(
      by === "flops" ? t("FLOPs of the network") : t("numbers of the layer"),
      left + (width - left) / 2,
      height,
    );
    const goal = (sweep.accuracy ?? 1) - context.get("loss");
    pen.setLineDash([4, 3]);
    pen.strokeStyle = context.color("--nn-ink");
    pen.beginPath();
    pen.moveTo(left, y(goal));
    pen.lineTo(width - 8, y(goal));
    pen.stroke();
    pen.setLineDash([]);
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    points = sweep.results.map((entry, at) => {
      const [px, py] = [x(cost(entry, by)), y(quality(entry))];
      pen.font = at === sweep.smallest ? "bold 20px system-ui" : "14px system-ui";
      pen.fillStyle = context.color(at === sweep.smallest ? "--nn-accent" : "--nn-bar");
      pen.fillText(MARKS[entry.method] ?? "●", px, py);
      return { x: px, y: py, entry };
    });
    canvas.setAttribute("aria-label", words(sweep));
  };
  const words = (sweep: SweepPayload): string => {
    const best = sweep.smallest === null ? null : sweep.results[sweep.smallest];
    if (!best) return t("no replacement that was tried is simpler and good enough");
    const [loss, low, high] = best.loss.map((value) => fixed(100 * value, 1));
    return t(
      "smallest of those tried that is good enough: {words}, {share} of the FLOPs; loss {loss} % ({low} … {high})",
      {
        words: best.words,
        share: percent(best.flops ? best.flops[1] / best.flops[0] : 1),
        loss,
        low,
        high,
      },
    );
  };
  const tell = () => {
    const sweep = context.get("sweep");
    if (!sweep) return;
    say(title, t("would something simpler do for {layer}?", { layer: sweep.layer }));
    title.title = sweep.label;
    const methods = [...new Set(sweep.results.map((entry) => entry.method))];
    say(answer, sweep.results.length ? words(sweep) : "");
    say(key, methods.map((method) => `${MARKS[method]} ${methodName(method)}`).join("   "));
    showDataWork(work, {
      words: sweep.running
        ? t("{done} of {total} replacements", { done: sweep.done, total: sweep.total })
        : sweep.done < sweep.total && context.live
          ? t("stopped")
          : plural("tried on {count} image", "tried on {count} images", sweep.images),
      share: sweep.total ? sweep.done / sweep.total : null,
      running: context.live && sweep.running,
      canContinue: context.live && sweep.done < sweep.total,
      skipped: sweep.skipped,
    });
  };
  context.listen(canvas, "pointermove", (event) => {
    const box = canvas.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    const near = points
      .map((point) => ({ ...point, distance: Math.hypot(point.x - px, point.y - py) }))
      .sort((a, b) => a.distance - b.distance)[0];
    say(reading, near && near.distance < 16 ? entryWords(near.entry) : "");
  });
  context.listen(canvas, "pointerleave", () => say(reading, ""));
  context.watch(["sweep", "loss"], () => {
    draw();
    tell();
  });
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = Math.max(240, stage.clientWidth);
    draw();
  });
  const tools = toolbar([!context.hides("weight") && weightChoice(context), axis, range]);
  return h(
    "div",
    {},
    h("div", { class: "nn-head" }, title, tools),
    stage,
    key,
    answer,
    reading,
    h("div", { class: "nn-now-line" }, ...work.parts),
  );
}

export function entryWords(entry: ReplacementEntry): string {
  const [before, after] = entry.parameters;
  const [loss, low, high] = entry.loss.map((value) => fixed(100 * value, 1));
  const parts = [
    entry.words,
    t("{after} of {before} numbers", { after, before }),
    t("weights changed by {share} %", { share: short(100 * entry.weight_error) }),
  ];
  if (entry.accuracy !== null) parts.push(t("accuracy {share}", { share: `${fixed(100 * entry.accuracy, 1)} %` }));
  if (entry.agreement !== null) parts.push(t("agreement {share}", { share: `${fixed(100 * entry.agreement, 1)} %` }));
  parts.push(t("loss {loss} % ({low} … {high})", { loss, low, high }));
  return parts.join(" · ");
}
