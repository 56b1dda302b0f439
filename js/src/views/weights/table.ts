// A row for each layer: distributions and numbers beside those of the reference.

import { distribution, type Frame, line, rose } from "../../draw/charts.ts";
import { type Context, needsKernel } from "../../model/context.ts";
import type { NumberBeside, WeightRow } from "../../model/traits.ts";
import { choice, toolbar } from "../../ui/controls.ts";
import { h, say, sized } from "../../ui/dom.ts";
import { fixed, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { plural, t } from "../../ui/text.ts";
import { workLine } from "../../ui/work.ts";

const [WIDTH, HEIGHT] = [64, 28];
/** The numbers that the table has columns for; the others are in the tooltips and in the findings. */
const COLUMNS = ["kurtosis", "norm spread", "stable rank", "energy above random", "axes", "dead", "redundant"];

const alike = ({ value, low, high }: NumberBeside) =>
  [low, high].some((bound) => bound !== null && short(bound, 2) === short(value, 2));

export function tablePane(context: Context): HTMLElement {
  const title = heading();
  const table = h("table", { class: "nn-table" });
  const scroll = h(
    "div",
    { class: "nn-scroll", tabindex: 0, role: "region", "aria-label": t("statistics of all layers") },
    table,
  );
  const against = choice(t("against"), [], (value) => context.set({ against: value }));
  against.select.disabled = !context.live;
  if (!context.live) against.title = needsKernel();
  const work = workLine(
    () => context.request("cancel"),
    () => context.request("resume"),
  );
  let rows: { name: string; element: HTMLTableRowElement }[] = [];
  let revealed = false;

  const chart = (words: string, draw: (frame: Frame) => void): HTMLCanvasElement => {
    const canvas = h("canvas", {
      class: "nn-spark",
      role: "img",
      "aria-label": words,
      title: words,
    });
    const pen = sized(canvas, WIDTH, HEIGHT);
    draw({ pen, width: WIDTH, height: HEIGHT, foot: 1, left: 0 });
    return canvas;
  };
  const cell = (row: WeightRow, name: string, meaning: string) => {
    const item = row.numbers[name];
    if (!item) return h("td", {}, "–");
    const beside =
      item.low === null || item.high === null
        ? ""
        : item.low === item.high
          ? short(item.low, 2)
          : `${short(item.low, 2)} … ${short(item.high, 2)}`;
    const parts = [
      beside ? t("{meaning}; reference {beside}", { meaning, beside }) : meaning,
      item.score === null
        ? ""
        : t("{score} standard deviations of the draws from their mean", { score: short(item.score, 2) }),
    ];
    return h(
      "td",
      { class: `nn-figure${item.differs ? " nn-differs" : ""}`, title: parts.filter(Boolean).join("; ") },
      // A digit more where a number and the range that it lies outside of would look the same.
      h("span", {}, short(item.value, item.differs && alike(item) ? 3 : 2)),
      h("span", { class: "nn-soft" }, beside),
    );
  };
  const tail = (row: WeightRow) => {
    if (!row.tail) return h("td", {}, "–");
    const { alpha, error, distance, critical, count, of, xmin } = row.tail;
    const bad = distance > critical;
    const words = t(
      "α = {alpha} ± {error} of the {count} largest of {of} eigenvalues, from {xmin} on; D = {distance}, chance allows {critical}",
      {
        alpha: fixed(alpha, 2),
        error: fixed(error, 2),
        count,
        of,
        xmin: short(xmin),
        distance: fixed(distance, 3),
        critical: fixed(critical, 3),
      },
    );
    const beside = bad ? t("bad fit") : count < 50 ? t("short tail") : "";
    return h(
      "td",
      { class: `nn-figure${bad || count < 50 ? " nn-soft" : ""}`, title: words },
      h("span", {}, fixed(alpha, 2)),
      h("span", { class: "nn-soft" }, beside || `D ${fixed(distance, 2)}`),
    );
  };

  const render = () => {
    const active = (table.getRootNode() as Document | ShadowRoot).activeElement;
    const focused = table.contains(active) ? (active as HTMLElement).dataset.key : undefined;
    const measures = context.get("measures").filter(({ name }) => COLUMNS.includes(name));
    const by = context.get("ordered_by");
    const head = (name: string, words: string, meaning: string) => {
      const button = h(
        "button",
        {
          type: "button",
          class: "nn-link",
          "data-key": `by ${name}`,
          title: meaning,
          onclick: () => context.set({ ordered_by: by === name ? "" : name }),
        },
        words,
      );
      return h("th", { scope: "col", "aria-sort": by === name ? "descending" : null }, button);
    };
    const plain = (words: string, meaning = "") => h("th", { scope: "col", title: meaning }, words);
    const all = [...context.get("weight_rows")];
    if (by) all.sort((a, b) => (b.numbers[by]?.value ?? -Infinity) - (a.numbers[by]?.value ?? -Infinity));
    const body = h("tbody");
    rows = all.map((row) => {
      const name = h(
        "button",
        {
          type: "button",
          class: "nn-link nn-name",
          "data-key": row.name,
          title: [row.label, ...row.same_as].join(" = "),
          onclick: () => choose(row.name),
        },
        row.name || t("the model"),
      );
      const element = h("tr", {}, h("th", { scope: "row" }, name));
      element.addEventListener("click", () => choose(row.name));
      if (row.problem) element.append(h("td", { colspan: 5 + measures.length, class: "nn-warning" }, row.problem));
      else {
        const { weights, norms, angles, singular } = row;
        element.append(
          h(
            "td",
            {},
            weights && chart(t("distribution of the weights"), (frame) => distribution(context, frame, weights)),
          ),
          h("td", {}, norms && chart(t("norms of the filters"), (frame) => distribution(context, frame, norms))),
          h(
            "td",
            {},
            angles && chart(t("directions of the filters, 0° at the right"), (frame) => rose(context, frame, angles)),
          ),
          h(
            "td",
            {},
            singular &&
              chart(t("singular values; dashed: random weights"), (frame) => {
                const top = Math.max(singular.values[0], singular.random[0]);
                line(context, frame, singular.random, top, "--nn-ink", [3, 2]);
                line(context, frame, singular.values, top, "--nn-bar");
              }),
          ),
          ...measures.map(({ name: key, meaning }) => cell(row, key, meaning)),
          tail(row),
        );
      }
      body.append(element);
      return { name: row.name, element };
    });
    table.replaceChildren(
      h(
        "thead",
        {},
        h(
          "tr",
          {},
          plain(t("layer")),
          plain(t("weights"), t("bars: this layer; line: the reference")),
          plain(t("norms"), t("of the filters")),
          plain(t("directions"), t("in which the filters' patterns vary")),
          plain(t("singular values"), t("dashed: random weights of the same size and variance")),
          ...measures.map(({ name, title: words, meaning }) => head(name, words, meaning)),
          plain(
            "α",
            t("exponent of the power law that fits the largest eigenvalues, with its Kolmogorov–Smirnov distance D"),
          ),
        ),
      ),
      body,
    );
    mark();
    // The rows are made anew while they fill: the focus stays where it was.
    if (focused)
      table.querySelector<HTMLElement>(`[data-key="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
    if (!revealed && rows.some(({ name }) => name === context.get("weight"))) {
      revealed = true;
      requestAnimationFrame(reveal);
    }
    say(title, plural("weights of {count} layer", "weights of {count} layers", all.length));
  };
  const choose = (weight: string) => {
    if (weight !== context.get("weight")) context.set({ weight, filter: 0 });
  };
  const mark = () => {
    for (const { name, element } of rows) element.classList.toggle("nn-chosen", name === context.get("weight"));
  };
  /** Scroll to the chosen row within the table: scrollIntoView would move the whole notebook. */
  const reveal = () => {
    const element = rows.find(({ name }) => name === context.get("weight"))?.element;
    if (!element) return;
    const head = table.tHead?.offsetHeight ?? 0;
    const [top, bottom] = [element.offsetTop, element.offsetTop + element.offsetHeight];
    if (top < scroll.scrollTop + head) scroll.scrollTop = top - head;
    else if (bottom > scroll.scrollTop + scroll.clientHeight) scroll.scrollTop = bottom - scroll.clientHeight;
  };
  const tell = () => {
    const names = context.get("references");
    against.select.replaceChildren(
      h("option", { value: "initial" }, t("its initialisation")),
      ...names.map((name) => h("option", { value: name }, name)),
    );
    against.select.value = context.get("against");
    const progress = context.get("weights_progress");
    const running = context.live && Boolean(progress?.running);
    const left = progress ? progress.done < progress.total : false;
    work.show({
      words: running ? t("statistics of the weights") : left && context.live ? t("stopped") : "",
      share: progress?.total ? progress.done / progress.total : null,
      running,
      canContinue: context.live && left,
    });
  };
  context.watch(["weight_rows", "measures", "ordered_by"], render);
  context.watch(["weight"], () => {
    mark();
    reveal();
  });
  context.watch(["against", "references", "weights_progress"], tell);
  context.onTheme(render);
  context.listen(scroll, "keydown", (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || event.target !== scroll) return;
    event.preventDefault();
    const here = rows.findIndex(({ name }) => name === context.get("weight"));
    const next = rows[Math.min(rows.length - 1, Math.max(0, here + step))];
    if (!next) return;
    choose(next.name);
  });
  return h(
    "div",
    {},
    h("div", { class: "nn-head" }, title, toolbar([!context.hides("against") && against])),
    scroll,
    h("div", { class: "nn-now-line" }, ...work.parts),
  );
}
