// The heads of an attention module: the products of their projections, with their singular values.

import { base, line } from "../../draw/charts.ts";
import { picture } from "../../draw/texture.ts";
import type { Context } from "../../model/context.ts";
import type { Scene } from "../../model/scene.ts";
import type { Texture } from "../../model/traits.ts";
import { h, say, sized } from "../../ui/dom.ts";
import { fixed, short } from "../../ui/format.ts";
import { heading } from "../../ui/pane.ts";
import { t } from "../../ui/text.ts";
import { enlarge } from "./filter.ts";

const SIDE = 96;

export function headsPane(context: Context, scene: Scene): HTMLElement {
  const title = heading();
  const list = h("div", { class: "nn-tiles" });
  const body = h("div", {}, title, list);
  const product = (texture: Texture, words: string) => {
    const canvas = h("canvas", { class: "nn-photo nn-plain", role: "img", "aria-label": words, title: words });
    enlarge(canvas, picture(scene, texture), SIDE);
    return canvas;
  };
  const spectrum = (values: number[]) => {
    const words = t("singular values, the largest {largest}", { largest: short(values[0]) });
    const canvas = h("canvas", { role: "img", "aria-label": words, title: words });
    const pen = sized(canvas, SIDE, 24);
    const frame = { pen, width: SIDE, height: 24, foot: 1, left: 0 };
    base(context, frame);
    line(context, frame, values, values[0], "--nn-bar");
    return h("div", { class: "nn-framed" }, canvas);
  };
  const draw = () => {
    const heads = context.get("heads");
    body.hidden = !heads;
    if (!heads) return;
    say(title, t("heads of {name}, each of width {width}", { name: heads.name, width: heads.width }));
    title.title = t("left: what queries and keys compare; right: what is added to the output for each input");
    list.replaceChildren(
      ...heads.heads.map((head, index) => {
        const numbers = {
          copying: head.copying === null ? "–" : fixed(head.copying, 2),
          symmetry: head.symmetry === null ? "–" : fixed(head.symmetry, 2),
        };
        return h(
          "div",
          { class: "nn-framed" },
          h("div", {}, t("head {head}", { head: index })),
          h(
            "div",
            { class: "nn-beside" },
            product(head.query_key, t("query–key product of head {head}", { head: index })),
            product(head.value_output, t("value–output product of head {head}", { head: index })),
          ),
          h("div", { class: "nn-beside" }, spectrum(head.query_key_values), spectrum(head.value_output_values)),
          h(
            "div",
            {
              class: "nn-soft",
              title: t("symmetric: 1 if i looks at j as j at i; copying: 1 for a head that writes what it reads"),
            },
            t("symmetric {symmetry} · copying {copying}", numbers),
          ),
        );
      }),
    );
  };
  context.watch(["heads"], draw);
  context.onTheme(draw);
  return body;
}
