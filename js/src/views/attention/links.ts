// Attention as lines between two columns of tokens: a window of a long text, around the token that is looked at.

import { shownHead } from "../../model/attention.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import { h, onResize, say, sized } from "../../ui/dom.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { axes, lookedAt, tokenName } from "./names.ts";

const LINE = 16;
const MOST = 24; // tokens in a column
const LEAST = 0.03; // weights below are not drawn

export function linksPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const canvas = h("canvas", { class: "nn-links-map", role: "img" });
  const stage = h("div", {}, canvas);
  let width = 280;
  let first = { query: 0, key: 0 };

  const draw = () => {
    const shown = shownHead(context);
    if (!shown) return;
    const { queries, keys } = shown.heads;
    const { from } = axes(context);
    const token = lookedAt(context, scene);
    const start = (count: number, at: number) => Math.max(0, Math.min(count - MOST, at - Math.floor(MOST / 2)));
    const [q, k] = [Math.min(MOST, queries), Math.min(MOST, keys)];
    // The other column shows the same part of the text; of another text, its beginning.
    const same = queries === keys;
    first = {
      query: from === "query" || same ? start(queries, token) : 0,
      key: from === "key" || same ? start(keys, token) : 0,
    };
    const height = Math.max(q, k) * LINE;
    const pen = sized(canvas, width, height);
    pen.font = `12px ${getComputedStyle(context.root).getPropertyValue("--jp-code-font-family") || "monospace"}`;
    pen.textBaseline = "middle";
    const column = Math.min(110, width * 0.36);
    const y = (place: number) => (place + 0.5) * LINE;
    const cut = (name: string) => {
      const plain = name.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "·");
      return plain.length > 14 ? `${plain.slice(0, 13)}…` : plain;
    };
    const mark = (x: number, place: number) => {
      pen.fillStyle = context.color("--nn-wash");
      pen.fillRect(x, place * LINE, column, LINE);
    };
    if (from === "query" && token - first.query < q) mark(0, token - first.query);
    if (from === "key" && token - first.key < k) mark(width - column, token - first.key);
    pen.fillStyle = context.color("--nn-ink");
    pen.textAlign = "right";
    for (let place = 0; place < q; place++)
      pen.fillText(cut(tokenName(context, "query", first.query + place)), column - 4, y(place));
    pen.textAlign = "left";
    for (let place = 0; place < k; place++)
      pen.fillText(cut(tokenName(context, "key", first.key + place)), width - column + 4, y(place));
    const link = (query: number, key: number, weight: number, strong: boolean) => {
      if (weight < LEAST || key < first.key || key >= first.key + k) return;
      pen.globalAlpha = strong ? Math.max(0.25, Math.min(1, weight)) : 0.2 * Math.min(1, weight);
      pen.lineWidth = strong ? 1 + 2 * weight : 1;
      pen.beginPath();
      pen.moveTo(column, y(query - first.query));
      pen.lineTo(width - column, y(key - first.key));
      pen.stroke();
    };
    for (const strong of [false, true]) {
      pen.strokeStyle = context.color(strong ? "--nn-accent" : "--nn-dim");
      for (let query = first.query; query < first.query + q; query++) {
        const own = from === "query" && query === token;
        shown.row(query, (key, weight) => {
          if (strong === (own || (from === "key" && key === token))) link(query, key, weight, strong);
        });
      }
    }
    pen.globalAlpha = 1;
    const part = q < queries || k < keys;
    say(title, part ? t("links within {count} tokens", { count: MOST }) : t("links"));
    title.title = t("left: the tokens that read; right: what they read; weights below {least} are not drawn", {
      least: LEAST,
    });
    canvas.setAttribute("aria-label", title.title);
  };
  const at = (event: MouseEvent): number | null => {
    const shown = shownHead(context);
    if (!shown) return null;
    const place = Math.floor((event.clientY - canvas.getBoundingClientRect().top) / LINE);
    const { from } = axes(context);
    const token = first[from] + place;
    return place >= 0 && token < (from === "query" ? shown.heads.queries : shown.heads.keys) ? token : null;
  };
  context.listen(canvas, "click", (event) => {
    const token = at(event);
    if (token !== null) context.set({ token });
  });
  context.watch(["attention", "rollout", "head", "combine", "direction", "token", "text"], draw);
  scene.selected.onHover(draw);
  context.onTheme(draw);
  onResize(context, stage, () => {
    width = stage.clientWidth;
    draw();
  });
  const body = h("div", {}, title, stage);
  // Of patches the photograph shows more.
  context.watch(["attention"], () => {
    body.hidden = Boolean(context.get("attention")?.grid);
  });
  return body;
}
