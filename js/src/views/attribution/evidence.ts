// The evidence of the selected map: in words, as curves, as correlations; and the checks that wait to be asked for.

import { failureOf } from "../../draw/attribution_map.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { Curves, MethodName, Randomised } from "../../model/traits.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { fixed, share, short, signed } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { lengthWords } from "../../ui/place.ts";
import { plural, t } from "../../ui/text.ts";
import { className } from "../../ui/words.ts";

/** What a check does, for those that may wait to be asked for. */
function checkWords(check: string): string {
  const words: Record<string, string> = {
    faithfulness: t("deletion and insertion"),
    randomisation: t("randomised weights"),
    seeds: t("other seeds"),
    sensitivity: t("noise on the input"),
  };
  return words[check];
}

function verdictWords(verdict: string): string {
  const words: Record<string, string> = {
    good: t("✓ holds"),
    doubtful: t("? doubtful"),
    bad: t("✗ speaks against it"),
    plain: t("· noted"),
  };
  return words[verdict];
}

/** The side of the blocks that are deleted and inserted. */
function blockWords(context: Context, block: number): string {
  return context.find("text")
    ? plural("{count} token", "{count} tokens", block, { count: block })
    : lengthWords(context, block);
}

/** As wide as there is room, at most `most`: a chart that is scaled afterwards cannot be read. */
function widthOf(canvas: HTMLCanvasElement, most: number): number {
  const width = Math.min(most, Math.floor(canvas.parentElement?.clientWidth || most));
  canvas.style.width = `${width}px`;
  return width;
}

/** Deletion and insertion side by side: the map's order, the band of random ones, the edges dashed. */
export function drawCurves(
  context: Context,
  canvas: HTMLCanvasElement,
  curves: Curves,
  room: number,
  height: number,
): void {
  const width = widthOf(canvas, room);
  const color = (name: string) => context.color(name);
  const pen = sized(canvas, width, height);
  const large = height > 100;
  const foot = large ? 30 : 14;
  const most = Math.max(
    1e-9,
    ...(["deletion", "insertion"] as const).flatMap((name) => [
      ...curves[name].own,
      ...curves[name].high,
      ...curves[name].edges,
    ]),
  );
  const top = most > 0.3 ? 1 : most * 1.1;
  pen.font = `${large ? 11 : 10}px system-ui, sans-serif`;
  const left = large ? 34 : 22;
  const half = (width - left - 14) / 2;
  const names = large
    ? { deletion: t("deletion"), insertion: t("insertion") }
    : { deletion: t("del."), insertion: t("ins.") };
  (["deletion", "insertion"] as const).forEach((name, index) => {
    const curve = curves[name];
    const from = left + index * (half + 12);
    const x = (part: number) => from + part * half;
    const y = (value: number) => 4 + (1 - value / top) * (height - foot - 4);
    pen.strokeStyle = color("--nn-line");
    pen.lineWidth = 1;
    pen.strokeRect(Math.round(from) + 0.5, 4.5, Math.round(half), Math.round(height - foot - 4));
    pen.fillStyle = color("--nn-line");
    pen.globalAlpha = 0.8;
    pen.beginPath();
    for (const [at, part] of curves.shares.entries()) pen.lineTo(x(part), y(curve.high[at]));
    for (const at of [...curves.shares.keys()].reverse()) pen.lineTo(x(curves.shares[at]), y(curve.low[at]));
    pen.fill();
    pen.globalAlpha = 1;
    const line = (values: number[], ink: string, dash: number[]) => {
      pen.strokeStyle = color(ink);
      pen.setLineDash(dash);
      pen.lineWidth = dash.length ? 1 : 1.75;
      pen.beginPath();
      for (const [at, value] of values.entries()) pen.lineTo(x(curves.shares[at]), y(value));
      pen.stroke();
      pen.setLineDash([]);
    };
    line(curve.edges, "--nn-dim", [3, 2]);
    line(curve.own, "--nn-accent", []);
    pen.fillStyle = color("--nn-dim");
    pen.textBaseline = "bottom";
    pen.textAlign = "left";
    const area = short(curve.area, 2);
    const named = `${names[name]} ${area}`;
    const fits = pen.measureText(named).width < half + 6;
    pen.fillText(fits ? named : area, from, height - (large ? 16 : 1));
    if (large) {
      pen.textAlign = "left";
      pen.fillText("0", from, height - 2);
      pen.textAlign = "right";
      pen.fillText("1", from + half, height - 2);
      pen.textAlign = "center";
      const between = t("share of the input");
      if (pen.measureText(between).width < half - 24) pen.fillText(between, from + half / 2, height - 2);
    }
    if (index === 0) {
      pen.textAlign = "right";
      pen.textBaseline = "middle";
      for (const tick of large ? [0, top / 2, top] : [0, top])
        pen.fillText(top === 1 ? fixed(tick, tick % 1 ? 1 : 0) : short(tick, 1), left - 3, Math.max(8, y(tick)));
    }
  });
  const words = (["deletion", "insertion"] as const).map((name) => {
    const { area, chance, edges_area } = curves[name];
    const numbers = { area: short(area, 2), chance: short(chance, 2), edges: short(edges_area, 2) };
    return name === "deletion"
      ? t("deletion area {area}, random orders {chance}, edges {edges}", numbers)
      : t("insertion area {area}, random orders {chance}, edges {edges}", numbers);
  });
  canvas.setAttribute("aria-label", words.join("; "));
  const { orders, block, steps } = curves;
  canvas.title = t(
    "probability while the input is deleted (left; falling early is good) and inserted (right; rising early is good), in the map's order; grey: {orders} random orders; dashed: an edge detector's order. Blocks of {length}, {steps} steps",
    { orders, length: blockWords(context, block), steps },
  );
}

export function evidencePane(context: Context): HTMLElement {
  const title = heading();
  const words = h("div", { class: "nn-statements" });
  const curves = h("canvas", { class: "nn-curve nn-evidence-curves", role: "img" });
  const caption = h("div", { class: "nn-soft" });
  const weights = h("canvas", { class: "nn-curve nn-evidence-curves", role: "img" });
  const weightsCaption = h("div", { class: "nn-soft" });
  const ask = h("div", { class: "nn-row" });
  const failed = h("div", { class: "nn-soft" });
  const agreement = h("div", { class: "nn-agreement" });

  const draw = () => {
    const method = context.get("method") as MethodName;
    const row = context.get("row");
    const known = context.get("known_methods").find(({ name }) => name === method);
    const about = context.get("rows")[row];
    say(
      title,
      t("evidence · {method} of {label}", { method: known?.title ?? method, label: className(about?.label ?? "") }),
    );
    const evidence = context.get(`evidence_${method}`)?.[row];
    const error = failureOf(context.get(`map_${method}`)?.[row]);
    words.replaceChildren(
      ...(evidence?.findings ?? []).map(([, verdict, text]) =>
        h(
          "div",
          { class: `nn-statement nn-${verdict}` },
          h("span", { class: "nn-verdict" }, verdictWords(verdict)),
          h("span", {}, `${text}`),
        ),
      ),
    );
    if (!evidence)
      words.append(
        h(
          "div",
          { class: "nn-soft" },
          error ? t("no map: {error}", { error }) : context.live ? t("computing…") : t("not stored in this page"),
        ),
      );
    curves.hidden = caption.hidden = !evidence?.curves;
    if (evidence?.curves) {
      drawCurves(context, curves, evidence.curves, 340, 132);
      const { orders, block, steps } = evidence.curves;
      say(
        caption,
        t(
          "probability while the input is deleted, and inserted, in the map's order; grey band: {orders} random orders; dashed: the edges' order; blocks of {length}, {steps} steps",
          { orders, length: blockWords(context, block), steps },
        ),
      );
    }
    const there = evidence?.weights?.cascading.length;
    weights.hidden = weightsCaption.hidden = !there;
    if (evidence?.weights && there) drawWeights(evidence.weights);
    ask.replaceChildren(
      ...Object.entries(evidence?.skipped ?? {}).map(([check, passes]) => button(method, row, check, passes)),
    );
    if (ask.childElementCount) ask.prepend(h("span", { class: "nn-soft" }, t("not run automatically:")));
    say(
      failed,
      Object.entries(evidence?.failed ?? {})
        .map(([check, why]) => `${checkWords(check)}: ${why}`)
        .join("; "),
    );
    failed.hidden = !failed.textContent;
  };

  const button = (method: MethodName, row: number, check: string, passes: number) => {
    const words = plural("{check} (about {count} pass)", "{check} (about {count} passes)", passes, {
      check: checkWords(check),
    });
    const ask = h("button", { type: "button" }, words);
    ask.disabled = !context.live;
    if (!context.live) ask.title = needsKernel();
    context.listen(ask, "click", () => context.set({ check_request: { method, row, check, at: Date.now() } }));
    return ask;
  };

  /** Rank correlation with the original map, layer by layer: from the end down to it, and it alone. */
  const drawWeights = ({ layers, cascading, independent }: Randomised) => {
    const [width, left] = [widthOf(weights, 340), 34];
    const color = (name: string) => context.color(name);
    const step = (width - left - 8) / layers.length;
    const font = "11px system-ui, sans-serif";
    const ruler = weights.getContext("2d")!;
    ruler.font = font;
    const long = (text: string) => ruler.measureText(text).width;
    // Without its first folders where it is too long: what is left is a name, not a piece of one.
    const names = layers.map((layer) => {
      const parts = layer.split(".");
      while (parts.length > 1 && long(parts.join(".")) > step - 4) parts.shift();
      return parts.join(".");
    });
    const lines = names.some((name) => long(name) > step - 4) ? 2 : 1; // names by turns on two lines
    const [height, foot] = [120 + 12 * lines, 18 + 12 * lines];
    const pen = sized(weights, width, height);
    const low = Math.min(0, ...[...cascading, ...independent].flatMap(([sign, size]) => [sign ?? 0, size ?? 0]));
    const y = (value: number) => 4 + (1 - (value - low) / (1 - low)) * (height - foot - 8);
    pen.font = font;
    pen.fillStyle = color("--nn-dim");
    pen.textBaseline = "middle";
    pen.textAlign = "right";
    for (const tick of [0, 0.5, 1]) {
      pen.strokeStyle = color("--nn-line");
      pen.beginPath();
      pen.moveTo(left, Math.round(y(tick)) + 0.5);
      pen.lineTo(width - 8, Math.round(y(tick)) + 0.5);
      pen.stroke();
      pen.fillText(short(tick), left - 5, Math.max(8, y(tick)));
    }
    const bar = (index: number, slot: number, value: number | null | undefined, ink: string) => {
      if (value === null || value === undefined) return;
      const from = left + index * step + 4 + (slot * (step - 8)) / 3;
      pen.fillStyle = color(ink);
      pen.fillRect(from, Math.min(y(value), y(0)), (step - 8) / 3 - 1, Math.max(1, Math.abs(y(value) - y(0))));
    };
    layers.forEach((_layer, index) => {
      if (cascading[index]) {
        bar(index, 0, cascading[index][0], "--nn-accent");
        bar(index, 1, cascading[index][1], "--nn-bar");
      }
      if (independent[index])
        bar(index, 2, Math.max(independent[index][0] ?? 0, independent[index][1] ?? 0), "--nn-dim");
      pen.fillStyle = color("--nn-dim");
      pen.textAlign = "center";
      pen.textBaseline = "top";
      let name = names[index];
      const room = lines * step - 8;
      if (long(name) > room) {
        while (name.length > 1 && long(`${name}…`) > room) name = name.slice(0, -1);
        name += "…";
      }
      const half = long(name) / 2;
      const middle = Math.min(Math.max(left + (index + 0.5) * step, half), width - half);
      pen.fillText(name, middle, height - foot + 2 + 12 * (index % lines));
    });
    pen.textAlign = "left";
    pen.fillText(t("last layer"), left, height - 13);
    pen.textAlign = "right";
    pen.fillText(t("first"), width - 8, height - 13);
    const text = cascading
      .map(([sign, size], index) => `${layers[index]} ${signed(sign ?? 0)}, ${short(size ?? 0, 2)}`)
      .join("; ");
    weights.setAttribute(
      "aria-label",
      t("rank correlation with weights randomised down to each layer, with signs and of magnitudes: {values}", {
        values: text,
      }),
    );
    say(
      weightsCaption,
      t(
        "rank correlation with this map when weights are randomised from the last layer down to each (orange: with signs; blue: of magnitudes), and in that layer alone (grey). It should fall.",
      ),
    );
  };

  const agree = () => {
    const { methods, values } = context.get("agreement")?.[context.get("row")] ?? { methods: [], values: [] };
    agreement.hidden = !values.length;
    if (!values.length) return;
    const titles = methods.map(
      (name) => context.get("known_methods").find((method) => method.name === name)?.title ?? name,
    );
    const head = h("tr", {}, h("th", {}, t("agreement")), ...titles.map((title) => h("th", { scope: "col" }, title)));
    const lines = values.map((row, at) =>
      h(
        "tr",
        {},
        h("th", { scope: "row" }, titles[at]),
        ...row.map((value, other) => {
          const cell = h("td", {}, at === other ? "" : value === null ? "–" : share(Math.abs(value)));
          if (at !== other && value !== null) {
            if (value < 0) say(cell, `−${share(-value)}`);
            cell.style.background = `color-mix(in srgb, var(--nn-bar) ${Math.round(Math.max(0, value) * 70)}%, transparent)`;
          }
          return cell;
        }),
      ),
    );
    agreement.replaceChildren(
      h("table", {}, head, ...lines),
      h("div", { class: "nn-soft" }, t("rank correlation between the methods; methods that agree may all be wrong")),
    );
  };

  const methods = context.get("known_methods").map(({ name }) => name);
  const evidence = methods.map((name) => `evidence_${name}` as const);
  const maps = methods.map((name) => `map_${name}` as const);
  context.onTheme(draw);
  context.watch([...evidence, ...maps, "method", "row", "rows"], draw);
  context.watch(["agreement", "known_methods", "row"], agree);
  const pane = h(
    "div",
    {},
    title,
    words,
    ask,
    failed,
    h("div", { class: "nn-halves" }, h("div", {}, curves, caption), h("div", {}, weights, weightsCaption)),
    agreement,
  );
  onResize(context, pane, draw);
  return pane;
}
